-- The sums of subjects ($1) over the periods of a grain ($2) from $3 until $4, and what was known of each
-- before: on the days before that on which $3 lies in the zone $5, or in the hours of that day before it.
select s.likes,
       s.comments,
       s.impressions,
       s.clicks,
       s.shares,
       s.saves,
       (exists (select from analytics_aggregates where subject_id = subject and grain = 'day'
                  and period_start < w.day and likes is not null)
        or exists (select from analytics_aggregates where subject_id = subject and grain = 'hour'
                     and period_start >= w.day and period_start < $3 and likes is not null)) as "likes_known!",
       (exists (select from analytics_aggregates where subject_id = subject and grain = 'day'
                  and period_start < w.day and comments is not null)
        or exists (select from analytics_aggregates where subject_id = subject and grain = 'hour'
                     and period_start >= w.day and period_start < $3 and comments is not null)) as "comments_known!",
       (exists (select from analytics_aggregates where subject_id = subject and grain = 'day'
                  and period_start < w.day and impressions is not null)
        or exists (select from analytics_aggregates where subject_id = subject and grain = 'hour'
                     and period_start >= w.day and period_start < $3 and impressions is not null)) as "impressions_known!",
       (exists (select from analytics_aggregates where subject_id = subject and grain = 'day'
                  and period_start < w.day and clicks is not null)
        or exists (select from analytics_aggregates where subject_id = subject and grain = 'hour'
                     and period_start >= w.day and period_start < $3 and clicks is not null)) as "clicks_known!",
       (exists (select from analytics_aggregates where subject_id = subject and grain = 'day'
                  and period_start < w.day and shares is not null)
        or exists (select from analytics_aggregates where subject_id = subject and grain = 'hour'
                     and period_start >= w.day and period_start < $3 and shares is not null)) as "shares_known!",
       (exists (select from analytics_aggregates where subject_id = subject and grain = 'day'
                  and period_start < w.day and saves is not null)
        or exists (select from analytics_aggregates where subject_id = subject and grain = 'hour'
                     and period_start >= w.day and period_start < $3 and saves is not null)) as "saves_known!"
from unnest($1::uuid[]) with ordinality as of (subject, nth)
cross join (select analytics_day($3, $5) as day) w
cross join lateral (
    select sum(likes)::bigint as likes,
           sum(comments)::bigint as comments,
           sum(impressions)::bigint as impressions,
           sum(clicks)::bigint as clicks,
           sum(shares)::bigint as shares,
           sum(saves)::bigint as saves
    from analytics_aggregates
    where subject_id = subject and grain = $2 and period_start >= $3 and period_start < $4
) s
order by nth
