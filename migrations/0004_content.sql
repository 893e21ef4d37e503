-- What shall be published: uploads, content requests, their versions, and attachments.

create table files (
    id                uuid primary key,
    organization_id   uuid not null references organizations,
    filename          text not null,
    mime_type         text not null,
    size_bytes        bigint not null check (size_bytes > 0),
    sha256            bytea not null check (length(sha256) = 32),
    storage_type      text not null check (storage_type in ('convex', 's3', 'external', 'local')),
    storage_path      text not null,
    processing_status text not null check (processing_status in ('pending', 'processing', 'completed', 'failed')),
    error_message     text,
    uploaded_by       text not null,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now()
);
create index files_by_organization on files (organization_id, id);
create index files_by_status on files (organization_id, processing_status);
create index files_by_time on files (organization_id, created_at);

create table content_requests (
    id               uuid primary key,
    organization_id  uuid not null references organizations,
    title            text not null check (title <> ''),
    -- What to generate, in the person's words; empty when the person wrote the text.
    brief            text not null default '',
    platforms        text[] not null check (cardinality(platforms) > 0),
    status           text not null check (status in
                         ('pending', 'generating', 'in_review', 'approved', 'rejected', 'failed')),
    created_by       text not null,
    approved_by      text,
    approved_at      timestamptz,
    rejected_by      text,
    rejected_at      timestamptz,
    rejection_reason text,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    check ((approved_by is null) = (approved_at is null)),
    check ((rejected_by is null) = (rejected_at is null))
);
create index content_requests_by_organization on content_requests (organization_id, id);
create index content_requests_by_status on content_requests (organization_id, status, id);
create index content_requests_by_time on content_requests (organization_id, created_at);

create table content_versions (
    id                     uuid primary key,
    organization_id        uuid not null references organizations,
    content_request_id     uuid not null references content_requests,
    platform               text not null,
    text                   text not null,
    suggested_hashtags     text[] not null default '{}',
    suggested_image_prompt text,
    is_selected            boolean not null default false,
    created_by             text not null,
    created_at             timestamptz not null default now(),
    updated_at             timestamptz not null default now()
);
create index content_versions_by_request on content_versions (content_request_id);
create index content_versions_by_organization on content_versions (organization_id, id);
create index content_versions_by_time on content_versions (organization_id, created_at);
create unique index content_versions_by_selected on content_versions (content_request_id, platform)
    where is_selected;

create table media_attachments (
    id                 uuid primary key,
    organization_id    uuid not null references organizations,
    content_version_id uuid not null references content_versions,
    file_id            uuid references files,
    position           smallint not null check (position >= 0),
    filename           text not null,
    file_type          text not null,
    storage_path       text not null,
    storage_type       text not null check (storage_type in ('convex', 's3', 'external', 'generated', 'local')),
    size_bytes         bigint not null check (size_bytes > 0),
    width              integer,
    height             integer,
    alt_text           text,
    metadata           jsonb not null default '{}',
    uploaded_by        text not null,
    created_at         timestamptz not null default now(),
    unique (content_version_id, position)
);
create index media_attachments_by_organization on media_attachments (organization_id, id);
create index media_attachments_by_file on media_attachments (file_id);
create index media_attachments_by_time on media_attachments (organization_id, created_at);
