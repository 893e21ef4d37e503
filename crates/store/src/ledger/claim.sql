-- Makes due jobs ready and claims jobs fairly, in one statement.
--
--   $1 queue          $2 worker          $3 first lane to look at          $4 at most so many claims
--   $5 at most so many running of one lane, $6 lanes that have some running already, $7 how many
--   $8 … $11 lanes with a floor: only what comes behind this priority, run_at and id
--   $12 only what became due since then  $13 so many due jobs, or as many as claims
--   $14 whether nothing lies before the first lane to look at
--
-- Walks from lane to lane along the index (never over the jobs of one lane) until it has found
-- enough lanes with room (one for each claim, 256 at most), and shares the window among them. In a
-- lane with a floor it looks behind the floor alone: what was claimed before it leaves dead entries,
-- which are slow to pass. Where no lane has anything ready, due jobs are claimed as they are. Jobs
-- whose key is closed are moved to its opening. A worker that was declared lost gets nothing.
with recursive paused as materialized (
    select p.organization_id as lane from pauses p
    where p.queue = $1 or p.queue is null and $1 <> 'control'
),
floors as materialized (
    select * from unnest($8::uuid[], $9::smallint[], $10::timestamptz[], $11::uuid[])
        as f (lane, priority, run_at, id)
),
lanes (lane, beyond, room, n, steps) as (
    -- Not a lane yet: the place before the first one. No job has the lowest or highest priority.
    select $3::uuid, (-32768)::smallint, 0, 0, 0 from workers w
    where w.id = $2::uuid and w.lost_at is null and w.stopped_at is null
      and not exists (select from paused where lane is null)
    union all
    select near.lane, 32767::smallint, seat.room, l.n + (seat.room > 0)::int, l.steps + 1
    from lanes l
    left join lateral (
        select f.* from floors f where (f.lane, 0) > (l.lane, l.beyond) order by f.lane limit 1
    ) floor on true
    cross join lateral (
        select coalesce((
            select j.lane from jobs j
            where j.queue = $1 and j.state = 'ready' and (j.lane, j.priority) > (l.lane, l.beyond)
              and j.lane < coalesce(floor.lane, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            order by j.lane, j.priority limit 1), floor.lane) as lane
        offset 0
    ) near
    cross join lateral (
        select case
            when near.lane in (select lane from paused) then 0
            when near.lane = floor.lane and (
                select j.id from jobs j where j.queue = $1 and j.state = 'ready' and j.lane = floor.lane
                    and (j.priority, j.run_at, j.id) > (floor.priority, floor.run_at, floor.id)
                order by j.priority, j.run_at, j.id limit 1) is null then 0
            else $5::int - coalesce((
                select b.n from unnest($6::uuid[], $7::int[]) as b (lane, n) where b.lane = near.lane), 0)
        end as room
        offset 0
    ) seat
    where near.lane is not null and l.n < least($4::int, 256) and l.steps < 1000
),
picked as materialized (
    select job.*
    from lanes l left join floors f on f.lane = l.lane cross join lateral (
        select j.id, j.limit_keys from jobs j
        where j.queue = $1 and j.state = 'ready' and j.lane = l.lane
          and (j.priority, j.run_at, j.id) >
              (coalesce(f.priority, (-32768)::smallint), coalesce(f.run_at, '-infinity'),
               coalesce(f.id, '00000000-0000-0000-0000-000000000000'))
        order by j.priority, j.run_at, j.id
        limit least(l.room, greatest(1, $4::int / (select count(*) from lanes where room > 0)))
        for update skip locked
    ) job
    where l.room > 0
    limit $4::int
),
due as materialized (
    select id, lane, priority, run_at, limit_keys from jobs
    where queue = $1 and state = 'scheduled' and run_at <= now() and run_at >= coalesce($12::timestamptz, '-infinity')
      and exists (select from lanes)
    order by run_at
    limit greatest($4::int, $13::int)
    for update skip locked
),
-- One of each lane, then another of each. Only a walk that passed all lanes knows that nothing ready
-- may run.
in_turn as (
    select d.id, d.limit_keys, d.run_at, d.lane,
           row_number() over (partition by d.lane order by d.priority, d.run_at, d.id) as turn
    from due d
    where $14::boolean and not exists (select from lanes where room > 0)
      and not exists (select from paused p where p.lane = d.lane)
),
at_once as materialized (
    select t.id, t.limit_keys
    from in_turn t left join unnest($6::uuid[], $7::int[]) as b (lane, n) on b.lane = t.lane
    where t.turn <= $5::int - coalesce(b.n, 0)
    order by t.turn, t.run_at
    limit $4::int
),
met as (
    select *, false as was_due from picked union all select *, true from at_once
),
verdicts as (
    select id, 'running' as state, null as key, null::timestamptz as until, null as reason, was_due
    from met where limit_keys = '{}'
    union all
    select m.id, case when closed.key is null then 'running' else 'scheduled' end,
           closed.key, closed.until, closed.reason, m.was_due
    from met m left join lateral (
        select c.key, c.until, c.reason from closed_keys c
        where c.key = any (m.limit_keys) and c.until > now()
        order by c.until desc limit 1
    ) closed on true
    where m.limit_keys <> '{}'
    union all
    select id, 'ready', null, null, null, true from due where id not in (select id from at_once)
)
update jobs set
    state       = v.state,
    claim_no    = claim_no + case when v.state = 'running' then 1 else 0 end,
    worker      = case when v.state = 'running' then $2::uuid end,
    -- What crashed before begins later, when nothing else runs beside it.
    started_at  = case when v.state <> 'running' then started_at when crashes = 0 then now() end,
    wait_reason = case when v.key is not null then jsonb_build_object(
                      -- What has no end ends when a person does something.
                      'code', case when v.key like 'connection:%'
                                  then case when v.until > now() + interval '1000 years' then 'reconnect' else 'refreshing' end
                              when v.until > now() + interval '1000 years' then 'paused' else 'rate_limited' end,
                      'key', v.key, 'message', v.reason) end,
    parked_by   = coalesce(v.key, parked_by),
    permits     = '{}',
    -- Jitter, so that what waited for one key does not come back in one instant.
    run_at      = case when v.key is null then run_at else v.until + random() * interval '500 ms' end
from verdicts v
where jobs.id = v.id
returning jobs.id, jobs.lane, jobs.state, v.was_due as "was_due!", jobs.priority, jobs.claim_no,
          jobs.organization_id, jobs.actor, jobs.kind, jobs.args_version,
          case when jobs.state = 'running' then jobs.args end as args,
          jobs.attempt, jobs.max_attempts, jobs.crashes, jobs.run_at, jobs.created_at,
          jobs.notify_end, jobs.cancel_requested, jobs.trace_context, jobs.limit_keys,
          jobs.parked_by as waited_for
