-- How long the oldest due job of each queue has been due. $1 queues.
select q.queue as "queue!",
       coalesce(greatest(
           (select extract(epoch from now() - min(head.run_at))
            from (with recursive lanes (lane, n) as (
                      (select j.lane, 1 from jobs j where j.queue = q.queue and j.state = 'ready' order by j.lane limit 1)
                      union all
                      select following.lane, l.n + 1 from lanes l cross join lateral (
                          select j.lane from jobs j
                          where j.queue = q.queue and j.state = 'ready' and j.lane > l.lane
                          order by j.lane limit 1) following
                      where l.n < 1000)
                  select first.run_at from lanes l cross join lateral (
                      select j.run_at from jobs j
                      where j.queue = q.queue and j.state = 'ready' and j.lane = l.lane
                      order by j.priority, j.run_at limit 1) first
                  where not exists (select from pauses p
                      where (p.queue = q.queue or p.queue is null and q.queue <> 'control')
                        and (p.organization_id = l.lane or p.organization_id is null))) head),
           (select extract(epoch from now() - j.run_at) from jobs j
            where j.queue = q.queue and j.state = 'scheduled' and j.run_at <= now()
            order by j.run_at limit 1)), 0)::float8 as "seconds!"
from unnest($1::text[]) as q (queue)
