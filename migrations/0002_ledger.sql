-- The ledger: live jobs, their history, who works on them, and what holds them back.

-- The catalogue of `crates/jobs`, written by `scheduler migrate`: who may enqueue what.
create table job_kinds (
    kind   text primary key,
    caller text not null check (caller in ('organization', 'operator', 'internal'))
);

create table jobs (
    id               uuid primary key,
    organization_id  uuid,
    -- What claims are fair across: the organization, or the nil id for work of the fleet itself.
    lane             uuid not null generated always as
                         (coalesce(organization_id, '00000000-0000-0000-0000-000000000000')) stored,
    actor            text not null default '',
    origin           text not null check (origin in ('api', 'operator', 'scheduler', 'worker')),
    queue            text not null,
    kind             text not null,
    args_version     smallint not null default 1,
    args             jsonb not null,
    state            text not null check (state in ('scheduled', 'ready', 'running')),
    -- Lower goes first within an organization.
    priority         smallint not null default 0,
    run_at           timestamptz not null default now(),
    -- Attempts that ended in a failure of the job's own; being interrupted is not one.
    attempt          integer not null default 0,
    max_attempts     integer not null check (max_attempts > 0),
    crashes          integer not null default 0,
    -- The fence: moves with every claim, hand-back and rescue.
    claim_no         bigint not null default 0,
    worker           uuid,
    limit_keys       text[] not null default '{}',
    -- The closed key or pause that this job was moved out of the way for.
    parked_by        text,
    wait_reason      jsonb,
    progress         jsonb,
    errors           jsonb not null default '[]',
    notify_end       boolean not null default false,
    cancel_requested boolean not null default false,
    unique_key       text,
    retried_from     uuid,
    trace_context    text,
    created_at       timestamptz not null default now(),
    started_at       timestamptz
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

create index jobs_ready on jobs (queue, lane, priority, run_at, id) where state = 'ready';
create index jobs_due on jobs (queue, run_at) where state = 'scheduled';
create index jobs_running on jobs (queue, lane) where state = 'running';
create index jobs_by_worker on jobs (worker) where worker is not null;
create index jobs_parked on jobs (parked_by) where parked_by is not null;
create index jobs_by_organization on jobs (organization_id, id);
create unique index jobs_unique_key on jobs (unique_key) where unique_key is not null;

-- Ended jobs. They come here in the statement that ends them.
create table job_history (
    id              uuid not null,
    organization_id uuid,
    actor           text not null,
    origin          text not null,
    queue           text not null,
    kind            text not null,
    args_version    smallint not null,
    args            jsonb not null,
    outcome         text not null check (outcome in ('done', 'dead', 'cancelled')),
    priority        smallint not null,
    run_at          timestamptz not null,
    attempt         integer not null,
    max_attempts    integer not null,
    crashes         integer not null,
    claim_no        bigint not null,
    worker          uuid,
    result          jsonb,
    errors          jsonb not null,
    retried_from    uuid,
    trace_context   text,
    created_at      timestamptz not null,
    started_at      timestamptz,
    finished_at     timestamptz not null default clock_timestamp(),
    primary key (id, finished_at)
) partition by range (finished_at);

create index job_history_by_organization on job_history (organization_id, id);
create index job_history_dead on job_history (kind, finished_at) where outcome = 'dead';

create table job_history_default partition of job_history default;

-- One row per incarnation of a worker process: the lease of all its jobs. Never revived.
create table workers (
    id         uuid primary key,
    name       text not null,
    host       text not null,
    pid        integer not null,
    version    text not null,
    queues     jsonb not null,
    started_at timestamptz not null default now(),
    seen_at    timestamptz not null default now(),
    -- Set by a rescuer when the row was silent for too long.
    lost_at    timestamptz,
    -- Set by the worker itself when it has handed everything over.
    stopped_at timestamptz
);
create index workers_alive on workers (seen_at) where lost_at is null and stopped_at is null;

-- A key that a network, or a person, closed for now.
create table closed_keys (
    key       text primary key,
    until     timestamptz not null,
    reason    text not null,
    closed_at timestamptz not null default now()
);

-- What a person stopped. A null queue means all queues of the organization; a null organization
-- means the whole fleet's queue. A paused account is a closed key with no end.
create table pauses (
    id              uuid primary key,
    queue           text,
    organization_id uuid,
    reason          text not null,
    paused_by       text not null,
    paused_at       timestamptz not null default now(),
    check (queue is not null or organization_id is not null)
);
create unique index pauses_scope on pauses
    (coalesce(queue, ''), coalesce(organization_id, '00000000-0000-0000-0000-000000000000'));

-- How many more jobs of a lane may run in a queue, of which at most `most` may; none while paused.
create function lane_room(in_queue text, of_lane uuid, most bigint) returns bigint language sql stable as $$
    select case
        when exists (
            select from pauses p
            where (p.queue = in_queue or p.queue is null and in_queue <> 'control')
              and (p.organization_id = of_lane or p.organization_id is null)
        ) then 0
        else most - (
            select count(*) from (
                select from jobs r
                where r.queue = in_queue and r.lane = of_lane and r.state = 'running' limit most
            ) busy)
    end
$$;

-- Why a live job does not run right now; null when it runs.
create function job_waiting(job jobs) returns jsonb language sql stable as $$
    select case
        when job.state = 'running' then null
        when pause.reason is not null
            then jsonb_build_object('code', 'paused',
                                    'message', 'paused by ' || pause.paused_by || ': ' || pause.reason)
        when job.wait_reason is not null then job.wait_reason
        when job.state = 'scheduled'
            then jsonb_build_object('code', 'due', 'message',
                     'due at ' || to_char(job.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
        else jsonb_build_object('code', 'queued', 'message', 'waits for a free slot')
    end
    from (select) one left join lateral (
        select p.reason, p.paused_by from pauses p
        where (p.queue = job.queue or p.queue is null and job.queue <> 'control')
          and (p.organization_id = job.organization_id or p.organization_id is null)
        order by p.paused_at limit 1
    ) pause on true
$$;

-- Outlives its jobs: the same key within a day answers with the original jobs.
create table idempotency_keys (
    lane         uuid not null,
    key          text not null,
    request_hash bytea not null,
    job_ids      uuid[] not null,
    created_at   timestamptz not null default now(),
    primary key (lane, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- Weekly partitions of the history, from this week up to two weeks ahead.
create function ledger_make_partitions() returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week  date := date_trunc('week', now())::date;
    made  integer := 0;
    label text;
begin
    set local lock_timeout = '2s';
    while week <= date_trunc('week', now() + interval '14 days')::date loop
        label := 'job_history_' || to_char(week, 'YYYYMMDD');
        if to_regclass('public.' || label) is null then
            execute format('create table public.%I partition of public.job_history for values from (%L) to (%L)',
                           label, week, week + 7);
            made := made + 1;
        end if;
        week := week + 7;
    end loop;
    return made;
end $$;

-- Drops the partitions whose newest row is older than the given age.
create function ledger_drop_partitions(keep interval) returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    part    record;
    dropped integer := 0;
begin
    set local lock_timeout = '2s';
    if keep < interval '1 day' then
        raise exception 'history is kept for at least one day' using errcode = '22023';
    end if;
    for part in
        select c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') + 7 as ends
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.job_history'::regclass and c.relname ~ '^job_history_\d{8}$'
    loop
        if part.ends < now() - keep then
            execute format('drop table public.%I', part.relname);
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
end $$;

select ledger_make_partitions();
