with organization as (
    insert into organizations (id, name, slug, timezone) values ($1, 'Bench', 'bench-' || $1, 'Europe/Berlin')
),
accounts as (
    insert into platform_connections (id, organization_id, platform, account_id, account_name, access_token, created_by)
    select id, $1, 'TWITTER', id::text, 'Account ' || nth, 'sealed', 'bench'
    from unnest($2::uuid[]) with ordinality a (id, nth)
),
request as (
    insert into content_requests (id, organization_id, title, platforms, status, created_by)
    values ($1, $1, 'Bench', '{TWITTER}', 'in_review', 'bench')
)
insert into content_versions (id, organization_id, content_request_id, platform, text, created_by)
select $1, $1, $1, 'TWITTER', 'Bench', 'bench' where $3::bigint + $4::bigint > 0

create temporary table posts on commit drop as
select encode(overlay(uuid_send(gen_random_uuid()) placing substring(int8send((extract(epoch from at) * 1000)::bigint)
              from 3) from 1 for 6), 'hex')::uuid as id,
       at, ($2::uuid[])[1 + nth % cardinality($2::uuid[])] as account
from generate_series(1, $3::bigint) nth
cross join lateral (
    select date_trunc('second', now() - interval '366 days' + nth::float8 / $3 * interval '335 days') as at
) moment
where $1::uuid is not null and $4::bigint > 0

insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time,
                       timezone, status, published_post_id, published_post_url, published_at, created_by)
select id, $1, $1, account, at, at at time zone 'UTC', 'UTC', 'published', id::text, 'https://x.com/i/status/' || id, at,
       'bench'
from posts where $2::uuid[] is not null and $3::bigint + $4::bigint > 0

insert into published_posts (id, organization_id, schedule_id, content_version_id, platform_connection_id,
                             platform_post_id, platform_post_url, published_at)
select id, $1, id, $1, account, id::text, 'https://x.com/i/status/' || id, at
from posts where $2::uuid[] is not null and $3::bigint + $4::bigint > 0

create temporary table told on commit drop as
select p.id as post, p.account,
       (array['like', 'comment', 'impression', 'click', 'share', 'save'])[1 + k % 6] as of,
       (random() * case when k % 6 = 2 then 300 else 10 end)::bigint as count,
       p.at + power((k / 6 + 1)::float8 / ($4::bigint / 6 + 1), 3) * interval '30 days' as at
from posts p cross join generate_series(0, $4::bigint - 1) k
where $1::uuid is not null and $2::uuid[] is not null and $3::bigint > 0
order by 5

insert into engagement_events (organization_id, published_post_id, event_type, count, occurred_at, source)
select $1, post, of, count, at, 'poll' from told where $2::uuid[] is not null and $3::bigint + $4::bigint > 0

insert into engagement_deltas (organization_id, published_post_id, platform_connection_id, event_type, count,
                               occurred_at)
select $1, post, account, of, count, at from told where $2::uuid[] is not null and $3::bigint + $4::bigint > 0

insert into post_engagement (published_post_id, organization_id, platform_connection_id, platform, published_at,
                             likes, comments, impressions, clicks, shares, saves, polled_at)
select p.id, $1, p.account, 'TWITTER', p.at,
       sum(count) filter (where of = 'like'), sum(count) filter (where of = 'comment'),
       sum(count) filter (where of = 'impression'), sum(count) filter (where of = 'click'),
       sum(count) filter (where of = 'share'), sum(count) filter (where of = 'save'), max(t.at)
from posts p join told t on t.post = p.id
where $2::uuid[] is not null and $3::bigint + $4::bigint > 0
group by p.id, p.account, p.at
