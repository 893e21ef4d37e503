-- The oldest due job of each queue that nothing holds back. $1 queues, $2 percent of a worker's
-- slots that one lane may take.
--
-- A lane is held back by a pause, or because it runs as much as it may; a job by a closed key. Walks
-- from lane to lane along the index, as a claim does, and looks at the first jobs of each.
with slots as materialized (
    select q.queue, sum(greatest(1, (w.queues ->> q.queue)::bigint * $2::bigint / 100)) as per_lane
    from workers w cross join unnest($1::text[]) as q (queue)
    where w.lost_at is null and w.stopped_at is null and w.queues ? q.queue
    group by q.queue
),
running as materialized (
    select j.queue, j.lane, count(*) as n from jobs j where j.worker is not null group by j.queue, j.lane
)
select q.queue as "queue!", head.id as "id!",
       greatest(extract(epoch from now() - head.since), 0)::float8 as "seconds!"
from unnest($1::text[]) as q (queue)
cross join lateral (
    with recursive lanes (lane, n) as (
        (select j.lane, 1 from jobs j where j.queue = q.queue and j.state = 'ready' order by j.lane limit 1)
        union all
        select following.lane, l.n + 1 from lanes l cross join lateral (
            select j.lane from jobs j
            where j.queue = q.queue and j.state = 'ready' and j.lane > l.lane
            order by j.lane limit 1) following
        where l.n < 1000
    ),
    due as (
        select first.id, l.lane, first.run_at, first.created_at from lanes l cross join lateral (
            select f.id, f.run_at, f.created_at from (
                select j.id, j.run_at, j.created_at, j.priority, j.limit_keys from jobs j
                where j.queue = q.queue and j.state = 'ready' and j.lane = l.lane
                order by j.priority, j.run_at, j.id limit 20) f
            where not exists (select from closed_keys c where c.key = any (f.limit_keys) and c.until > now())
            order by f.priority, f.run_at, f.id limit 1) first
        union all
        -- Due, and not made ready yet: nobody looks after the queue, or it became due just now.
        select f.id, f.lane, f.run_at, f.created_at from (
            select j.id, j.lane, j.run_at, j.created_at, j.limit_keys from jobs j
            where j.queue = q.queue and j.state = 'scheduled' and j.run_at <= now()
            order by j.run_at limit 200) f
        where not exists (select from closed_keys c where c.key = any (f.limit_keys) and c.until > now())
    )
    -- A job may be enqueued for a moment that has passed.
    select d.id, greatest(d.run_at, d.created_at) as since from due d
    where not exists (select from pauses p
                      where (p.queue = q.queue or p.queue is null and q.queue <> 'control')
                        and (p.organization_id = d.lane or p.organization_id is null))
      and coalesce((select r.n from running r where r.queue = q.queue and r.lane = d.lane), 0)
          < coalesce((select s.per_lane from slots s where s.queue = q.queue), 1)
    order by greatest(d.run_at, d.created_at), d.id limit 1
) head
