-- What people stopped, newest first: pauses of queues, and paused accounts. $1 the organization that
-- asks; null for an operator, who sees everything.
--
-- An account may be connected to several organizations, and its pause holds for all of them. Each
-- sees that it is paused and why; who paused it, only its own people and operators see.
(select p.queue, p.organization_id, null as platform, null as account_id, p.reason as "reason!",
        p.paused_by, p.paused_at as "paused_at!"
 from pauses p order by p.paused_at desc limit 500)
union all
(select null, case when told.whom then c.organization_id end, named.platform, named.account_id, c.reason,
        case when told.whom then c.closed_by end, c.closed_at
 from closed_keys c
 -- `account:PLATFORM:ID`, as `jobs::account_key` spells it.
 cross join lateral (
     select split_part(c.key, ':', 2) as platform,
            substr(c.key, length(split_part(c.key, ':', 2)) + 10) as account_id
     offset 0
 ) named
 cross join lateral (
     select $1::uuid is null or c.organization_id is null or c.organization_id = $1 as whom
 ) told
 where c.until > '9000-01-01 00:00:00+00' and starts_with(c.key, 'account:')
   and ($1::uuid is null or exists (
       select from platform_connections pc
       where pc.organization_id = $1 and pc.platform = named.platform and pc.account_id = named.account_id))
 order by c.closed_at desc limit 500)
order by 7 desc limit 500
