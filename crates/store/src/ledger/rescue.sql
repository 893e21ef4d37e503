-- Declares silent workers lost and frees the jobs of workers that are gone.
-- $1 seconds of silence, $2 at most so many jobs, $3 the crash that quarantines.
--
-- A job whose run had not begun is freed and not blamed.
-- Looks at workers that are gone alone: what the living hold, or held, costs it nothing.
with lost as (
    update workers set lost_at = now()
    where lost_at is null and stopped_at is null and seen_at < now() - make_interval(secs => $1)
    returning id
),
gone_workers as (
    select id from workers where lost_at is not null or stopped_at is not null
    union
    select id from lost
),
held as materialized (
    select job.id, job.crashes, job.worker, job.begun,
           case when job.cancel_requested then 'cancelled' when job.begun and job.crashes >= $3 then 'dead' end as outcome
    from gone_workers w cross join lateral (
        select j.id, j.worker, j.cancel_requested, j.started_at is not null as begun,
               j.crashes + (j.started_at is not null)::int as crashes
        from jobs j where j.worker = w.id
        limit $2 for update skip locked
    ) job
    limit $2
),
gone as (
    delete from jobs using held h where jobs.id = h.id and h.outcome is not null
    returning jobs.*, h.outcome, h.crashes as crashed
),
kept as (
    insert into job_history (id, organization_id, actor, origin, queue, kind, args_version, args, outcome,
        priority, run_at, attempt, max_attempts, crashes, claim_no, worker, errors, retried_from,
        trace_context, created_at, started_at)
    select id, organization_id, actor, origin, queue, kind, args_version, args, outcome,
        priority, run_at, attempt, max_attempts, crashed, claim_no + 1, worker,
        errors || jsonb_build_array(jsonb_build_object('code', 'crashed', 'at', now(), 'attempt', attempt + 1,
            'message', 'worker ' || worker || ' died while it ran this job, for the ' || crashed || '. time')),
        retried_from, trace_context, created_at, started_at
    from gone
),
freed as (
    update jobs set
        state = 'ready', worker = null, claim_no = claim_no + 1, crashes = h.crashes, permits = '{}',
        errors = case when h.begun then errors || jsonb_build_array(jsonb_build_object('code', 'crashed', 'at', now(),
            'attempt', attempt + 1, 'message', 'worker ' || h.worker || ' went silent; the job runs again')) else errors end
    from held h where jobs.id = h.id and h.outcome is null
)
select h.id, h.outcome, h.worker, j.queue, j.kind, j.organization_id, j.notify_end
from held h join jobs j on j.id = h.id
