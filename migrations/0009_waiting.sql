-- Why jobs wait, told for many at once, and what row-level security asks once per statement.

set local lock_timeout = '5s';

-- The pause that holds a job of this queue and organization, if one does.
create function pause_of(in_queue text, of_organization uuid)
returns table (paused_by text, reason text) language sql stable as $$
    select p.paused_by, p.reason from pauses p
    where (p.queue = in_queue or p.queue is null and in_queue <> 'control')
      and (p.organization_id = of_organization or p.organization_id is null)
    order by p.paused_at limit 1
$$;

-- Why a live job does not run right now: what holds it, and until when. Null when it runs. A single
-- expression, so that it becomes part of the statement that asks.
create function job_wait(state text, run_at timestamptz, wait_reason jsonb, paused_by text, reason text)
returns jsonb language sql stable as $$
    select case
        when state = 'running' then null
        when reason is not null
            then jsonb_build_object('code', 'paused', 'message', 'paused by ' || paused_by || ': ' || reason)
        when state = 'scheduled' then
            coalesce(wait_reason, jsonb_build_object('code', 'due', 'message',
                'due at ' || to_char(run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
            || case when run_at < now() + interval '1000 years'
                    then jsonb_build_object('until', to_char(run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
                    else '{}'::jsonb end
        else jsonb_build_object('code', 'queued', 'message', 'waits for a free slot')
    end
$$;

-- The same, and behind how many others of its organization the job stands, counted up to 100. For
-- one job at a time: each count reads up to 100 rows.
create or replace function job_waiting(job jobs) returns jsonb language sql stable as $$
    select job_wait(job.state, job.run_at, job.wait_reason, pause.paused_by, pause.reason)
        || case
            when pause.reason is not null or job.state = 'running' then '{}'::jsonb
            when job.state = 'ready' then jsonb_build_object('ahead', (
                   select count(*) from (
                       select from jobs j
                       where j.queue = job.queue and j.state = 'ready' and j.lane = job.lane
                         and (j.priority, j.run_at, j.id) < (job.priority, job.run_at, job.id) limit 100) n))
            when job.parked_by is not null then jsonb_build_object('ahead', (
                   select count(*) from (
                       select from jobs j
                       where j.parked_by = job.parked_by and j.state = 'scheduled'
                         and (j.run_at, j.id) < (job.run_at, job.id) limit 100) n))
            else '{}'::jsonb
        end
    from (select) one left join lateral pause_of(job.queue, job.organization_id) pause on true
$$;

revoke all on function pause_of(text, uuid), job_wait(text, timestamptz, jsonb, text, text) from public;
grant execute on function pause_of(text, uuid), job_wait(text, timestamptz, jsonb, text, text)
    to ezre_api, ezre_operator, ezre_scheduler, ezre_worker;

-- The same rules as before. As sub-selects, the organization and the open kinds are looked up once
-- for each statement instead of once for each row.
do $$
declare
    t text;
begin
    foreach t in array array['jobs', 'job_history', 'api_keys', 'platform_connections', 'files',
        'content_requests', 'content_versions', 'media_attachments', 'schedules', 'publish_intents',
        'published_posts', 'events']
    loop
        execute format('alter policy own_rows on %I using (organization_id = (select acting_organization()))', t);
    end loop;
end $$;

alter policy own_row on organizations using (id = (select acting_organization()));
alter policy own_rows on pauses
    using (organization_id is null or organization_id = (select acting_organization()));
alter policy own_keys on idempotency_keys using (lane = (select acting_organization()));
alter policy own_keys_insert on idempotency_keys with check (lane = (select acting_organization()));

alter policy enqueue on jobs with check (
    organization_id = (select acting_organization()) and origin = 'api' and state in ('scheduled', 'ready')
    and kind in (select k.kind from job_kinds k where k.caller = 'organization'));
alter policy operator_enqueue on jobs with check (
    origin = 'operator' and state in ('scheduled', 'ready')
    and kind in (select k.kind from job_kinds k where k.caller in ('organization', 'operator')));
