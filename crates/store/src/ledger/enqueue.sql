-- Inserts jobs. $17 whether to tell why each waits.
insert into jobs (id, organization_id, actor, origin, queue, kind, args_version, args, state,
                  priority, run_at, max_attempts, limit_keys, notify_end, unique_key, retried_from,
                  trace_context)
select j.id, j.organization_id, j.actor, j.origin, j.queue, j.kind, j.args_version, j.args,
       case when j.run_at > now() then 'scheduled' else 'ready' end,
       j.priority, coalesce(j.run_at, now()), j.max_attempts,
       case when j.limit_keys is null then '{}'
            else array(select jsonb_array_elements_text(j.limit_keys)) end,
       j.notify_end, j.unique_key, j.retried_from, j.trace_context
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[],
            $8::jsonb[], $9::timestamptz[], $10::int[], $11::jsonb[], $12::bool[], $13::text[],
            $14::uuid[], $15::text[], $16::smallint[])
     as j (id, organization_id, actor, origin, queue, kind, args_version, args, run_at,
           max_attempts, limit_keys, notify_end, unique_key, retried_from, trace_context, priority)
on conflict (unique_key) where unique_key is not null do nothing
returning id, state, run_at, created_at,
          case when $17 then (
              select job_wait(jobs.state, jobs.run_at, jobs.wait_reason, p.paused_by, p.reason)
              from (select) one left join lateral pause_of(jobs.queue, jobs.organization_id) p on true)
          end as waiting
