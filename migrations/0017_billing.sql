-- Subscriptions at Stripe, and what they mean for an organization.

set local lock_timeout = '5s';

-- How long everything goes on when a payment is late. Data: another grace is an update.
alter table plans add column past_due_grace interval not null default '0'
    check (past_due_grace >= interval '0');
update plans set past_due_grace = '3 days' where plan = 'pro';
update plans set past_due_grace = '14 days' where plan = 'business';

-- Which plan a price pays for, by Stripe's id of the price or by the lookup key that we gave it.
create table plan_prices (
    price text primary key check (length(price) between 1 and 255),
    plan  text not null references plans
);
insert into plan_prices (price, plan)
select plan || '_' || every, plan
from plans cross join unnest(array['monthly', 'yearly']) every
where plan in ('starter', 'pro', 'business');

alter table organizations
    -- The plan that the subscription last paid for. Where `plan` differs, an operator set it since.
    add column billing_plan        text references plans,
    -- From when on nothing new begins and nothing goes out until it is paid; null while all is well.
    add column billing_hold_at     timestamptz,
    -- Why, for people.
    add column billing_hold_reason text,
    -- Set while what is scheduled is held because of it.
    add column billing_held        boolean not null default false,
    add check ((billing_hold_at is null) = (billing_hold_reason is null));

-- Set while a schedule is on hold only because its organization is: payment lets it go on.
alter table schedules
    add column awaits_payment boolean not null default false,
    add constraint schedules_awaits_payment_check
        check (not awaits_payment or (status = 'on_hold' and not awaits_approval)) not valid;
alter table schedules validate constraint schedules_awaits_payment_check;
create index schedules_awaiting_payment on schedules (organization_id, id) where awaits_payment;

-- Each subscription as its events say, which are all in `stripe_subscription_events`.
create table stripe_subscriptions (
    id                   text primary key,
    organization_id      uuid not null references organizations,
    customer             text not null,
    -- Stripe's word; one that nobody here knows is kept as it is.
    status               text not null,
    status_since         timestamptz not null,
    price                text,
    lookup_key           text,
    -- The plan that it pays for; null when nobody knows.
    plan                 text references plans,
    cancel_at_period_end boolean not null,
    current_period_start timestamptz,
    current_period_end   timestamptz,
    trial_end            timestamptz,
    billing_anchor       timestamptz,
    started_at           timestamptz,
    -- The newest event.
    event_id             text not null,
    event_at             timestamptz not null,
    updated_at           timestamptz not null default now()
);
create index stripe_subscriptions_by_organization on stripe_subscriptions (organization_id, id);

-- What each event told of its subscription: kept as long as that, because which event is the newest
-- depends on all of them.
create table stripe_subscription_events (
    event_id        text primary key,
    organization_id uuid not null references organizations,
    subscription_id text not null,
    event_at        timestamptz not null,
    told            jsonb not null,
    recorded_at     timestamptz not null default now()
);
create index stripe_subscription_events_by_subscription
    on stripe_subscription_events (subscription_id, event_at);

do $$
declare
    t text;
begin
    foreach t in array array['stripe_subscriptions', 'stripe_subscription_events'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy fleet on %I to ezre_worker using (true) with check (true)', t);
        execute format('create policy all_rows on %I for select to ezre_operator using (true)', t);
        execute format('grant select on %I to ezre_operator', t);
    end loop;
end $$;
create policy own_rows on stripe_subscriptions for select to ezre_api
    using (organization_id = (select acting_organization()));
grant select on stripe_subscriptions to ezre_api;
grant select, insert, update on stripe_subscriptions to ezre_worker;
grant select, insert on stripe_subscription_events to ezre_worker;
grant select on plan_prices to ezre_operator, ezre_worker;
-- A schedule that is mended waits for nothing.
grant update (awaits_payment) on schedules to ezre_scheduler;
