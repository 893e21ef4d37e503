-- A paused account says who paused it, and is found without looking at every closed key.

set local lock_timeout = '5s';

-- The person, and the organization they act for; null for an operator. Unknown for what a network
-- closed, and for accounts that were paused before these columns were there.
alter table closed_keys add column closed_by text, add column organization_id uuid;

-- Only a person closes a key with no end.
create index closed_keys_paused on closed_keys (closed_at) where until > '9000-01-01 00:00:00+00';
