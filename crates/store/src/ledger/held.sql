-- Closed keys, and jobs moved out of the way for them, by class of the key. $1 classes.
--
-- What has no end opens when a person does something, and not by itself: it has no longest.
with met as (
    (select key, until, false as is_job from closed_keys where until > now() limit 10000)
    union all
    (select parked_by, null, true from jobs where parked_by is not null and state = 'scheduled' limit 10000)
),
classed as (
    select case when split_part(key, ':', 1) = 'account' then 'account'
                when split_part(key, ':', 1) = 'connection' then 'connection'
                when split_part(key, ':', 1) = 'organization' then 'organization'
                when split_part(key, ':', 1) = 'model' then 'model'
                when split_part(key, ':', 2) = 'user' then 'account_call'
                when split_part(key, ':', 2) = 'app' then 'app_call'
                else 'other' end as class,
           until, is_job
    from met
)
select named.class as "class!",
       count(*) filter (where not c.is_job) as "keys!",
       count(*) filter (where c.is_job) as "jobs!",
       coalesce(max(extract(epoch from c.until - now()))
                filter (where c.until < now() + interval '1000 years'), 0)::float8 as "longest!"
from unnest($1::text[]) as named (class) left join classed c on c.class = named.class
group by named.class
