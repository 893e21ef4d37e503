-- Organizations, their API keys and their connected accounts.

create table organizations (
    id                         uuid primary key,
    name                       text not null check (name <> ''),
    slug                       text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    plan                       text not null default 'starter' check (plan in ('starter', 'pro', 'business')),
    timezone                   text not null default 'UTC',
    stripe_customer_id         text unique,
    stripe_subscription_id     text unique,
    stripe_subscription_status text,
    created_at                 timestamptz not null default now(),
    updated_at                 timestamptz not null default now()
);
create index organizations_by_status on organizations (stripe_subscription_status);
create index organizations_by_time on organizations (created_at);

create table api_keys (
    id                    uuid primary key,
    organization_id       uuid not null references organizations,
    name                  text not null check (name <> ''),
    -- The first characters of the key, so that people can tell keys apart.
    prefix                text not null,
    secret_hash           bytea not null unique check (length(secret_hash) = 32),
    scopes                text[] not null,
    rate_limit_per_minute integer check (rate_limit_per_minute > 0),
    created_by            text not null,
    created_at            timestamptz not null default now(),
    revoked_at            timestamptz,
    revoked_by            text
);
create index api_keys_by_organization on api_keys (organization_id, id);

create table platform_connections (
    id               uuid primary key,
    organization_id  uuid not null references organizations,
    platform         text not null,
    account_id       text not null,
    account_name     text not null,
    -- Sealed: `v1.<key id>.<nonce and ciphertext>`, bound to this row.
    access_token     text,
    refresh_token    text,
    token_expires_at timestamptz,
    is_active        boolean not null default true,
    -- Why an inactive connection is inactive, for people.
    inactive_reason  text,
    scopes           text[] not null default '{}',
    metadata         jsonb not null default '{}',
    created_by       text not null,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    unique (organization_id, platform, account_id),
    check (is_active = (inactive_reason is null)),
    check (not is_active or access_token is not null)
);
create index platform_connections_by_status on platform_connections (organization_id, is_active);
create index platform_connections_by_platform on platform_connections (platform, account_id);
create index platform_connections_by_time on platform_connections (organization_id, created_at);
create index platform_connections_by_expiry on platform_connections (token_expires_at) where is_active;
