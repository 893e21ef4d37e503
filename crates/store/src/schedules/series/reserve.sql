-- Occurrences that are locked begin to count, as far as their plans have room; the counts are locked as well.
-- $1 the occurrences, $2 the metric, $3 after how many seconds to ask again.
with asked as (
    select s.id, s.organization_id, s.scheduled_at, s.content_version_id, s.platform_connection_id,
           s.parent_schedule_id, s.waits_for, late_verdict(s) in ('late', 'superseded') as is_late,
           row_number() over (partition by s.organization_id, late_verdict(s) in ('late', 'superseded')
                              order by s.scheduled_at, s.id) as nth
    from schedules s
    where s.id = any ($1) and not exists (select from usage_reservations r where r.subject_id = s.id)
),
judged as (
    select a.*, p.period_start, p.period_end, room.most,
           not a.is_late and (room.most is null or c.used + c.reserved + a.nth <= room.most) as has_room
    from asked a
    join organizations o on o.id = a.organization_id
    cross join lateral usage_period(o.billing_anchor, now()) p
    join usage_counts c on c.organization_id = o.id and c.metric = $2 and c.period_start = p.period_start
    cross join lateral (
        select case when own.metric is null then of_plan.most else own.most end as most
        from (select) one
        left join plan_limits of_plan on of_plan.plan = o.plan and of_plan.metric = $2
        left join organization_limits own on own.organization_id = o.id and own.metric = $2
    ) room
),
taken as (
    insert into usage_reservations (subject_id, organization_id, metric, period_start)
    select id, organization_id, $2, period_start from judged where has_room
    returning organization_id, period_start
),
counted as (
    update usage_counts c set reserved = c.reserved + t.n
    from (select organization_id, period_start, count(*)::int as n from taken group by 1, 2) t
    where c.organization_id = t.organization_id and c.period_start = t.period_start and c.metric = $2
),
-- Those that have a reservation already count as well.
counts as (
    update schedules s set reserve_at = null, waits_for = null, updated_at = now(),
           status = 'scheduled', status_reason = null
    where s.id = any ($1) and not exists (select from judged j where j.id = s.id and not j.has_room and not j.is_late)
    returning s.id
),
held as (
    update schedules s
    set status = 'on_hold', waits_for = 'quota', updated_at = now(), prepare_planned_at = null,
        reserve_at = now() + make_interval(secs => $3),
        status_reason = format(
            'The plan allows %s scheduled posts in this period, and all of them are used or reserved. The next period begins at %s. It goes on when there is room.',
            j.most, to_char(j.period_end at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from judged j
    where s.id = j.id and not j.has_room and not j.is_late
    returning s.id, s.status_reason, j.waits_for is null as is_news
),
told as (
    insert into events (organization_id, type, subject_type, subject_id, message, data)
    select j.organization_id, case when h.id is null then 'post.resumed' else 'post.on_hold' end, 'schedule', j.id,
           coalesce(h.status_reason, 'The plan has room for it again.'),
           jsonb_build_object('scheduleId', j.id, 'contentVersionId', j.content_version_id,
                              'platformConnectionId', j.platform_connection_id,
                              'parentScheduleId', j.parent_schedule_id)
    from judged j left join held h on h.id = j.id
    where h.is_news or h.id is null and j.waits_for = 'quota' and not j.is_late
    order by j.id
)
select (select count(*) from taken) as "reserved!",
       (select count(*) from held where is_news) as "held!",
       (select count(*) from judged where has_room and waits_for = 'quota') as "resumed!"
