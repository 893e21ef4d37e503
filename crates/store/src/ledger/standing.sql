-- What the fleet is made of. $1 seconds of silence after which a worker does not count.
select (select count(*) from workers
        where lost_at is null and stopped_at is null and seen_at > now() - make_interval(secs => $1)) as "workers!",
       (select count(*) from pauses where organization_id is null) as "paused_queues!",
       (select count(distinct organization_id) from pauses where organization_id is not null) as "paused_organizations!",
       -- A partition is named after the Monday on which its week begins.
       coalesce((select extract(epoch from max(to_date(right(c.relname, 8), 'YYYYMMDD') + 7) - now())
                 from pg_inherits i join pg_class c on c.oid = i.inhrelid
                 where i.inhparent = 'public.job_history'::regclass and c.relname ~ '^job_history_\d{8}$'), 0)::float8 as "history_ahead_secs!"
