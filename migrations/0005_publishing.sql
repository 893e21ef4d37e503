-- When and where content goes out, what was tried, and what came of it.

create table schedules (
    id                     uuid primary key,
    organization_id        uuid not null references organizations,
    content_version_id     uuid not null references content_versions,
    platform_connection_id uuid not null references platform_connections,
    -- The moment, and what the person asked for: wall time in an IANA zone.
    scheduled_at           timestamptz not null,
    wall_time              timestamp not null,
    timezone               text not null,
    status                 text not null default 'scheduled' check (status in
                               ('scheduled', 'publishing', 'awaiting_platform', 'published', 'failed',
                                'unconfirmed', 'missed', 'skipped', 'on_hold', 'cancelled')),
    -- What a person must know; every state but the happy ones has one.
    status_reason          text,
    published_post_id      text,
    published_post_url     text,
    published_at           timestamptz,
    error_message          text,
    retry_count            integer not null default 0,
    max_retries            integer not null default 3 check (max_retries between 0 and 20),
    -- One entry per attempt: when, how it ended, why.
    attempt_log            jsonb not null default '[]',
    is_recurring           boolean not null default false,
    recurrence_pattern     text check (recurrence_pattern in ('daily', 'weekly', 'monthly', 'cron')),
    recurrence_end_date    timestamptz,
    parent_schedule_id     uuid references schedules,
    -- Set when the clock has turned this row into jobs.
    prepare_planned_at     timestamptz,
    publish_planned_at     timestamptz,
    -- Uploads that the network holds: [{attachmentId, mediaId, expiresAt}].
    prepared_media         jsonb not null default '[]',
    created_by             text not null,
    created_at             timestamptz not null default now(),
    updated_at             timestamptz not null default now(),
    check (is_recurring = (recurrence_pattern is not null)),
    check (status in ('scheduled', 'publishing', 'awaiting_platform', 'published') or status_reason is not null),
    check (status <> 'published' or (published_post_id is not null and published_post_url is not null))
);
create index schedules_by_organization on schedules (organization_id, id);
create index schedules_by_status on schedules (organization_id, status, scheduled_at);
create index schedules_by_platform on schedules (platform_connection_id, scheduled_at);
create index schedules_by_recurring on schedules (organization_id, scheduled_at) where is_recurring;
create index schedules_by_time on schedules (organization_id, scheduled_at);
create index schedules_by_version on schedules (content_version_id);
create index schedules_by_parent on schedules (parent_schedule_id) where parent_schedule_id is not null;
-- What the scheduler walks along.
create index schedules_to_publish on schedules (scheduled_at)
    where status = 'scheduled' and not is_recurring and publish_planned_at is null;
create index schedules_to_prepare on schedules (scheduled_at)
    where status = 'scheduled' and not is_recurring and prepare_planned_at is null;
-- What the scheduler looks through for rows that no job works on any more.
create index schedules_in_flight on schedules (updated_at) where status in ('publishing', 'unconfirmed');
create index schedules_planned on schedules (publish_planned_at)
    where status = 'scheduled' and publish_planned_at is not null;

-- Committed before the call that publishes. `open`: the call may be under way or its worker died;
-- `unknown`: it ended without a clear answer. Either keeps everybody else from publishing.
create table publish_intents (
    id                     uuid primary key,
    organization_id        uuid not null references organizations,
    schedule_id            uuid not null references schedules,
    platform_connection_id uuid not null references platform_connections,
    job_id                 uuid not null,
    claim_no               bigint not null,
    text_hash              bytea not null check (length(text_hash) = 32),
    -- The text as it was sent: the version may be edited later, the look-up compares with this.
    text                   text not null,
    media_ids              text[] not null,
    state                  text not null default 'open' check (state in
                               ('open', 'unknown', 'published', 'refused', 'not_sent', 'absent')),
    send_before            timestamptz not null,
    -- After this moment no answer can come any more.
    answer_before          timestamptz not null,
    reason                 text,
    platform_post_id       text,
    platform_post_url      text,
    -- Consecutive look-ups that did not find the post.
    empty_reads            integer not null default 0,
    -- When a person was asked to decide, because no look-up will.
    asked_at               timestamptz,
    opened_at              timestamptz not null default clock_timestamp(),
    closed_at              timestamptz,
    check (state <> 'published' or (platform_post_id is not null and platform_post_url is not null)),
    check ((closed_at is null) = (state in ('open', 'unknown')))
);
create unique index publish_intents_one_open on publish_intents (schedule_id)
    where state in ('open', 'unknown');
create unique index publish_intents_one_text on publish_intents (platform_connection_id, text_hash)
    where state in ('open', 'unknown');
create index publish_intents_by_schedule on publish_intents (schedule_id, opened_at);
create index publish_intents_by_organization on publish_intents (organization_id, opened_at);

create table published_posts (
    id                     uuid primary key,
    organization_id        uuid not null references organizations,
    schedule_id            uuid not null unique references schedules,
    content_version_id     uuid not null references content_versions,
    platform_connection_id uuid not null references platform_connections,
    platform_post_id       text not null,
    platform_post_url      text not null,
    published_at           timestamptz not null,
    deleted_at             timestamptz,
    deleted_by             text,
    metadata               jsonb not null default '{}',
    created_at             timestamptz not null default now(),
    unique (platform_connection_id, platform_post_id)
);
create index published_posts_by_organization on published_posts (organization_id, id);
create index published_posts_by_time on published_posts (organization_id, published_at);
create index published_posts_by_version on published_posts (content_version_id);

-- What the people of an organization must know, in commit order: a reader who shows only rows of
-- transactions below the oldest running one never misses a row that commits late.
create table events (
    seq             bigint generated always as identity primary key,
    xid             xid8 not null default pg_current_xact_id(),
    organization_id uuid not null references organizations,
    type            text not null,
    subject_type    text not null,
    subject_id      uuid not null,
    message         text not null,
    data            jsonb not null default '{}',
    created_at      timestamptz not null default clock_timestamp()
);
create index events_feed on events (organization_id, xid, seq);
create index events_all on events (xid, seq);
create index events_by_subject on events (subject_id, seq);
create index events_by_time on events (created_at);
