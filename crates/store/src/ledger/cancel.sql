-- Moves a waiting job to history as cancelled. $1 id, $2 the reason as an error. Its row is locked.
with gone as (
    delete from jobs where id = $1 returning *
)
insert into job_history (id, organization_id, actor, origin, queue, kind, args_version, args, outcome,
    priority, run_at, attempt, max_attempts, crashes, claim_no, worker, errors, retried_from,
    trace_context, created_at, started_at)
select id, organization_id, actor, origin, queue, kind, args_version, args, 'cancelled',
    priority, run_at, attempt, max_attempts, crashes, claim_no, worker,
    errors || jsonb_build_array($2::jsonb), retried_from, trace_context, created_at, started_at
from gone
