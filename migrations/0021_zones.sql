-- Newer time-zone data moves what people gave a time, and occurrences may be made before their turn.

set local lock_timeout = '5s';

-- The time-zone data by which the moment of what people gave a time was last found from its wall time and zone;
-- '' where nobody wrote it down, which is older than any. Of an occurrence that nobody moved it says nothing:
-- its series does.
alter table schedules add column tzdb text not null default '';
-- What the scheduler walks along.
create index schedules_by_tzdb on schedules (tzdb, id)
    where status in ('scheduled', 'on_hold') and not is_recurring and publish_planned_at is null
      and (parent_schedule_id is null or is_moved);
grant update (tzdb) on schedules to ezre_scheduler;

-- What newer time-zone data says, of what a person gave a time: a single schedule, or an occurrence that was
-- moved. Not of what has passed, nor of what the clock has turned into jobs.
create function move_with_wall_time(ids uuid[], moments timestamptz[]) returns setof uuid
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    update schedules s set scheduled_at = n.at, updated_at = now(), prepare_planned_at = null,
        check_at = greatest(now(), n.at - (select max(ahead) from check_ahead)),
        reserve_at = case when s.reserve_at is null or s.waits_for = 'quota' then s.reserve_at
                     else greatest(now(), period.period_start) end
    from unnest(ids, moments) as n (id, at), organizations o, lateral usage_period(o.billing_anchor, n.at) period
    where s.id = n.id and o.id = s.organization_id and s.scheduled_at > now() and s.publish_planned_at is null
      and s.status in ('scheduled', 'on_hold') and not s.is_recurring
      and (s.parent_schedule_id is null or s.is_moved)
    returning s.id
$$;

-- The same of occurrences where their series planned them; they are checked ahead of their new time, and count in
-- its period.
create or replace function move_with_zone(ids uuid[], moments timestamptz[]) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    update schedules s set occurrence_at = n.at, updated_at = now(), prepare_planned_at = null,
        scheduled_at = case when s.is_moved then s.scheduled_at else n.at end,
        check_at = case when s.is_moved then s.check_at
                   else greatest(now(), n.at - (select max(ahead) from check_ahead)) end,
        reserve_at = case when s.is_moved or s.reserve_at is null or s.waits_for = 'quota' then s.reserve_at
                     else greatest(now(), period.period_start) end
    from unnest(ids, moments) as n (id, at), organizations o, lateral usage_period(o.billing_anchor, n.at) period
    where s.id = n.id and o.id = s.organization_id and s.parent_schedule_id is not null
      and s.occurrence_at > now() and s.publish_planned_at is null
$$;

-- Occurrences that were made before their turn, or that a person touched before their series was changed, and
-- that it comes to now: they get their number and, unless a person gave them other content or somebody looks
-- at it right now, the version whose turn it is. `planned` and `folds` name them within the series `parents`.
create function take_turns(parents uuid[], planned timestamp[], folds smallint[], numbers bigint[]) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with met as (
        select s.id, n.number, t.version as turn,
               t.version <> s.content_version_id and not s.is_edited and not s.awaits_approval
               and s.platform_connection_id = p.platform_connection_id and s.publish_planned_at is null
               and s.status in ('scheduled', 'on_hold', 'skipped') as takes_version
        from unnest(parents, planned, folds, numbers) as n (parent, planned, fold, number)
        join schedules p on p.id = n.parent
        join schedule_series q on q.schedule_id = n.parent
        join schedules s on s.parent_schedule_id = n.parent and s.planned_at_local = n.planned and s.fold = n.fold
        cross join lateral (
            select q.content_version_ids[1 + (n.number % cardinality(q.content_version_ids))::int] as version
        ) t
    )
    update schedules s set occurrence_number = m.number, updated_at = now(),
        content_version_id = case when m.takes_version then m.turn else s.content_version_id end,
        prepared_media = case when m.takes_version then '[]' else s.prepared_media end,
        prepare_planned_at = case when m.takes_version then null else s.prepare_planned_at end,
        check_at = case when m.takes_version then now() else s.check_at end
    from met m where s.id = m.id and (m.takes_version or s.occurrence_number <> m.number)
$$;
revoke all on function move_with_wall_time(uuid[], timestamptz[]),
    take_turns(uuid[], timestamp[], smallint[], bigint[]) from public;
grant execute on function move_with_wall_time(uuid[], timestamptz[]),
    take_turns(uuid[], timestamp[], smallint[], bigint[]) to ezre_scheduler;

-- A worker makes occurrences as well, where a person touches one before its turn.
grant select on check_ahead to ezre_worker;
