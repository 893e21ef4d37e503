-- Gives running jobs back unharmed. $1 ids, $2 claim numbers.
with held as materialized (
    select j.id, j.cancel_requested
    from unnest($1::uuid[], $2::bigint[]) as c (id, claim_no) join jobs j on j.id = c.id
    where j.claim_no = c.claim_no and (j.state = 'running') is not false
    for update of j
),
gone as (
    delete from jobs using held h where jobs.id = h.id and h.cancel_requested returning jobs.*
),
kept as (
    insert into job_history (id, organization_id, actor, origin, queue, kind, args_version, args, outcome,
        priority, run_at, attempt, max_attempts, crashes, claim_no, worker, errors, retried_from,
        trace_context, created_at, started_at)
    select id, organization_id, actor, origin, queue, kind, args_version, args, 'cancelled',
        priority, run_at, attempt, max_attempts, crashes, claim_no + 1, worker,
        errors || '[{"code": "cancelled", "message": "cancelled on request"}]'::jsonb, retried_from,
        trace_context, created_at, started_at
    from gone
),
back as (
    update jobs set state = 'ready', worker = null, claim_no = claim_no + 1, permits = '{}'
    from held h where jobs.id = h.id and not h.cancel_requested
)
select id from held
