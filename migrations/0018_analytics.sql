-- When hours and days begin on the clocks of a zone, and what reads of analytics walk along.

set local lock_timeout = '5s';

-- Rows are written under a lock on the organization's row of analytics_states, which refers to it. Looking
-- it up again for each row takes a third of the time of adding up.
alter table analytics_aggregates drop constraint analytics_aggregates_organization_id_fkey;

-- When the clock hour began in which a moment lies: the moment less the minutes and seconds that the clock
-- shows. Zones that are off by half an hour have hours that begin at half past by UTC. Where clocks go
-- back by an hour, the hour that comes twice is two hours. Where they move by half an hour (Lord Howe),
-- the hour after that lasts 30 minutes, and counts as if its first half had been there: it begins 30
-- minutes before the clocks moved, which is the beginning of no other hour. The clock of an hour is
-- therefore what it shows in the hour's last second.
-- No `set search_path`: a body in standard SQL is bound when it is made, and this one is put into the
-- statements that use it.
create function analytics_hour(moment timestamptz, zone text) returns timestamptz
language sql stable strict parallel safe
return moment - ((moment at time zone zone) - date_trunc('hour', moment at time zone zone));

-- The first moment of a date on the clocks of a zone: of two midnights the first one; where clocks leave
-- midnight out, the moment at which they do. (No zone has left out a piece around midnight that begins
-- before it since 2011, when a whole day was left out.)
create function analytics_midnight(day date, zone text) returns timestamptz
language plpgsql stable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
    -- Of two midnights the later one; of none, by the clock as it was before.
    usual timestamptz := day::timestamp at time zone zone;
    -- The same by the clock of half a day earlier.
    before timestamptz := usual - interval '12 hours';
    early timestamptz := (day::timestamp - ((before at time zone zone) - (before at time zone 'UTC'))) at time zone 'UTC';
begin
    if early < usual and early at time zone zone = day::timestamp then
        return early;
    end if;
    return usual;
end $$;

-- When the day began in which a moment lies.
create function analytics_day(moment timestamptz, zone text) returns timestamptz
language sql stable strict parallel safe
return analytics_midnight((moment at time zone zone)::date, zone);

revoke all on function analytics_hour(timestamptz, text), analytics_midnight(date, text),
    analytics_day(timestamptz, text) from public;
grant execute on function analytics_hour(timestamptz, text), analytics_midnight(date, text),
    analytics_day(timestamptz, text) to ezre_api, ezre_operator, ezre_worker;
