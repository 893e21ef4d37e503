begin;
-- Organizations, each with ten accounts and one version, and `:schedules` schedules of which `:series` recur.
create temporary table orgs on commit drop as
select gen_random_uuid() as id, nth from generate_series(0, :organizations - 1) nth;

create temporary table accounts on commit drop as
select gen_random_uuid() as id, o.id as org, row_number() over () - 1 as nth
from orgs o cross join generate_series(1, 10);

insert into organizations (id, name, slug, timezone, plan)
select id, 'Bench', 'bench-' || nth, 'Europe/Berlin', 'business' from orgs;

insert into platform_connections (id, organization_id, platform, account_id, account_name, access_token, scopes,
                                  created_by)
select id, org, 'TWITTER', nth::text, 'Account ' || nth, 'sealed', '{tweet.read,tweet.write,users.read}', 'bench'
from accounts;

insert into content_requests (id, organization_id, title, platforms, status, created_by)
select id, id, 'Bench', '{TWITTER}', 'in_review', 'bench' from orgs;

insert into content_versions (id, organization_id, content_request_id, platform, text, created_by)
select id, id, id, 'TWITTER', 'Bench', 'bench' from orgs;

-- Single schedules: made within the last month, for any moment of the next year but the next ten minutes. Those
-- of their checks that lie behind are done.
insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time, timezone,
                       tzdb, check_at, checked_at, created_by)
select encode(overlay(uuid_send(gen_random_uuid()) placing substring(int8send(
           (extract(epoch from now() - interval '30 days' * (1 - of.nth::float8 / :schedules)) * 1000)::bigint) from 3) from 1 for 6),
           'hex')::uuid,
       a.org, a.org, a.id, at, at at time zone 'Europe/Berlin', 'Europe/Berlin', :tzdb,
       (select min(at - ahead) from check_ahead where at - ahead > now()), now(), 'bench'
from generate_series(1, :schedules - :series) of (nth)
join accounts a on a.nth = of.nth % (:organizations * 10)
cross join lateral (
    select date_trunc('second', now() + interval '10 minutes' + random() * interval '364 days') as at
    where of.nth > 0
) moment;

-- Series of all patterns and of some zones, none of which is expanded: half of them weekly, four in ten daily.
create temporary table series on commit drop as
select encode(overlay(uuid_send(gen_random_uuid()) placing substring(int8send(
           (extract(epoch from now() - interval '30 days' * (1 - of.nth::float8 / :series)) * 1000)::bigint) from 3) from 1 for 6),
           'hex')::uuid as id,
       a.org, a.id as account,
       case when of.nth % 20 < 10 then 'weekly' when of.nth % 20 < 16 then 'daily' when of.nth % 20 < 18 then 'cron' else 'monthly'
       end as pattern,
       (array['Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'UTC', 'Australia/Sydney'])[1 + of.nth % 5] as zone,
       to_char(make_interval(mins => (of.nth % 1440)::int), 'HH24:MI') as at, of.nth
from generate_series(1, :series) of (nth)
join accounts a on a.nth = of.nth % (:organizations * 10);

insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time, timezone,
                       status, is_recurring, recurrence_pattern, tzdb, check_at, created_by)
select id, org, org, account, now(), now() at time zone zone, zone, 'active', true, pattern, :tzdb, null, 'bench'
from series;

insert into schedule_series (schedule_id, organization_id, rule, content_version_ids, starts_at, tzdb, expanded_to, expand_at)
select id, org,
       case pattern
       when 'weekly' then jsonb_build_object('pattern', pattern, 'at', at,
           'days', jsonb_build_array((array['monday', 'tuesday', 'wednesday', 'thursday', 'friday'])[1 + nth % 5]))
       when 'daily' then jsonb_build_object('pattern', pattern, 'at', at)
       when 'monthly' then jsonb_build_object('pattern', pattern, 'at', at,
           'on', jsonb_build_object('kind', 'weekday', 'nth', 'second', 'weekday', 'tuesday'))
       else jsonb_build_object('pattern', pattern, 'expression', nth % 60 || ' ' || nth % 24 || ' * * MON-FRI')
       end,
       array[org], now(), :tzdb, now(), now()
from series;
commit;
