-- Schedules that wait for something that no live job will do. $1 seconds without a change,
-- $2 at most so many. A call that may still be answered is left alone until it cannot be.
select s.id, s.organization_id, s.status,
       i.id as "intent_id?", i.state as "intent_state?", i.answer_before as "answer_before?",
       h.outcome as "outcome?", h.message as "message?"
from schedules s
left join lateral (
    select p.id, p.state, p.answer_before, p.asked_at from publish_intents p
    where p.schedule_id = s.id and p.state in ('open', 'unknown', 'published')
    order by p.opened_at desc limit 1
) i on true
left join lateral (
    select j.outcome, j.errors -> -1 ->> 'message' as message from job_history j
    where j.organization_id = s.organization_id and j.kind = 'post.publish'
      and j.args ->> 'scheduleId' = s.id::text
      and j.finished_at >= coalesce(s.publish_planned_at, s.updated_at - interval '1 hour')
    order by j.finished_at desc limit 1
) h on true
where s.id in (
        select id from schedules
        where status in ('publishing', 'unconfirmed') and updated_at < now() - make_interval(secs => $1)
        union all
        select id from schedules
        where status = 'scheduled' and publish_planned_at < now() - make_interval(secs => $1)
          and updated_at < now() - make_interval(secs => $1))
  -- Of the row itself, so that it is judged anew under the lock.
  and s.updated_at < now() - make_interval(secs => $1)
  and (s.status in ('publishing', 'unconfirmed')
       or s.status = 'scheduled' and s.publish_planned_at < now() - make_interval(secs => $1))
  and not exists (select from jobs j where j.unique_key = 'publish:' || s.id)
  and not exists (select from jobs j where j.unique_key = 'reconcile:' || i.id)
  and (i.state is distinct from 'open' or i.answer_before < now())
  and (s.status <> 'unconfirmed' or i.state = 'published' or (i.id is not null and i.asked_at is null))
order by s.updated_at limit $2
for update of s skip locked
