-- The hours of the week, by the clocks of the zone $4, in which subjects ($1) had most engagement from $2
-- until $3; at most $5. The clock of an hour is what it shows in the hour's last second.
select weekday as "weekday!", hour as "hour!", likes, comments, impressions, clicks, shares, saves
from (
    select extract(isodow from local)::int as weekday, extract(hour from local)::int as hour,
           sum(likes)::bigint as likes,
           sum(comments)::bigint as comments,
           sum(impressions)::bigint as impressions,
           sum(clicks)::bigint as clicks,
           sum(shares)::bigint as shares,
           sum(saves)::bigint as saves
    from (
        select *, (period_start + interval '59 minutes 59 seconds') at time zone $4 as local
        from analytics_aggregates
        where subject_id = any ($1) and grain = 'hour' and period_start >= $2 and period_start < $3
    ) told
    group by 1, 2
) by_hour
where coalesce(likes, comments, shares, saves, clicks) is not null
order by coalesce(likes, 0) + coalesce(comments, 0) + coalesce(shares, 0) + coalesce(saves, 0)
         + coalesce(clicks, 0) desc,
         weekday, hour
limit $5
