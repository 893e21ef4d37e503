-- Posts ($4) of an organization ($1) and a version ($2) that went out at moments ($5), taking turns on
-- accounts ($3).
with posts as (
    select p.id, p.at::timestamptz as at, p.nth,
           ($3::uuid[])[1 + (p.nth - 1) % cardinality($3::uuid[])] as account
    from unnest($4::uuid[], $5::text[]) with ordinality p (id, at, nth)
),
schedules as (
    insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time,
                           timezone, status, published_post_id, published_post_url, published_at, created_by)
    select id, $1, $2, account, at, at at time zone 'UTC', 'UTC', 'published', id::text,
           'https://x.com/i/status/' || id, at, 'anna'
    from posts
),
published as (
    insert into published_posts (id, organization_id, schedule_id, content_version_id, platform_connection_id,
                                 platform_post_id, platform_post_url, published_at)
    select id, $1, id, $2, account, id::text, 'https://x.com/i/status/' || id, at
    from posts
)
insert into post_engagement (published_post_id, organization_id, platform_connection_id, platform, published_at)
select id, $1, account, 'TWITTER', at from posts
