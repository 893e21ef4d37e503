-- Jobs by id, live or ended, in any order. $1 ids, $2 whether to count what stands ahead of each.
select j.id as "id!", j.organization_id, j.kind as "kind!", j.queue as "queue!", j.state as "state!",
       j.actor as "actor!", j.origin as "origin!", j.args as "args!", j.priority as "priority!",
       j.run_at as "run_at!", j.attempt as "attempt!", j.max_attempts as "max_attempts!",
       j.crashes as "crashes!", j.worker, j.progress, null::jsonb as result, j.errors as "errors!",
       case when $2 then job_waiting(j)
            else job_wait(j.state, j.run_at, j.wait_reason, p.paused_by, p.reason) end as waiting,
       j.cancel_requested as "cancel_requested!", j.retried_from, j.created_at as "created_at!",
       j.started_at, null::timestamptz as finished_at
from jobs j left join lateral pause_of(j.queue, j.organization_id) p on not $2
where j.id = any($1::uuid[])
union all
select h.id, h.organization_id, h.kind, h.queue, h.outcome, h.actor, h.origin, h.args, h.priority,
       h.run_at, h.attempt, h.max_attempts, h.crashes, h.worker, null, h.result, h.errors, null,
       false, h.retried_from, h.created_at, h.started_at, h.finished_at
from job_history h where h.id = any($1::uuid[])
