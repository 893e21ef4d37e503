-- What was told of posts ($2) of an organization ($1): types ($3), counts ($4), moments ($5).
with told as (
    select t.post, t.of, t.count, t.at::timestamptz as at, p.platform_connection_id as account
    from unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[]) t (post, of, count, at)
    join published_posts p on p.id = t.post
),
events as (
    insert into engagement_events (organization_id, published_post_id, event_type, count, occurred_at, source)
    select $1, post, of, count, at, 'poll' from told
),
waits as (
    insert into engagement_deltas (organization_id, published_post_id, platform_connection_id, event_type, count,
                                   occurred_at)
    select $1, post, account, of, count, at from told
),
added as (
    select post, max(at) as last,
           sum(count) filter (where of = 'like') as likes, sum(count) filter (where of = 'comment') as comments,
           sum(count) filter (where of = 'impression') as impressions, sum(count) filter (where of = 'click') as clicks,
           sum(count) filter (where of = 'share') as shares, sum(count) filter (where of = 'save') as saves
    from told group by post
)
update post_engagement e
set likes = case when a.likes is null then e.likes else coalesce(e.likes, 0) + a.likes end,
    comments = case when a.comments is null then e.comments else coalesce(e.comments, 0) + a.comments end,
    impressions = case when a.impressions is null then e.impressions else coalesce(e.impressions, 0) + a.impressions end,
    clicks = case when a.clicks is null then e.clicks else coalesce(e.clicks, 0) + a.clicks end,
    shares = case when a.shares is null then e.shares else coalesce(e.shares, 0) + a.shares end,
    saves = case when a.saves is null then e.saves else coalesce(e.saves, 0) + a.saves end,
    polled_at = greatest(e.polled_at, a.last)
from added a where e.published_post_id = a.post
