-- The logins of the three processes, and the role that operator reads use.
--
-- Roles belong to the whole server, so they may exist already (another database of the same
-- server, or an administrator who made them beforehand). Passwords are set by
-- `scheduler migrate` from the processes' own URLs; a role without a password cannot log in.

do $$
declare
    name text;
begin
    foreach name in array array['ezre_api', 'ezre_scheduler', 'ezre_worker', 'ezre_operator'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I noinherit', name);
            exception when duplicate_object or unique_violation then
                null; -- made at the same moment by a migration of another database
            end;
        elsif (select rolinherit from pg_roles where rolname = name) then
            -- Made beforehand by an administrator: the API must not be an operator unasked.
            execute format('alter role %I noinherit', name);
        end if;
    end loop;
end $$;

-- The API becomes the operator for one transaction at a time, with `set local role`.
grant ezre_operator to ezre_api;
