-- Limits of keys over the whole fleet, and every reason why a job waits.

set local lock_timeout = '5s';

-- What keys allow. A pattern is a key, or a key in which one part between colons is `*`.
create table limits (
    pattern     text primary key,
    concurrency integer check (concurrency > 0),
    starts      integer check (starts > 0),
    per_secs    integer check (per_secs > 0),
    set_by      text not null,
    set_at      timestamptz not null default now(),
    check ((starts is null) = (per_secs is null)),
    check (concurrency is not null or starts is not null)
);

-- How many jobs that need a key were started lately. Locked by the claimer that asks.
create table limit_usage (
    key           text primary key,
    window_began  timestamptz not null default now(),
    starts        integer not null default 0,
    starts_before integer not null default 0
);

-- The limited keys that a running job holds; another claim begins with none.
alter table jobs add column permits text[] not null default '{}';
create index jobs_permits on jobs (queue) where permits <> '{}';

-- What waits for a key is found in the order in which it comes back.
drop index jobs_parked;
create index jobs_parked on jobs (parked_by, run_at) where parked_by is not null;

-- Why a live job does not run right now: what holds it, until when, and behind how many others of
-- its organization it stands, counted up to 100. Null when it runs.
create or replace function job_waiting(job jobs) returns jsonb language sql stable as $$
    select case
        when job.state = 'running' then null
        when pause.reason is not null
            then jsonb_build_object('code', 'paused',
                                    'message', 'paused by ' || pause.paused_by || ': ' || pause.reason)
        when job.state = 'scheduled' then
            coalesce(job.wait_reason, jsonb_build_object('code', 'due', 'message',
                'due at ' || to_char(job.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
            || case when job.run_at < now() + interval '1000 years'
                    then jsonb_build_object('until', to_char(job.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
                    else '{}'::jsonb end
            || case when job.parked_by is not null then jsonb_build_object('ahead', (
                   select count(*) from (
                       select from jobs j
                       where j.parked_by = job.parked_by and j.state = 'scheduled'
                         and (j.run_at, j.id) < (job.run_at, job.id) limit 100) n))
                    else '{}'::jsonb end
        else jsonb_build_object('code', 'queued', 'message', 'waits for a free slot', 'ahead', (
                   select count(*) from (
                       select from jobs j
                       where j.queue = job.queue and j.state = 'ready' and j.lane = job.lane
                         and (j.priority, j.run_at, j.id) < (job.priority, job.run_at, job.id) limit 100) n))
    end
    from (select) one left join lateral (
        select p.reason, p.paused_by from pauses p
        where (p.queue = job.queue or p.queue is null and job.queue <> 'control')
          and (p.organization_id = job.organization_id or p.organization_id is null)
        order by p.paused_at limit 1
    ) pause on true
$$;

alter table limits enable row level security;
create policy fleet on limits to ezre_worker, ezre_scheduler using (true) with check (true);
create policy all_rows on limits for select to ezre_operator using (true);
grant select, insert, update, delete on limits to ezre_worker;
grant select, insert, update, delete on limit_usage to ezre_worker;
grant select on limits to ezre_operator;
grant select, delete on limit_usage to ezre_scheduler;
