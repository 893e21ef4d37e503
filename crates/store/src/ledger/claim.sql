-- Claims jobs fairly. $1 queue, $2 worker, $3 first lane to look at, $4 at most so many,
-- $5 at most so many running of one lane, $6 at most so many of one lane by this claim.
--
-- Walks from lane to lane along the index (never over the jobs of one lane) until it has found
-- enough lanes with room, shares the window among them, and moves jobs whose key is closed to its
-- opening instead of claiming. A worker that was declared lost gets nothing.
with recursive lanes (lane, room, n, steps) as (
    select first.lane, r.room, (r.room > 0)::int, 1
    from (
        select j.lane from jobs j
        where j.queue = $1 and j.state = 'ready' and j.lane >= $3::uuid
        order by j.lane limit 1
    ) first
    cross join lateral (select lane_room($1, first.lane, $5::bigint) as room) r
    union all
    select following.lane, r.room, l.n + (r.room > 0)::int, l.steps + 1
    from lanes l
    cross join lateral (
        select j.lane from jobs j
        where j.queue = $1 and j.state = 'ready' and j.lane > l.lane
        order by j.lane limit 1
    ) following
    cross join lateral (select lane_room($1, following.lane, $5::bigint) as room) r
    where l.n < $4::int and l.steps < 1000
),
open_lanes as materialized (
    select lane, room from lanes
    where room > 0
      and exists (select from workers w
                  where w.id = $2::uuid and w.lost_at is null and w.stopped_at is null)
),
picked as materialized (
    select job.id, job.limit_keys
    from open_lanes l cross join lateral (
        select j.id, j.limit_keys from jobs j
        where j.queue = $1 and j.state = 'ready' and j.lane = l.lane
        order by j.priority, j.run_at, j.id
        limit least(l.room, $6::bigint, greatest(1, $4::int / (select count(*) from open_lanes)))
        for update skip locked
    ) job
    limit $4::int
),
judged as (
    select p.id, closed.key, closed.until, closed.reason
    from picked p left join lateral (
        select c.key, c.until, c.reason from closed_keys c
        where c.key = any (p.limit_keys) and c.until > now()
        order by c.until desc limit 1
    ) closed on true
)
update jobs set
    state       = case when j.key is null then 'running' else 'scheduled' end,
    claim_no    = claim_no + case when j.key is null then 1 else 0 end,
    worker      = case when j.key is null then $2::uuid end,
    started_at  = case when j.key is null then now() else started_at end,
    wait_reason = case when j.key is not null then jsonb_build_object(
                      -- What has no end was closed by a person.
                      'code', case when j.until > now() + interval '1000 years' then 'paused' else 'rate_limited' end,
                      'key', j.key, 'message', j.reason) end,
    parked_by   = j.key,
    -- Jitter, so that what waited for one key does not come back in one instant.
    run_at      = case when j.key is null then run_at else j.until + random() * interval '500 ms' end
from judged j
where jobs.id = j.id
returning jobs.id, jobs.lane, jobs.state, jobs.claim_no, jobs.organization_id, jobs.actor, jobs.kind,
          jobs.args_version, jobs.args, jobs.attempt, jobs.max_attempts, jobs.crashes, jobs.run_at,
          jobs.created_at, jobs.notify_end, jobs.cancel_requested, jobs.trace_context
