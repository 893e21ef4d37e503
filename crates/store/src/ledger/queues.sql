-- The queues in figures. $1 queues.
with running as materialized (
    select r.queue, count(*) as n
    from (select queue from jobs where worker is not null limit 10000) r group by r.queue
)
select q.queue as "queue!",
       (select count(*) from (select from jobs j where j.queue = q.queue and j.state = 'scheduled' limit 10000) n) as "scheduled!",
       (select count(*) from (select from jobs j where j.queue = q.queue and j.state = 'ready' limit 10000) n) as "ready!",
       coalesce((select n from running r where r.queue = q.queue), 0) as "running!",
       coalesce((select sum((w.queues ->> q.queue)::bigint) from workers w
                 where w.lost_at is null and w.stopped_at is null), 0)::bigint as "slots!"
from unnest($1::text[]) as q (queue)
