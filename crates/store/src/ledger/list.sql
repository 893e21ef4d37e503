-- Jobs, newest first, live and ended in one statement. $1 below this id, $2 at most so many,
-- $3 state, $4 kind, $5 queue. What stands ahead of each is not counted.
select m.id as "id!", m.organization_id, m.kind as "kind!", m.queue as "queue!", m.state as "state!",
       m.actor as "actor!", m.origin as "origin!", m.args as "args!", m.priority as "priority!",
       m.run_at as "run_at!", m.attempt as "attempt!", m.max_attempts as "max_attempts!",
       m.crashes as "crashes!", m.worker, m.progress, m.result, m.errors as "errors!", m.waiting,
       m.cancel_requested as "cancel_requested!", m.retried_from, m.created_at as "created_at!",
       m.started_at, m.finished_at
from (
    (select id, organization_id, kind, queue, state, actor, origin, args, priority, run_at, attempt,
            max_attempts, crashes, worker, progress, null::jsonb as result, errors,
            job_wait(state, run_at, wait_reason, p.paused_by, p.reason) as waiting, cancel_requested,
            retried_from, created_at, started_at, null::timestamptz as finished_at
     from jobs left join lateral pause_of(queue, organization_id) p on true
     where id < $1 and ($3::text is null or state = $3) and ($4::text is null or kind = $4)
       and ($5::text is null or queue = $5)
     order by id desc limit $2)
    union all
    (select id, organization_id, kind, queue, outcome, actor, origin, args, priority, run_at, attempt,
            max_attempts, crashes, worker, null, result, errors, null, false,
            retried_from, created_at, started_at, finished_at
     from job_history
     where id < $1 and ($3::text is null or outcome = $3) and ($4::text is null or kind = $4)
       and ($5::text is null or queue = $5)
     order by id desc limit $2)
) m
order by m.id desc limit $2
