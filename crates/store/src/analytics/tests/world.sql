-- An organization ($1) in a zone ($2) with accounts ($3) and posts ($4) that take turns on them.
with organization as (
    insert into organizations (id, name, slug, timezone) values ($1, 'O', 'o-' || $1, $2)
),
accounts as (
    insert into platform_connections (id, organization_id, platform, account_id, account_name, access_token, created_by)
    select id, $1, 'TWITTER', 'account-' || nth, 'Account ' || nth, 'sealed', 'ann'
    from unnest($3::uuid[]) with ordinality a (id, nth)
),
request as (
    insert into content_requests (id, organization_id, title, platforms, status, created_by)
    values ($1, $1, 't', '{TWITTER}', 'in_review', 'ann')
),
version as (
    insert into content_versions (id, organization_id, content_request_id, platform, text, created_by)
    values ($1, $1, $1, 'TWITTER', 'hello', 'ann')
),
posts as (
    select id, nth, ($3::uuid[])[1 + (nth - 1) % cardinality($3::uuid[])] as account
    from unnest($4::uuid[]) with ordinality p (id, nth)
),
schedules as (
    insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time,
                           timezone, status, published_post_id, published_post_url, created_by)
    select id, $1, $1, account, now(), now() at time zone 'UTC', 'UTC', 'published', 'post-' || nth,
           'https://x.com/o/status/' || nth, 'ann'
    from posts
)
insert into published_posts (id, organization_id, schedule_id, content_version_id, platform_connection_id,
                             platform_post_id, platform_post_url, published_at)
select id, $1, id, $1, account, 'post-' || nth, 'https://x.com/o/status/' || nth, now()
from posts
