-- Recurring schedules: series, their occurrences, and what becomes of what is late.

set local lock_timeout = '5s';

-- A recurring schedule publishes nothing itself: it is active, paused or ended, its occurrences go out.
alter table schedules drop constraint schedules_status_check, drop constraint schedules_check1;
alter table schedules
    add constraint schedules_status_check check (status in
        ('scheduled', 'publishing', 'awaiting_platform', 'published', 'failed', 'unconfirmed', 'missed',
         'skipped', 'on_hold', 'cancelled', 'active', 'paused', 'ended')) not valid,
    add constraint schedules_reason_check check (status in
        ('scheduled', 'publishing', 'awaiting_platform', 'published', 'active')
        or status_reason is not null) not valid,
    add constraint schedules_series_check check (is_recurring = (status in ('active', 'paused', 'ended'))) not valid,
    -- How late it may go out after a downtime or a hold; `latest` lets only the newest overdue occurrence
    -- of a series go out.
    add column catch_up          text not null default 'latest' check (catch_up in ('skip', 'latest', 'all')),
    add column catch_up_secs     integer not null default 3600 check (catch_up_secs >= 60),
    -- Of an occurrence: the local time and the fold that its series planned, the moment that they mean,
    -- and which of the series' occurrences it is, from 0.
    add column planned_at_local  timestamp,
    add column fold              smallint check (fold in (0, 1)),
    add column occurrence_at     timestamptz,
    add column occurrence_number bigint,
    -- Of an occurrence: whether a person gave it another time, or other content.
    add column is_moved          boolean not null default false,
    add column is_edited         boolean not null default false,
    -- What an occurrence on hold waits for, and for nothing else: its paused series, or room in the plan.
    add column waits_for         text check (waits_for in ('series', 'quota')),
    -- When an occurrence begins to count against the plan; null when it does.
    add column reserve_at        timestamptz,
    add constraint schedules_occurrence_check check (
        (parent_schedule_id is null) = (planned_at_local is null)
        and (parent_schedule_id is null) = (fold is null)
        and (parent_schedule_id is null) = (occurrence_at is null)
        and (parent_schedule_id is null) = (occurrence_number is null)) not valid,
    add constraint schedules_waits_check check (
        waits_for is null or (status = 'on_hold' and not awaits_approval and not awaits_payment)) not valid;
alter table schedules validate constraint schedules_status_check;
alter table schedules validate constraint schedules_reason_check;
alter table schedules validate constraint schedules_series_check;
alter table schedules validate constraint schedules_occurrence_check;
alter table schedules validate constraint schedules_waits_check;

-- Whoever expands a series, however often: an occurrence is one row.
create unique index schedules_occurrences on schedules (parent_schedule_id, planned_at_local, fold)
    where parent_schedule_id is not null;
-- In the order of their moments.
drop index schedules_by_parent;
create index schedules_by_parent on schedules (parent_schedule_id, occurrence_at, id)
    where parent_schedule_id is not null;
create index schedules_to_reserve on schedules (reserve_at)
    where reserve_at is not null and (status = 'scheduled' or waits_for = 'quota');

-- What makes a schedule a series, and how far it is expanded. Locked together with its row in `schedules`.
create table schedule_series (
    schedule_id         uuid primary key references schedules,
    organization_id     uuid not null references organizations,
    -- The pattern, as it was asked for.
    rule                jsonb not null,
    -- How many occurrences there are in all; null when only the end date ends it.
    most                integer check (most > 0),
    -- Occurrence n sends out the version n modulo their number.
    content_version_ids uuid[] not null check (cardinality(content_version_ids) > 0),
    -- No occurrence is before it.
    starts_at           timestamptz not null,
    -- Of the time-zone data by which the occurrences ahead have their moments.
    tzdb                text not null,
    -- Every occurrence up to this moment is a row.
    expanded_to         timestamptz not null,
    -- How many occurrences that is.
    made                bigint not null default 0 check (made >= 0),
    -- When more are to be made; null while it is paused, and when it has ended.
    expand_at           timestamptz
);
create index schedule_series_due on schedule_series (expand_at) where expand_at is not null;
create index schedule_series_by_tzdb on schedule_series (tzdb) where expand_at is not null;
create index schedule_series_by_organization on schedule_series (organization_id, schedule_id);

-- Whether a schedule may still go out, by the database's clock: the one place where that is decided. It is
-- `go` up to a minute after its time, whatever the policy. Later it may be `late`: longer past than its
-- policy allows; `superseded`: a newer occurrence of its series is due as well; or `wait`: its series is
-- not expanded up to now, so that nobody knows whether it is the newest.
create function late_verdict(s schedules) returns text
language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select case
        when s.scheduled_at >= now() - interval '60 seconds' then 'go'
        when s.scheduled_at < now() - make_interval(secs => s.catch_up_secs) then 'late'
        when s.parent_schedule_id is null or s.catch_up <> 'latest' or s.is_moved then 'go'
        when exists (select from schedule_series q
                     where q.schedule_id = s.parent_schedule_id and q.expand_at <= now()
                       and q.expanded_to < now()) then 'wait'
        when exists (select from schedules newer
                     where newer.parent_schedule_id = s.parent_schedule_id
                       and newer.occurrence_at > s.occurrence_at and newer.occurrence_at <= now()
                       and newer.scheduled_at <= now() and not newer.is_moved
                       and newer.status not in ('missed', 'skipped', 'cancelled')) then 'superseded'
        else 'go'
    end
$$;

-- The same in words for people; null when it may go out.
create function late_reason(s schedules) returns text
language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select case late_verdict(s)
        when 'late' then format(
            'It was to go out at %s and could not within %s s of that, the latest that it may. Give it another time.',
            to_char(s.scheduled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), s.catch_up_secs)
        when 'superseded' then format(
            'It was to go out at %s and could not; a newer occurrence of its series was due before it could, and only the newest goes out late.',
            to_char(s.scheduled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    end
$$;
revoke all on function late_verdict(schedules), late_reason(schedules) from public;
grant execute on function late_verdict(schedules), late_reason(schedules) to ezre_scheduler, ezre_worker;

alter table schedule_series enable row level security;
create policy fleet on schedule_series to ezre_worker, ezre_scheduler using (true) with check (true);
create policy own_rows on schedule_series for select to ezre_api
    using (organization_id = (select acting_organization()));
create policy all_rows on schedule_series for select to ezre_operator using (true);
grant select on schedule_series to ezre_api, ezre_operator, ezre_scheduler, ezre_worker;
grant insert, update on schedule_series to ezre_worker;
grant update (tzdb, expanded_to, made, expand_at) on schedule_series to ezre_scheduler;

-- No login deletes schedules: only occurrences that nothing ever happened to go, when their series changes, to
-- be made anew. Answers which did.
create function delete_untouched(ids uuid[]) returns setof uuid
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    delete from schedules
    where id = any (ids) and parent_schedule_id is not null and status in ('scheduled', 'on_hold')
      and occurrence_at > now() and not is_moved and not is_edited
      -- That it was held, and went on, is nothing that happened to it.
      and not exists (select from jsonb_array_elements(attempt_log) e
                      where e ->> 'outcome' not in ('on_hold', 'resumed'))
    returning id
$$;
-- The scheduler gives no schedule another time, but occurrences the one that newer time-zone data says: not where
-- a person moved them, and not what the clock has turned into jobs.
create function move_with_zone(ids uuid[], moments timestamptz[]) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    update schedules s set occurrence_at = n.at, updated_at = now(), prepare_planned_at = null,
        scheduled_at = case when s.is_moved then s.scheduled_at else n.at end
    from unnest(ids, moments) as n (id, at)
    where s.id = n.id and s.parent_schedule_id is not null and s.occurrence_at > now()
      and s.publish_planned_at is null
$$;
revoke all on function delete_untouched(uuid[]), move_with_zone(uuid[], timestamptz[]) from public;
grant execute on function delete_untouched(uuid[]) to ezre_worker;
grant execute on function move_with_zone(uuid[], timestamptz[]) to ezre_scheduler;
-- The scheduler makes occurrences, and counts them.
grant insert (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time, timezone,
              max_retries, parent_schedule_id, planned_at_local, fold, occurrence_at, occurrence_number,
              catch_up, catch_up_secs, reserve_at, created_by)
    on schedules to ezre_scheduler;
grant update (reserve_at, waits_for) on schedules to ezre_scheduler;
grant insert on usage_counts, usage_reservations to ezre_scheduler;
grant select on organization_limits to ezre_scheduler;
