-- Review: approvals that hold for exactly what was approved, the history of texts, comments.

set local lock_timeout = '5s';

-- Whether only approved content goes out.
alter table organizations add column approval_required boolean not null default false;

-- Set while a schedule is on hold only because its content is not approved: an approval lets it go on.
alter table schedules add column awaits_approval boolean not null default false;
create index schedules_awaiting_approval on schedules (organization_id, id) where awaits_approval;

-- What a version showed when it was approved, as `content_hash` has it. It stands until the version
-- shows something else, or is selected no more.
alter table content_versions
    add column approved_hash bytea check (length(approved_hash) = 32),
    add column approved_by text,
    add column approved_at timestamptz,
    add check ((approved_hash is null) = (approved_by is null) and (approved_hash is null) = (approved_at is null));

-- The hash of all that readers of a post would see of a version: network, text, and the attachments in
-- their order, each by its bytes (by its own id where its file has no row) with its description.
create function content_hash(v content_versions) returns bytea
language sql stable parallel safe set search_path = pg_catalog, public, pg_temp as $$
    select sha256(convert_to(jsonb_build_array(v.platform, v.text, coalesce(
        (select jsonb_agg(jsonb_build_array(coalesce(encode(f.sha256, 'hex'), m.id::text), m.alt_text)
                          order by m.position)
         from media_attachments m left join files f on f.id = m.file_id
         where m.content_version_id = v.id), '[]'))::text, 'UTF8'))
$$;
revoke all on function content_hash(content_versions) from public;
grant execute on function content_hash(content_versions) to ezre_api, ezre_operator, ezre_worker;

-- Every decision on a content request, and every approval that a change ended. Rows are only added.
create table content_reviews (
    id                 uuid primary key,
    organization_id    uuid not null references organizations,
    content_request_id uuid not null references content_requests,
    decision           text not null check (decision in ('approved', 'rejected', 'voided')),
    -- Why it was rejected, or what ended the approval.
    reason             text,
    decided_by         text not null,
    decided_at         timestamptz not null default clock_timestamp(),
    -- What it is about: [{contentVersionId, contentHash}].
    versions           jsonb not null,
    check (reason is not null or decision = 'approved')
);
create index content_reviews_by_request on content_reviews (content_request_id, decided_at, id);
create index content_reviews_by_organization on content_reviews (organization_id, decided_at);

create table content_edit_history (
    id                    uuid primary key,
    organization_id       uuid not null references organizations,
    content_version_id    uuid not null references content_versions,
    previous_text         text not null,
    new_text              text not null,
    previous_hashtags     text[] not null,
    new_hashtags          text[] not null,
    previous_image_prompt text,
    new_image_prompt      text,
    edited_by             text not null,
    edit_reason           text,
    -- The entry that was reverted, where it was a revert.
    reverted_edit_id      uuid,
    created_at            timestamptz not null default clock_timestamp(),
    unique (id, content_version_id),
    foreign key (reverted_edit_id, content_version_id)
        references content_edit_history (id, content_version_id)
);
create index content_edit_history_by_version on content_edit_history (content_version_id, created_at, id);
create index content_edit_history_by_organization on content_edit_history (organization_id, created_at);

create table content_comments (
    id                 uuid primary key,
    organization_id    uuid not null references organizations,
    content_version_id uuid not null references content_versions,
    user_id            text not null,
    comment            text not null check (comment <> ''),
    parent_comment_id  uuid,
    -- The first comment of the thread: itself, when it answers none.
    thread_id          uuid not null,
    is_resolved        boolean not null default false,
    resolved_by        text,
    resolved_at        timestamptz,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    unique (id, content_version_id, thread_id),
    -- What is answered is on the same version and in the same thread.
    foreign key (parent_comment_id, content_version_id, thread_id)
        references content_comments (id, content_version_id, thread_id),
    check ((parent_comment_id is null) = (thread_id = id)),
    check (is_resolved = (resolved_by is not null) and is_resolved = (resolved_at is not null))
);
create index content_comments_threads on content_comments (content_version_id, id) where parent_comment_id is null;
create index content_comments_by_thread on content_comments (thread_id, id);
create index content_comments_by_status on content_comments (organization_id, is_resolved, id);
create index content_comments_by_time on content_comments (organization_id, created_at);

do $$
declare
    t text;
begin
    foreach t in array array['content_reviews', 'content_edit_history', 'content_comments'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy fleet on %I to ezre_worker using (true) with check (true)', t);
        execute format('create policy own_rows on %I for select to ezre_api using (organization_id = (select acting_organization()))', t);
        execute format('create policy all_rows on %I for select to ezre_operator using (true)', t);
        execute format('grant select on %I to ezre_api, ezre_operator', t);
        execute format('grant select, insert on %I to ezre_worker', t);
    end loop;
end $$;
grant update (comment, is_resolved, resolved_by, resolved_at, updated_at) on content_comments to ezre_worker;
-- A schedule that is mended waits for nothing.
grant update (awaits_approval) on schedules to ezre_scheduler;
