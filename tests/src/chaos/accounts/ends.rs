//! What became of the accounts of a round.
//!
//! **Invariant:** an account is good only when a post on it is at the network, once; it is asked for
//! by that post and not by what the tables say.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use simulator::{Entry, Note};
use sqlx::Row as _;

use super::fates::{Accounts, End, Seen};
use super::round::Round;
use super::tally::Tally;
use crate::harness::{Account, Planned};

const SETTLE: Duration = Duration::from_secs(60);
/// How soon a post is due.
const SOON_MS: i64 = 2_000;

/// Accounts whose tokens somebody still works on.
const MOVING: &str =
    "select count(*) from platform_connections c where c.id = any ($1::uuid[]) and (
        exists (select from jobs j where j.kind = 'connection.refresh'
                and j.args ->> 'connectionId' = c.id::text)
        or c.is_active and not c.refresh_spent
           and (c.refresh_owner is not null or c.token_expires_at < now() + interval '1 hour'))";
const STATES: &str = "select id::text, is_active, refresh_spent, coalesce(inactive_reason, '')
    from platform_connections where id = any ($1::uuid[])";
/// Posts that have not come to an end, of accounts that can be used.
const ON_THEIR_WAY: &str = "select count(*) from schedules s
    join platform_connections c on c.id = s.platform_connection_id
    where s.id = any ($1::uuid[]) and c.is_active
      and s.status in ('scheduled', 'publishing', 'unconfirmed')";
const UNPUBLISHED: &str = "select count(*) from schedules
    where id = any ($1::uuid[]) and status <> 'published'";
const USABLE: &str =
    "select count(*) from platform_connections where id = any ($1::uuid[]) and is_active";

/// What the tables say of an account.
struct State {
    is_active: bool,
    is_spent: bool,
    reason: String,
}

impl Round<'_> {
    /// Waits for the end of everything, and adds what became of it.
    pub(crate) async fn ends(&self, tally: &mut Tally) -> Result<()> {
        let (accounts, generated) = tokio::try_join!(self.accounts(), self.generated())?;
        let dead = super::generated::dead(self.stage).await? - self.before.dead;
        tally.add(self.plan, accounts, generated, dead);
        Ok(())
    }

    async fn accounts(&self) -> Result<Accounts> {
        let (scene, all) = (&self.stage.scene, &self.stage.accounts);
        let every: Vec<&Account> = all.iter().collect();
        let mut posts = Vec::new();
        if !self.plan.lives {
            posts = self.posts(&every, SOON_MS).await?;
        }
        scene.see_within(SETTLE, MOVING, &self.ids, 0).await?;
        if self.plan.lives {
            // With the tokens that there are by now.
            posts = self.posts(&every, SOON_MS).await?;
        }
        scene.see_within(SETTLE, ON_THEIR_WAY, &ids(&posts), 0).await?;
        let states = self.states().await?;
        let is = |of: fn(&State) -> bool| {
            all.iter().zip(&states).filter(move |(_, state)| of(state)).map(|(account, _)| account)
        };
        // These work until their access token ends: it does now, and one more post waits for them.
        let working: Vec<&Account> = is(|state| state.is_active && state.is_spent).collect();
        if !working.is_empty() {
            posts.extend(self.posts(&working, SOON_MS).await?);
            self.tokens_have_ended(working.iter().copied()).await?;
            scene.see_within(SETTLE, USABLE, &connections(&working), 0).await?;
        }
        let states = self.states().await?;
        let lost: Vec<&Account> = all
            .iter()
            .zip(&states)
            .filter(|(_, state)| !state.is_active)
            .map(|(account, _)| account)
            .collect();
        try_join_all(lost.iter().map(|account| self.connect_again(account))).await?;
        scene.see_within(SETTLE, UNPUBLISHED, &ids(&posts), 0).await?;
        let mut accounts = Accounts::default();
        for (account, state) in all.iter().zip(&states) {
            let end = if state.is_active { End::Kept } else { End::Asked(state.reason.clone()) };
            let seen = self.seen(account, &posts).await?;
            accounts.add(self.plan, end, seen);
        }
        Ok(accounts)
    }

    async fn posts(&self, on: &[&Account], ms: i64) -> Result<Vec<Planned>> {
        let mark = format!("Round {}:", self.nth);
        let wanted: Vec<_> = on.iter().map(|account| (mark.as_str(), *account, 0)).collect();
        self.stage.scene.tenant.plan_together(&wanted, ms).await
    }

    async fn connect_again(&self, account: &Account) -> Result<()> {
        let outcome = self.stage.scene.tenant.person().consent(&account.username).await?;
        ensure!(outcome.get("reconnected").is_some_and(|is| is == "true"), "{outcome:?}");
        ensure!(outcome.get("connectionId") == Some(&account.connection), "{outcome:?}");
        Ok(())
    }

    async fn states(&self) -> Result<Vec<State>> {
        let rows = self.stage.scene.eyes.rows(STATES, &self.ids).await?;
        let state = |id: &String| {
            let row = rows.iter().find(|row| row.get::<&str, _>(0) == id);
            let row = row.with_context(|| format!("no connection {id}"))?;
            Ok(State { is_active: row.get(1), is_spent: row.get(2), reason: row.get(3) })
        };
        self.ids.iter().map(state).collect()
    }

    /// What the network had of an account, and what its people were told.
    async fn seen(&self, account: &Account, planned: &[Planned]) -> Result<Seen> {
        let scene = &self.stage.scene;
        let grants = scene.network.grants().await?;
        let is_mine =
            |name: &str| grants.iter().any(|grant| grant.id == name && grant.user_id == account.id);
        let refreshes = |accepted: bool| {
            move |entry: &&Entry| match &entry.note {
                Some(Note::Token { grant_type, grant: Some(grant), refused, .. }) => {
                    grant_type == "refresh_token" && refused.is_none() == accepted && is_mine(grant)
                }
                _ => false,
            }
        };
        let journal = scene.network.journal(self.before.request).await?;
        let at_network = scene.network.posts(&account.id).await?;
        let mine = planned.iter().filter(|post| post.username == account.username);
        let posts = mine
            .map(|planned| at_network.iter().filter(|post| post.text == planned.text).count())
            .collect();
        let told = async |event: &str| {
            let sql = format!(
                "select count(*) from events where subject_id = any ($1::uuid[])
                 and seq > {} and type = 'connection.{event}'",
                self.before.event
            );
            scene.eyes.number(&sql, std::slice::from_ref(&account.connection)).await
        };
        Ok(Seen {
            accepted: journal.iter().filter(refreshes(true)).count(),
            refused: journal.iter().filter(refreshes(false)).count(),
            posts,
            told_soon: told("reconnect_soon").await?,
            told_needed: told("reconnect_needed").await?,
        })
    }
}

fn ids(planned: &[Planned]) -> Vec<String> {
    planned.iter().map(|planned| planned.id.clone()).collect()
}

fn connections(accounts: &[&Account]) -> Vec<String> {
    accounts.iter().map(|account| account.connection.clone()).collect()
}
