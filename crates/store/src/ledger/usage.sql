-- What is used of keys right now. $1 keys.
select k.key as "key!", clock_timestamp() as "now!",
       (select count(*) from jobs j
        where j.permits <> '{}' and j.state = 'running' and k.key = any (j.permits)) as "running!",
       (select j.run_at from jobs j
        where j.parked_by = k.key and j.state = 'scheduled' and j.run_at > now()
          and j.wait_reason ->> 'code' = 'limited'
        order by j.run_at desc limit 1) as "line_ends?"
from unnest($1::text[]) as k (key)
