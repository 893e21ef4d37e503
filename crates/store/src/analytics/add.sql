-- Takes the oldest events of an organization ($1) that are not added up yet, at most $3 after the id $2,
-- and adds them to its sums in the zone $4. One statement takes and adds, so that each is added once.
with taken as (
    delete from engagement_deltas
    where id in (
        -- Without `organization_id = $1` no other index gives this order.
        select id from engagement_deltas
        where (organization_id, id) > ($1, $2) and organization_id <= $1
        order by organization_id, id
        limit $3
    )
    returning id, published_post_id, platform_connection_id, event_type, count, occurred_at
),
-- A sum of nothing is null: nothing is known of that type then.
by_post as (
    select published_post_id, platform_connection_id, analytics_hour(occurred_at, $4) as hour,
           sum(count) filter (where event_type = 'like') as likes,
           sum(count) filter (where event_type = 'comment') as comments,
           sum(count) filter (where event_type = 'impression') as impressions,
           sum(count) filter (where event_type = 'click') as clicks,
           sum(count) filter (where event_type = 'share') as shares,
           sum(count) filter (where event_type = 'save') as saves
    from taken
    group by 1, 2, 3
),
by_period as (
    select s.scope, s.subject_id, p.grain, p.period_start, likes, comments, impressions, clicks, shares, saves
    from (select *, analytics_day(hour, $4) as day from by_post) b
    cross join lateral (
        values ('post', published_post_id), ('account', platform_connection_id), ('organization', $1)
    ) as s (scope, subject_id)
    cross join lateral (values ('hour', hour), ('day', day)) as p (grain, period_start)
),
added as (
    insert into analytics_aggregates as a (organization_id, scope, subject_id, grain, period_start,
                                           likes, comments, impressions, clicks, shares, saves)
    select $1, scope, subject_id, grain, period_start,
           sum(likes)::bigint, sum(comments)::bigint, sum(impressions)::bigint,
           sum(clicks)::bigint, sum(shares)::bigint, sum(saves)::bigint
    from by_period
    group by scope, subject_id, grain, period_start
    order by subject_id, grain, period_start
    on conflict (subject_id, grain, period_start) do update
    set likes = case when excluded.likes is null then a.likes else coalesce(a.likes, 0) + excluded.likes end,
        comments = case when excluded.comments is null then a.comments else coalesce(a.comments, 0) + excluded.comments end,
        impressions = case when excluded.impressions is null then a.impressions else coalesce(a.impressions, 0) + excluded.impressions end,
        clicks = case when excluded.clicks is null then a.clicks else coalesce(a.clicks, 0) + excluded.clicks end,
        shares = case when excluded.shares is null then a.shares else coalesce(a.shares, 0) + excluded.shares end,
        saves = case when excluded.saves is null then a.saves else coalesce(a.saves, 0) + excluded.saves end
)
select count(*) as "events!", coalesce(max(id), $2) as "last!" from taken
