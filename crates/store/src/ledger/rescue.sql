-- Declares silent workers lost and frees the jobs of workers that are gone.
-- $1 seconds of silence, $2 at most so many jobs, $3 the crash that quarantines.
--
-- Walks from holder to holder along the index on worker, so that its cost with nothing to do is
-- one probe for each worker that holds jobs.
with recursive lost as (
    update workers set lost_at = now()
    where lost_at is null and stopped_at is null and seen_at < now() - make_interval(secs => $1)
    returning id
),
holders (worker) as (
    (select worker from jobs where worker is not null order by worker limit 1)
    union all
    select (select j.worker from jobs j where j.worker > h.worker order by j.worker limit 1)
    from holders h where h.worker is not null
),
dead_holders as (
    select h.worker from holders h left join workers w on w.id = h.worker
    where h.worker is not null
      and (w.id is null or w.lost_at is not null or w.stopped_at is not null
           or h.worker in (select id from lost))
),
held as materialized (
    select job.id, job.crashes + 1 as crashes, job.worker,
           case when job.cancel_requested then 'cancelled' when job.crashes + 1 >= $3 then 'dead' end as outcome
    from dead_holders d cross join lateral (
        select j.id, j.crashes, j.worker, j.cancel_requested from jobs j where j.worker = d.worker
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
        state = 'ready', worker = null, claim_no = claim_no + 1, crashes = h.crashes,
        errors = errors || jsonb_build_array(jsonb_build_object('code', 'crashed', 'at', now(),
            'attempt', attempt + 1, 'message', 'worker ' || h.worker || ' went silent; the job runs again'))
    from held h where jobs.id = h.id and h.outcome is null
)
select h.id, h.outcome, h.worker, j.queue, j.kind, j.organization_id, j.notify_end
from held h join jobs j on j.id = h.id
