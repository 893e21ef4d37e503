-- What people do with posts: what networks tell us of it, what is recorded, and what is added up.

set local lock_timeout = '5s';

-- Networks may enqueue too: what they tell by webhook becomes a job.
alter table jobs drop constraint jobs_origin_check;
alter table jobs add constraint jobs_origin_check
    check (origin in ('api', 'operator', 'scheduler', 'worker', 'network')) not valid;
alter table jobs validate constraint jobs_origin_check;
alter table job_kinds drop constraint job_kinds_caller_check;
alter table job_kinds add constraint job_kinds_caller_check
    check (caller in ('organization', 'operator', 'internal', 'network'));

-- Every authentic event that came by webhook, once, as it came; kept for 30 days.
create table webhook_events (
    id          uuid primary key,
    -- `x`, `stripe`.
    sender      text not null,
    -- The sender's own id of the event; where it has none, a hash of its bytes.
    event_id    text not null,
    -- The sender's word for what happened; null where it has none.
    event_type  text,
    -- The bytes whose signature was checked.
    body        text not null,
    received_at timestamptz not null default now(),
    -- What became of it; null while nobody has looked. `unmatched`: nobody here is meant, yet. `unknown`:
    -- we do not understand it. `ignored`: we do, and need nothing of it.
    outcome     text check (outcome in ('applied', 'unmatched', 'ignored', 'unknown')),
    -- Whom it is about, in the sender's words.
    subject     text,
    unique (sender, event_id)
);
create index webhook_events_by_time on webhook_events (received_at);
create index webhook_events_unmatched on webhook_events (sender, subject) where outcome = 'unmatched';

-- All that the API may do with them: keep those that are new, with the job that looks at them, or neither.
-- Answers how many were new.
create function receive_webhooks(
    of_sender text, ids uuid[], event_ids text[], event_types text[], bodies text[],
    of_job uuid, of_kind text, of_queue text, of_version smallint, attempts integer, trace text
) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    fresh uuid[];
begin
    if not exists (select from job_kinds k where k.kind = of_kind and k.caller = 'network') then
        raise exception 'no kind that a network may enqueue: %', of_kind using errcode = '42501';
    end if;
    with kept as (
        insert into webhook_events (id, sender, event_id, event_type, body)
        select e.id, of_sender, e.event_id, e.event_type, e.body
        from unnest(ids, event_ids, event_types, bodies) as e (id, event_id, event_type, body)
        order by e.event_id
        on conflict (sender, event_id) do nothing
        returning id
    )
    select array_agg(id) into fresh from kept;
    if fresh is null then
        return 0;
    end if;
    insert into jobs (id, actor, origin, queue, kind, args_version, args, state, max_attempts, trace_context)
    values (of_job, of_sender, 'network', of_queue, of_kind, of_version,
            jsonb_build_object('webhookEvents', to_jsonb(fresh)), 'ready', attempts, trace);
    return cardinality(fresh);
end $$;

-- How often a network is asked for the totals of a post, by the post's age. Data: another rhythm is a row.
create table poll_cadence (
    platform     text not null,
    -- For posts younger than this; older than all of them are not asked for.
    younger_than interval not null,
    every        interval not null check (every >= interval '10 seconds'),
    -- When nothing changes, each look doubles the pause, up to so many times `every`.
    slowest      integer not null check (slowest between 1 and 64),
    primary key (platform, younger_than)
);
insert into poll_cadence (platform, younger_than, every, slowest) values
    ('TWITTER', '1 hour', '5 minutes', 2),
    ('TWITTER', '6 hours', '15 minutes', 4),
    ('TWITTER', '1 day', '1 hour', 4),
    ('TWITTER', '7 days', '6 hours', 4),
    ('TWITTER', '30 days', '1 day', 4);

-- How a post stands: its totals, and when the network is asked for them. Locked by whoever records
-- anything of the post. A total is the sum of the post's events of that type; null while none is known.
create table post_engagement (
    published_post_id      uuid primary key references published_posts,
    organization_id        uuid not null references organizations,
    platform_connection_id uuid not null references platform_connections,
    platform               text not null,
    published_at           timestamptz not null,
    likes                  bigint,
    comments               bigint,
    impressions            bigint,
    clicks                 bigint,
    shares                 bigint,
    saves                  bigint,
    -- The moment of which the network last told the totals: what happened before is in them.
    polled_at              timestamptz,
    -- Looks in a row that found nothing new.
    unchanged              integer not null default 0,
    -- Null: not asked for any more.
    next_poll_at           timestamptz,
    updated_at             timestamptz not null default now()
) with (fillfactor = 80);
create index post_engagement_due on post_engagement (platform_connection_id, next_poll_at)
    where next_poll_at is not null;
create index post_engagement_by_time on post_engagement (organization_id, published_at);

-- When an account is to be asked next: no later than the first of its posts is due; never, when none is.
create table engagement_polls (
    platform_connection_id uuid primary key references platform_connections,
    organization_id        uuid not null references organizations,
    next_at                timestamptz not null
);
create index engagement_polls_due on engagement_polls (next_at);

-- Networks tell of posts by their own ids.
create index published_posts_by_platform_post on published_posts (platform_post_id);

-- What happened, or what a total's change was found to be. Rows are only added.
create table engagement_events (
    id                bigint generated always as identity,
    organization_id   uuid not null,
    published_post_id uuid not null references published_posts,
    event_type        text not null check (event_type in ('like', 'comment', 'impression', 'click', 'share', 'save')),
    -- Signed: likes are taken back. 0 where a total became known to be none.
    count             bigint not null,
    occurred_at       timestamptz not null,
    source            text not null check (source in ('webhook', 'poll')),
    -- The network's own id of it, where it has one.
    platform_event_id text,
    recorded_at       timestamptz not null default now(),
    primary key (id, occurred_at)
) partition by range (occurred_at);
create unique index engagement_events_once on engagement_events (published_post_id, platform_event_id, occurred_at);
create index engagement_events_by_published_post on engagement_events (published_post_id, occurred_at);
create index engagement_events_by_timestamp on engagement_events (organization_id, occurred_at);
create table engagement_events_default partition of engagement_events default;

-- Monthly partitions of the events, from the month before this one up to two weeks ahead.
create function engagement_make_partitions() returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    month date := (date_trunc('month', now() at time zone 'UTC') - interval '1 month')::date;
    made  integer := 0;
    label text;
begin
    set local lock_timeout = '2s';
    while month <= (now() at time zone 'UTC' + interval '14 days')::date loop
        label := 'engagement_events_' || to_char(month, 'YYYYMM');
        if to_regclass('public.' || label) is null then
            execute format('create table public.%I partition of public.engagement_events for values from (%L) to (%L)',
                           label, month::timestamp at time zone 'UTC',
                           (month + interval '1 month') at time zone 'UTC');
            made := made + 1;
        end if;
        month := (month + interval '1 month')::date;
    end loop;
    return made;
end $$;
select engagement_make_partitions();

-- Events that are not added up yet: written with them, taken away by whoever adds them up.
create table engagement_deltas (
    id                     bigint generated always as identity primary key,
    organization_id        uuid not null,
    published_post_id      uuid not null,
    platform_connection_id uuid not null,
    event_type             text not null,
    count                  bigint not null,
    occurred_at            timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
create index engagement_deltas_by_organization on engagement_deltas (organization_id, id);

-- Sums of events: of an organization, of an account, of a post; by hour and by day of the organization's
-- zone. A null says that nothing was known of that type then.
create table analytics_aggregates (
    organization_id uuid not null references organizations,
    scope           text not null check (scope in ('organization', 'account', 'post')),
    -- The organization, the connection, or the published post.
    subject_id      uuid not null,
    grain           text not null check (grain in ('hour', 'day')),
    -- When the hour or the day began.
    period_start    timestamptz not null,
    likes           bigint,
    comments        bigint,
    impressions     bigint,
    clicks          bigint,
    shares          bigint,
    saves           bigint,
    primary key (subject_id, grain, period_start)
) with (fillfactor = 80);
create index analytics_aggregates_by_account on analytics_aggregates (organization_id, grain, period_start)
    where scope = 'account';

-- The zone in which an organization's aggregates are kept. Locked by whoever adds up.
create table analytics_states (
    organization_id uuid primary key references organizations,
    timezone        text not null,
    rebuilt_at      timestamptz
);

-- Posts that went out before.
insert into post_engagement (published_post_id, organization_id, platform_connection_id, platform, published_at, next_poll_at)
select p.id, p.organization_id, p.platform_connection_id, c.platform, p.published_at,
       case when p.deleted_at is null and p.published_at > now() - interval '30 days' then now() end
from published_posts p join platform_connections c on c.id = p.platform_connection_id;
insert into engagement_polls (platform_connection_id, organization_id, next_at)
select distinct platform_connection_id, organization_id, now() from post_engagement where next_poll_at is not null;

do $$
declare
    t text;
begin
    foreach t in array array['webhook_events', 'post_engagement', 'engagement_polls', 'engagement_events', 'engagement_deltas',
        'analytics_aggregates', 'analytics_states']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy fleet on %I to ezre_worker, ezre_scheduler using (true) with check (true)', t);
    end loop;
    foreach t in array array['post_engagement', 'engagement_events', 'analytics_aggregates', 'analytics_states'] loop
        execute format('create policy own_rows on %I for select to ezre_api using (organization_id = (select acting_organization()))', t);
        execute format('create policy all_rows on %I for select to ezre_operator using (true)', t);
        execute format('grant select on %I to ezre_api, ezre_operator', t);
    end loop;
end $$;
create policy all_rows on webhook_events for select to ezre_operator using (true);
grant select on webhook_events to ezre_operator;
grant select on poll_cadence to ezre_api, ezre_operator, ezre_worker, ezre_scheduler;
grant select, update, delete on webhook_events to ezre_worker;
grant select, insert, update on post_engagement, analytics_states to ezre_worker;
grant select, insert, update, delete on engagement_polls to ezre_worker;
grant select, update on engagement_polls to ezre_scheduler;
grant select, insert on engagement_events to ezre_worker;
grant select, insert, delete on engagement_deltas to ezre_worker;
grant select, insert, update, delete on analytics_aggregates to ezre_worker;
grant select on post_engagement, engagement_deltas to ezre_scheduler;
revoke all on function receive_webhooks(text, uuid[], text[], text[], text[], uuid, text, text, smallint, integer, text) from public;
grant execute on function receive_webhooks(text, uuid[], text[], text[], text[], uuid, text, text, smallint, integer, text) to ezre_api;
revoke all on function engagement_make_partitions() from public;
grant execute on function engagement_make_partitions() to ezre_scheduler, ezre_worker;
