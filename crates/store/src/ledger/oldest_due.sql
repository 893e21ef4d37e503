-- How long the oldest due job of each queue has been due that no pause holds back. $1 queues.
--
-- Ready jobs are looked at from lane to lane, at most 1,000 lanes and the first job of each. Due jobs
-- that nobody made ready yet are looked at in their order until one is not paused, at most 1,000.
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
                  where not paused.whole and l.lane <> all (paused.lanes)) head),
           (select extract(epoch from now() - due.run_at)
            from (select j.lane, j.run_at from jobs j
                  where j.queue = q.queue and j.state = 'scheduled' and j.run_at <= now()
                  order by j.run_at limit 1000) due
            where not paused.whole and due.lane <> all (paused.lanes)
            order by due.run_at limit 1)), 0)::float8 as "seconds!"
from unnest($1::text[]) as q (queue)
-- Once for each queue, and not for each job.
cross join lateral (
    select coalesce(array_agg(p.organization_id) filter (where p.organization_id is not null), '{}') as lanes,
           coalesce(bool_or(p.organization_id is null), false) as whole
    from pauses p where p.queue = q.queue or p.queue is null and q.queue <> 'control'
) paused
