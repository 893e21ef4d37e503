-- Who may do what. The API may insert jobs and read what it shows; nothing else. Every read of
-- the API and of operators is under row-level security.

revoke all on all tables in schema public from public;
revoke all on all functions in schema public from public;
revoke create on schema public from public;
grant usage on schema public to ezre_api, ezre_operator, ezre_scheduler, ezre_worker;

-- The organization that the API's transaction acts for: set by `set local`, never inherited.
create function acting_organization() returns uuid
language sql stable parallel safe set search_path = pg_catalog, pg_temp as
$$ select nullif(current_setting('ezre.organization_id', true), '')::uuid $$;
grant execute on function acting_organization() to ezre_api, ezre_operator;

-- The one look at a key's hash that the API is allowed: by knowing it.
create function api_key_lookup(hash bytea)
returns table (id uuid, organization_id uuid, scopes text[], rate_limit_per_minute integer)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as
$$ select k.id, k.organization_id, k.scopes, k.rate_limit_per_minute
   from public.api_keys k where k.secret_hash = hash and k.revoked_at is null $$;
grant execute on function api_key_lookup(bytea) to ezre_api;

-- Enqueueing.

grant insert (id, organization_id, actor, origin, queue, kind, args_version, args, state, priority,
              run_at, max_attempts, limit_keys, notify_end, unique_key, retried_from, trace_context)
    on jobs to ezre_api, ezre_operator;
grant insert (lane, key, request_hash, job_ids) on idempotency_keys to ezre_api, ezre_operator;
grant select on job_kinds, closed_keys, pauses to ezre_api, ezre_operator, ezre_scheduler, ezre_worker;

-- Reading. Sealed arguments are readable, tokens and key hashes are not.

grant select on jobs, job_history, idempotency_keys to ezre_api, ezre_operator;
grant execute on function job_waiting(jobs) to ezre_api, ezre_operator, ezre_worker;
grant select on organizations, files, content_requests, content_versions, media_attachments,
                schedules, publish_intents, published_posts, events, workers
    to ezre_api, ezre_operator;
grant select (id, organization_id, platform, account_id, account_name, token_expires_at, is_active,
              inactive_reason, scopes, metadata, created_by, created_at, updated_at)
    on platform_connections to ezre_api, ezre_operator;
grant select (id, organization_id, name, prefix, scopes, rate_limit_per_minute, created_by,
              created_at, revoked_at, revoked_by)
    on api_keys to ezre_api, ezre_operator;

-- The scheduler turns time into jobs and rescues; it never sees a token.

grant select, insert, update, delete on jobs, workers, closed_keys to ezre_scheduler;
grant select, insert on job_history, events to ezre_scheduler;
grant select, update (status, status_reason, error_message, retry_count, attempt_log, prepare_planned_at,
                      publish_planned_at, updated_at)
    on schedules to ezre_scheduler;
grant select (id, organization_id, platform, account_id, is_active) on platform_connections to ezre_scheduler;
grant select on organizations, publish_intents to ezre_scheduler;
grant update (asked_at) on publish_intents to ezre_scheduler;
grant select (id, content_version_id) on media_attachments to ezre_scheduler;
grant execute on function lane_room(text, uuid, bigint) to ezre_worker;
grant execute on function ledger_make_partitions() to ezre_scheduler, ezre_worker;

-- The worker does the work.

grant select, insert, update, delete on jobs, workers, closed_keys, pauses, idempotency_keys to ezre_worker;
grant select, insert on job_history to ezre_worker;
grant select, insert, update on organizations, api_keys, platform_connections, files, content_requests,
    content_versions, media_attachments, schedules, publish_intents, published_posts to ezre_worker;
grant select, insert, delete on events to ezre_worker;
grant execute on function ledger_drop_partitions(interval) to ezre_worker;

-- Row-level security. Worker and scheduler act for all organizations.

do $$
declare
    t text;
begin
    foreach t in array array['jobs', 'job_history', 'idempotency_keys', 'organizations', 'api_keys',
        'platform_connections', 'files', 'content_requests', 'content_versions', 'media_attachments',
        'schedules', 'publish_intents', 'published_posts', 'events', 'pauses', 'workers']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy fleet on %I to ezre_worker, ezre_scheduler using (true) with check (true)', t);
    end loop;
    foreach t in array array['jobs', 'job_history', 'api_keys', 'platform_connections', 'files',
        'content_requests', 'content_versions', 'media_attachments', 'schedules', 'publish_intents',
        'published_posts', 'events']
    loop
        execute format('create policy own_rows on %I for select to ezre_api using (organization_id = acting_organization())', t);
        execute format('create policy all_rows on %I for select to ezre_operator using (true)', t);
    end loop;
end $$;

create policy own_row on organizations for select to ezre_api using (id = acting_organization());
create policy all_rows on organizations for select to ezre_operator using (true);
create policy all_rows on workers for select to ezre_operator using (true);
create policy all_rows on pauses for select to ezre_operator using (true);
create policy own_rows on pauses for select to ezre_api
    using (organization_id is null or organization_id = acting_organization());

create policy own_keys on idempotency_keys for select to ezre_api using (lane = acting_organization());
create policy own_keys_insert on idempotency_keys for insert to ezre_api with check (lane = acting_organization());
create policy operator_keys on idempotency_keys for select to ezre_operator
    using (lane = '00000000-0000-0000-0000-000000000000');
create policy operator_keys_insert on idempotency_keys for insert to ezre_operator
    with check (lane = '00000000-0000-0000-0000-000000000000');

-- Only kinds that the catalogue opens to the caller, only as that caller, never already running.
create policy enqueue on jobs for insert to ezre_api with check (
    organization_id = acting_organization() and origin = 'api' and state in ('scheduled', 'ready')
    and exists (select from job_kinds k where k.kind = jobs.kind and k.caller = 'organization'));
create policy operator_enqueue on jobs for insert to ezre_operator with check (
    origin = 'operator' and state in ('scheduled', 'ready')
    and exists (select from job_kinds k where k.kind = jobs.kind and k.caller in ('organization', 'operator')));

-- Lets every process see whether the schema is the one it needs.
create function schema_version() returns bigint
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as
$$ begin return (select max(version) from public._sqlx_migrations where success); end $$;
grant execute on function schema_version() to ezre_api, ezre_scheduler, ezre_worker;
