-- The sums of subjects ($1) together, by hour or by day ($6), from $3 until $4 in the zone $5; read from the
-- rows of a grain ($2). A row for each period, whether anything happened in it or not: no day is shorter
-- than half a day, and no hour than half an hour.
with summed as (
    select case when $6 = 'day' then analytics_day(period_start, $5) else period_start end as period_start,
           sum(likes)::bigint as likes,
           sum(comments)::bigint as comments,
           sum(impressions)::bigint as impressions,
           sum(clicks)::bigint as clicks,
           sum(shares)::bigint as shares,
           sum(saves)::bigint as saves
    from analytics_aggregates
    where subject_id = any ($1) and grain = $2 and period_start >= $3 and period_start < $4
    group by 1
),
periods as (
    select distinct case when $6 = 'day' then analytics_day(at, $5) else analytics_hour(at, $5) end as period_start
    from generate_series($3, $4 - interval '1 microsecond',
                         case when $2 = 'day' then interval '12 hours' else interval '30 minutes' end) at
)
select p.period_start as "period_start!",
       ((p.period_start + interval '59 minutes 59 seconds') at time zone $5)::date as "date!",
       likes, comments, impressions, clicks, shares, saves
from periods p left join summed s on s.period_start = p.period_start
order by p.period_start
