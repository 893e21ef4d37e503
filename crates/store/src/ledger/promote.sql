-- Makes due jobs of one queue ready. $1 queue, $2 at most so many.
with due as (
    select id from jobs
    where queue = $1 and state = 'scheduled' and run_at <= now()
    order by run_at
    limit $2
    for update skip locked
)
update jobs set state = 'ready', wait_reason = null, parked_by = null
from due where jobs.id = due.id
