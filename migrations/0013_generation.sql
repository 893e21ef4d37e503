-- What models are told of an organization, what became of each time they were asked, and what that cost.

set local lock_timeout = '5s';

-- Data for models, never more than that.
alter table organizations add column brand_notes text, add column tone text, add column language text;

alter table content_requests
    -- Why nothing was generated, for people.
    add column failure_reason text,
    -- The job that generates it.
    add column job_id uuid;
create index content_requests_generating on content_requests (created_at) where status = 'generating';

-- One row for each run of a job that asked a model.
create table generations (
    id                 uuid primary key,
    organization_id    uuid not null references organizations,
    job_id             uuid not null,
    what               text not null check (what in ('text', 'image')),
    -- What it was for.
    content_request_id uuid references content_requests,
    content_version_id uuid references content_versions,
    -- As the provider names it.
    model              text not null,
    -- Null while it runs, and for good when its worker died.
    outcome            text check (outcome in ('done', 'failed', 'rate_limited', 'interrupted', 'cancelled')),
    error_message      text,
    asks               integer,
    -- Null where nobody told.
    input_tokens       bigint,
    output_tokens      bigint,
    cost_microdollars  bigint,
    started_at         timestamptz not null default now(),
    ended_at           timestamptz,
    check ((what = 'text') = (content_request_id is not null)),
    check ((what = 'image') = (content_version_id is not null)),
    check ((outcome is null) = (ended_at is null))
);
create index generations_by_organization on generations (organization_id, id);
create index generations_by_request on generations (content_request_id) where content_request_id is not null;

alter table generations enable row level security;
create policy fleet on generations to ezre_worker using (true) with check (true);
create policy own_rows on generations for select to ezre_api
    using (organization_id = (select acting_organization()));
create policy all_rows on generations for select to ezre_operator using (true);
grant select on generations to ezre_api, ezre_operator;
grant select, insert, update on generations to ezre_worker;

-- The scheduler gives back what ended jobs have left behind. A lock on a row needs a right to change it.
grant update (reserved_at) on usage_reservations to ezre_scheduler;
grant select (id, organization_id, status, job_id, created_at) on content_requests to ezre_scheduler;
grant update (status, failure_reason, updated_at) on content_requests to ezre_scheduler;
