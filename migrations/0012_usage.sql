-- What plans allow, and what of it organizations have used in their period.

set local lock_timeout = '5s';

-- Plans are data: a new plan or another limit is a row. A null means as many as wanted.
create table plans (
    plan text primary key check (plan ~ '^[a-z0-9-]{1,40}$')
);
create table plan_limits (
    plan   text not null references plans,
    metric text not null check (metric in ('generations', 'scheduled_posts', 'files_uploaded')),
    most   integer check (most >= 0),
    primary key (plan, metric)
);
insert into plans values ('starter'), ('pro'), ('business');
insert into plan_limits (plan, metric, most) values
    ('starter', 'generations', 10), ('starter', 'scheduled_posts', 30), ('starter', 'files_uploaded', 20),
    ('pro', 'generations', 200), ('pro', 'scheduled_posts', 600), ('pro', 'files_uploaded', 500),
    ('business', 'generations', null), ('business', 'scheduled_posts', null), ('business', 'files_uploaded', null);

alter table organizations drop constraint organizations_plan_check;
alter table organizations add constraint organizations_plan_fkey foreign key (plan) references plans not valid;
alter table organizations validate constraint organizations_plan_fkey;

-- Periods are months from here on; a subscription moves it to its own beginning.
alter table organizations add column billing_anchor timestamptz not null default now();
update organizations set billing_anchor = created_at;

-- What one organization may instead of its plan.
create table organization_limits (
    organization_id uuid not null references organizations,
    metric          text not null check (metric in ('generations', 'scheduled_posts', 'files_uploaded')),
    most            integer check (most >= 0),
    set_by          text not null,
    set_at          timestamptz not null default now(),
    primary key (organization_id, metric)
);

create table usage_counts (
    organization_id uuid not null references organizations,
    metric          text not null check (metric in ('generations', 'scheduled_posts', 'files_uploaded')),
    period_start    timestamptz not null,
    period_end      timestamptz not null,
    used            integer not null default 0 check (used >= 0),
    -- Taken by what has begun and not ended.
    reserved        integer not null default 0 check (reserved >= 0),
    primary key (organization_id, period_start, metric),
    check (period_start < period_end)
);

-- One for each thing that has begun: a generation's job, a schedule, a file. It goes when the thing is
-- done (then it counts as used) or given up (then it does not).
create table usage_reservations (
    subject_id      uuid primary key,
    organization_id uuid not null references organizations,
    metric          text not null,
    period_start    timestamptz not null,
    -- The job with which it ends, where there is one: a sweeper releases what a job left behind.
    job_id          uuid,
    reserved_at     timestamptz not null default now(),
    foreign key (organization_id, period_start, metric) references usage_counts
);
create index usage_reservations_by_job on usage_reservations (reserved_at) where job_id is not null;

-- The period in which a moment lies: a month that begins on the anchor's day, in UTC; in shorter months
-- on their last day.
create function usage_period(anchor timestamptz, moment timestamptz)
returns table (period_start timestamptz, period_end timestamptz)
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select bounds.period_start, bounds.period_end
    from (select anchor at time zone 'UTC' as a, moment at time zone 'UTC' as m) utc
    cross join lateral (
        select (extract(year from m) - extract(year from a))::int * 12
             + (extract(month from m) - extract(month from a))::int as months
    ) apart
    cross join lateral generate_series(months - 1, months + 1) n
    cross join lateral (
        select (a + make_interval(months => n)) at time zone 'UTC' as period_start,
               (a + make_interval(months => n + 1)) at time zone 'UTC' as period_end
    ) bounds
    where bounds.period_start <= moment and moment < bounds.period_end
$$;

-- The product's shape of it.
create view usage_tracking with (security_invoker = true) as
select organization_id, period_start, period_end,
       coalesce(sum(used) filter (where metric = 'generations'), 0)::integer as generations_count,
       coalesce(sum(used) filter (where metric = 'scheduled_posts'), 0)::integer as scheduled_posts_count,
       coalesce(sum(used) filter (where metric = 'files_uploaded'), 0)::integer as files_uploaded_count
from usage_counts
group by organization_id, period_start, period_end;

do $$
declare
    t text;
begin
    foreach t in array array['usage_counts', 'usage_reservations', 'organization_limits'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy fleet on %I to ezre_worker, ezre_scheduler using (true) with check (true)', t);
        execute format('create policy own_rows on %I for select to ezre_api using (organization_id = (select acting_organization()))', t);
        execute format('create policy all_rows on %I for select to ezre_operator using (true)', t);
        execute format('grant select on %I to ezre_api, ezre_operator', t);
    end loop;
end $$;
grant select on plans, plan_limits, usage_tracking to ezre_api, ezre_operator, ezre_worker, ezre_scheduler;
grant select, insert, update on plans, plan_limits to ezre_worker;
grant select, insert, update, delete on usage_counts, usage_reservations, organization_limits to ezre_worker;
grant select, update on usage_counts to ezre_scheduler;
grant select, delete on usage_reservations to ezre_scheduler;
revoke all on function usage_period(timestamptz, timestamptz) from public;
grant execute on function usage_period(timestamptz, timestamptz)
    to ezre_api, ezre_operator, ezre_worker, ezre_scheduler;
