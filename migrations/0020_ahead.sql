-- What is checked before a post goes out, what was found, and how often the scheduler does what.

set local lock_timeout = '5s';

-- How often the scheduler does each of its steps. Data: every scheduler reads it again each minute.
create table cadences (
    step    text primary key check (step ~ '^[a-z_]{1,40}$'),
    every   interval not null check (every between interval '50 milliseconds' and interval '1 day'),
    -- For people.
    purpose text not null check (purpose <> '')
);
insert into cadences (step, every, purpose) values
    ('publish',      '250 milliseconds', 'Makes publishing jobs of schedules that come up: one made for right now waits so long at most.'),
    ('prepare',      '250 milliseconds', 'Makes jobs that upload media of schedules that come up.'),
    ('expand',       '250 milliseconds', 'Makes the next occurrences of series, and has them count against the plan.'),
    ('zones',        '30 seconds',       'Moves occurrences whose time zone has newer rules in this build.'),
    ('check',        '1 second',         'Makes jobs that check schedules ahead of their time, those that were just made too.'),
    ('recheck',      '1 minute',         'Has schedules checked again that carry a warning, and forgets causes that no schedule has any more.'),
    ('mend',         '5 seconds',        'Mends schedules and jobs that no job cares for any more.'),
    ('refresh',      '1 second',         'Makes jobs that get new tokens for accounts whose tokens end soon.'),
    ('poll',         '1 second',         'Makes jobs that ask how posts stand, for accounts that are due.'),
    ('poll_again',   '10 minutes',       'No step of its own: when an account is due again whose job came to nothing, or that cannot be used.'),
    ('aggregate',    '1 second',         'Makes jobs that add up what people did.'),
    ('rescue',       '3 seconds',        'Frees the jobs of dead workers.'),
    ('give_back',    '5 seconds',        'Releases what ended jobs have left reserved.'),
    ('housekeeping', '1 hour',           'Makes partitions ahead of time, and asks for pruning.'),
    ('measure',      '5 seconds',        'Measures the fleet for its gauges.'),
    ('cadences',     '1 minute',         'Reads this table again.');
grant select on cadences to ezre_scheduler, ezre_operator;

-- How long before its time a schedule is checked, beside the one time when it is made. A dead token is to
-- be told 30 minutes before its post: the last look comes early enough to be over by then.
create table check_ahead (
    ahead interval primary key check (ahead > interval '0')
);
insert into check_ahead values ('1 day'), ('1 hour'), ('35 minutes');
grant select on check_ahead to ezre_scheduler, ezre_operator;

alter table schedules
    -- When it is checked next; null when it is not any more.
    add column check_at   timestamptz,
    add column checked_at timestamptz,
    -- What stands in its way, as far as is known now: [{code, message, since}].
    add column warnings   jsonb not null default '[]';
-- A schedule is checked when it is made, and again whenever it is given another time or other content; an
-- occurrence for the first time a day ahead.
alter table schedules alter column check_at set default now();
update schedules set check_at = greatest(now(), scheduled_at - interval '1 day')
    where status in ('scheduled', 'on_hold') and not is_recurring and scheduled_at > now();

-- What the scheduler walks along.
create index schedules_to_check on schedules (check_at)
    where status in ('scheduled', 'on_hold') and not is_recurring and check_at is not null;
create index schedules_warned on schedules (organization_id, platform_connection_id)
    where status in ('scheduled', 'on_hold') and warnings <> '[]';

-- When the network was last asked whether it still takes an account's token. Whoever writes warnings of
-- an account's schedules locks its row.
create table account_checks (
    platform_connection_id uuid primary key references platform_connections,
    organization_id        uuid not null references organizations,
    -- When the last question was asked that was answered.
    asked_at               timestamptz,
    -- A question that is being asked: since when, and until when nobody else asks.
    asking_since           timestamptz,
    asking_until           timestamptz,
    check ((asking_since is null) = (asking_until is null))
);

-- What stands in the way of an account's posts, told once while it lasts: as long as one of them has a
-- warning with this code.
create table warning_causes (
    platform_connection_id uuid not null references platform_connections,
    code                   text not null,
    organization_id        uuid not null references organizations,
    since                  timestamptz not null default now(),
    primary key (platform_connection_id, code)
);

do $$
declare
    t text;
begin
    foreach t in array array['account_checks', 'warning_causes'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy fleet on %I to ezre_worker, ezre_scheduler using (true) with check (true)', t);
        execute format('create policy all_rows on %I for select to ezre_operator using (true)', t);
        execute format('grant select on %I to ezre_operator', t);
    end loop;
end $$;
grant select, insert, update on account_checks to ezre_worker;
grant select, insert, delete on warning_causes to ezre_worker;
-- To lock a row, one needs a column that one may change.
grant select, update (asking_until) on account_checks to ezre_scheduler;
grant select, delete on warning_causes to ezre_scheduler;
grant insert (check_at), update (check_at) on schedules to ezre_scheduler;
