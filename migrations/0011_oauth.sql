-- Tokens that are refreshed: by one worker at a time, and never back to older ones.

set local lock_timeout = '5s';

alter table platform_connections
    -- Moves whenever the tokens change. Whoever learned something about a token says which version
    -- it was, so that what is true of an old one does nothing to its successor.
    add column token_version     bigint not null default 1,
    -- Who refreshes, and until when nobody else may.
    add column refresh_owner     uuid,
    add column refresh_until     timestamptz,
    -- When these tokens came: one that lives shorter is refreshed later.
    add column tokens_at         timestamptz not null default now(),
    -- When the network last refused an access token of this grant.
    add column refused_at        timestamptz,
    -- Since when the network may have used up the refresh token without our knowing the next one.
    add column refresh_doubt_at  timestamptz,
    -- The network refused the refresh token after an answer was lost: it is not used again, and the
    -- access token is used to its end.
    add column refresh_spent     boolean not null default false,
    -- For those who may not see the token.
    add column refreshable       boolean not null generated always as (refresh_token is not null) stored,
    add constraint platform_connections_refresh_lease
        check ((refresh_owner is null) = (refresh_until is null));


grant select (id, organization_id, is_active, token_expires_at, tokens_at, token_version,
              refresh_spent, refreshable)
    on platform_connections to ezre_scheduler;
