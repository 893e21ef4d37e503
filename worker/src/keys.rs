//! `worker keys rotate`: seals every token with the current key, while the fleet runs.
//!
//! **Invariant:** a token is replaced only by itself, sealed with another key.

use anyhow::Context;
use secrecy::ExposeSecret;
use std::time::Duration;

use crate::accounts::tokens::{access_token_at, refresh_token_at};
use boot::WorkerConfig;
use seal::{Aad, Sealed, TokenKeys};
use store::connections::keys::{Stored, reseal, stored};
use store::{Login, Store};

/// How many accounts are looked at together.
const PAGE: i64 = 200;
/// How often all accounts are looked through, until a look finds nothing to do: a worker that was
/// started with other keys may seal with them meanwhile.
const LOOKS: usize = 5;
/// How long after a look that found something the next one comes.
const PAUSE: Duration = Duration::from_secs(1);

/// What a look through all accounts found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    /// Sealed with the current key already.
    current: usize,
    /// Sealed with it now.
    resealed: usize,
    /// Changed by somebody else just now.
    changed: usize,
    /// Not to be opened with any key of this process.
    unreadable: usize,
}

/// Seals every token with the current key.
///
/// # Errors
/// When the database or the keys refuse, or tokens are left that another key sealed.
pub(crate) async fn rotate() -> anyhow::Result<()> {
    let config = boot::or_exit(WorkerConfig::from_env());
    let _telemetry = boot::telemetry::start(boot::Process::Worker, &config.log)?;
    let keys = TokenKeys::parse(&config.token_keys).context("TOKEN_KEYS")?;
    let store = Store::new(config.database_url.expose_secret(), Login::Worker, 1)?;
    store.verify_when_up().await.context("the database refuses this worker")?;
    let mut look = Look::default();
    for _ in 0..LOOKS {
        look = look_through(&store, &keys).await?;
        tracing::info!(
            current = look.current,
            resealed = look.resealed,
            changed = look.changed,
            unreadable = look.unreadable,
            "keys.rotated"
        );
        if look.resealed + look.changed == 0 {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::ensure!(look.unreadable == 0, "{} accounts cannot be read", look.unreadable);
    anyhow::ensure!(
        look.resealed + look.changed == 0,
        "another worker still seals with an old key: give every worker the new one, then repeat"
    );
    Ok(())
}

async fn look_through(store: &Store, keys: &TokenKeys) -> anyhow::Result<Look> {
    let mut look = Look::default();
    let mut after = None;
    loop {
        let mut conn = store.single().await?;
        let page = stored(&mut conn, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(look) };
        after = Some(last.id);
        for old in &page {
            match resealed(keys, old) {
                Ok(None) => look.current += 1,
                Ok(Some(new)) if reseal(&mut conn, old, &new).await? => look.resealed += 1,
                Ok(Some(_)) => look.changed += 1,
                Err(error) => {
                    tracing::error!(connection.id = %old.id, %error, "a token does not open");
                    look.unreadable += 1;
                }
            }
        }
    }
}

/// The tokens under the current key; `None` when they are already.
fn resealed(keys: &TokenKeys, old: &Stored) -> Result<Option<Stored>, seal::Error> {
    let access = anew(keys, old.access.as_deref(), &access_token_at(old.id))?;
    let refresh = anew(keys, old.refresh.as_deref(), &refresh_token_at(old.id))?;
    if access.is_none() && refresh.is_none() {
        return Ok(None);
    }
    Ok(Some(Stored {
        id: old.id,
        access: access.or_else(|| old.access.clone()),
        refresh: refresh.or_else(|| old.refresh.clone()),
    }))
}

/// A token under the current key; `None` when it is already, or there is none.
fn anew(
    keys: &TokenKeys,
    sealed: Option<&str>,
    place: &Aad,
) -> Result<Option<String>, seal::Error> {
    let Some(sealed) = sealed else { return Ok(None) };
    let sealed: Sealed = sealed.parse()?;
    if keys.is_current(&sealed) {
        return Ok(None);
    }
    Ok(Some(keys.seal(&keys.open(&sealed, place)?, place).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::ConnectionId;
    use secrecy::SecretString;

    fn keys(entries: &[&str]) -> TokenKeys {
        TokenKeys::parse(&entries.join(",").into()).expect("a good setting")
    }

    fn entry(id: &str) -> String {
        format!("{id}:{}", seal::generate_key().expose_secret())
    }

    #[test]
    fn what_an_old_key_sealed_the_new_one_opens_afterwards() {
        let (one, two) = (entry("k1"), entry("k2"));
        let (old, both, new) = (keys(&[&one]), keys(&[&two, &one]), keys(&[&two]));
        let id = ConnectionId::new();
        let seal = |keys: &TokenKeys, token: &str, place: Aad| {
            Some(keys.seal(&SecretString::from(token), &place).to_string())
        };
        let before = Stored {
            id,
            access: seal(&both, "access", access_token_at(id)),
            refresh: seal(&old, "refresh", refresh_token_at(id)),
        };
        let after = resealed(&both, &before).expect("it opens").expect("one is old");
        assert_eq!(after.access, before.access, "already under the new key");
        let refresh: Sealed = after.refresh.as_deref().expect("stays").parse().expect("sealed");
        let opened = new.open(&refresh, &refresh_token_at(id)).expect("the old key can go");
        assert_eq!(opened.expose_secret(), "refresh");
        assert!(resealed(&both, &after).expect("it opens").is_none(), "nothing is left to do");
        assert!(resealed(&new, &before).is_err(), "the old key is still needed");
        let nothing = Stored { id, access: None, refresh: None };
        assert!(resealed(&new, &nothing).expect("nothing to open").is_none());
    }
}
