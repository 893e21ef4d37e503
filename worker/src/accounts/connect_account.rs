//! `connection.connect`: the code that came back from a consent page becomes an account's tokens.
//!
//! The exchange and what follows it are shielded: a code is good once, and for seconds. Whatever is
//! late or unclear is answered with "connect it again", which costs a click.
//!
//! **Invariant:** tokens without the rights that publishing needs are ended at the network and not
//! stored.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use std::sync::Arc;
use url::Url;

use super::store_account::{Granted, identify, store_account, unsealed};
use super::tokens::end_at_network;
use crate::fleet::Fleet;
use crate::run::{Answer, Run, failed};
use connectors::{GrantError, Tokens};
use jobs::kinds::{ConnectAccount, ConnectedAccount};
use jobs::{Code, Failure, Problem, Wait};
use platforms::{ErrorClass, Platform};

/// Connects an account, or connects it again.
pub(crate) async fn connect_account(run: Run<ConnectAccount>) -> Answer<ConnectAccount> {
    let args = &run.args;
    let platform = args.platform;
    let code = unsealed(&run, "code", &args.code)?;
    let verifier = unsealed(&run, "verifier", &args.verifier)?;
    let redirect_url = args.redirect_url.parse::<Url>().map_err(|error| {
        Failure::Dead(Problem::argument("redirectUrl", format!("not an address: {error}")))
    })?;
    if run.fleet.oauth(platform).is_none() {
        let message = format!("Our app is not set up for {}.", platform.display_name());
        return Err(Failure::Dead(Problem::new(Code::PlatformRefused, message).at("platform")));
    }
    let mut tx = run.begin().await?;
    let now = store::now(&mut tx).await.map_err(failed)?;
    drop(tx);
    in_time(platform, args.issued_at, now)?;
    // From here on to the end: a code is good once.
    let _shield = run.stop.shield();
    let exchanging = exchange(run.fleet.clone(), platform, code, verifier, redirect_url);
    let tokens = run.shielded(exchanging).await.unwrap_or_else(|error| {
        tracing::error!(%error, "an exchange broke off");
        Err(GrantError::Lost { reason: "the exchange broke off".to_owned() })
    });
    let tokens = match tokens {
        Ok(tokens) => tokens,
        Err(error) => {
            let mut tx = run.begin().await?;
            let now = store::now(&mut tx).await.map_err(failed)?;
            return Err(unconnected(platform, error, now));
        }
    };
    let granted = match granted(platform, &tokens, now) {
        Ok(granted) => granted,
        Err(problem) => {
            end_tokens(&run.fleet, platform, &tokens).await;
            return Err(Failure::Dead(problem));
        }
    };
    let account = match identify(&run, platform, &granted.access).await {
        Ok(account) => account,
        Err(failure) => {
            end_tokens(&run.fleet, platform, &tokens).await;
            // The code is used up: another attempt has nothing to exchange.
            return Err(match failure {
                Failure::Retry(problem) => Failure::Dead(again(platform, &problem.message)),
                Failure::Snooze { why, .. } => Failure::Dead(again(platform, &why.message)),
                failure => failure,
            });
        }
    };
    let mut tx = run.begin().await?;
    let placed = store_account(&run, &mut tx, &account, &granted).await?;
    let output = ConnectedAccount {
        connection_id: placed.id,
        account_id: account.id,
        account_name: account.username,
        scopes: granted.scopes,
        reconnected: !placed.is_new,
        also_in_another_organization: placed.elsewhere,
    };
    run.end(tx, &output).await
}

fn again(platform: Platform, why: &str) -> Problem {
    let network = platform.display_name();
    Problem::new(
        Code::Unavailable,
        format!("The account could not be connected: {why}. Connect it again at {network}."),
    )
}

/// Whether the code can still be good.
fn in_time(
    platform: Platform,
    issued_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let life = TimeDelta::from_std(platform.code_life()).unwrap_or(TimeDelta::seconds(30));
    if now - issued_at <= life {
        return Ok(());
    }
    Err(Failure::Dead(
        again(platform, "the network's code was too old before it was used").at("code"),
    ))
}

async fn exchange(
    fleet: Arc<Fleet>,
    platform: Platform,
    code: SecretString,
    verifier: SecretString,
    redirect_url: Url,
) -> Result<Tokens, GrantError> {
    match fleet.oauth(platform) {
        Some(oauth) => oauth.exchange(&code, &verifier, &redirect_url).await,
        None => Err(GrantError::NotSent { reason: "our app is not set up for it".to_owned() }),
    }
}

/// What it means that a code brought no tokens.
fn unconnected(platform: Platform, error: GrantError, now: DateTime<Utc>) -> Failure {
    let network = platform.display_name();
    match error {
        GrantError::NotSent { reason } => {
            Failure::Retry(again(platform, &format!("the network was not reached: {reason}")))
        }
        GrantError::Dead(refusal) => {
            let why = format!("{network} does not take the code: {}", refusal.message);
            Failure::Dead(Problem { code: Code::PlatformRefused, ..again(platform, &why) })
        }
        GrantError::Refused(refusal) => match (refusal.class, refusal.closed) {
            (ErrorClass::RateLimited | ErrorClass::Quota, Some(closed)) => {
                let message = format!("{network} wants no more calls for now");
                let until = closed.until(now);
                let key = Some(closed.key);
                let why = Wait { code: "rate_limited".to_owned(), message, key };
                Failure::Snooze { until, why, close: true }
            }
            (class, _) => {
                if class == ErrorClass::Config {
                    tracing::error!(refusal.message, "our app is set up wrongly at the network");
                }
                let why = format!("{network} says: {}", refusal.message);
                Failure::Dead(Problem { code: Code::PlatformRefused, ..again(platform, &why) })
            }
        },
        GrantError::Failed { reason } | GrantError::Lost { reason } => {
            Failure::Dead(again(platform, &format!("the network gave no clear answer ({reason})")))
        }
    }
}

/// The tokens, if they allow what we need.
fn granted(platform: Platform, tokens: &Tokens, now: DateTime<Utc>) -> Result<Granted, Problem> {
    let asked = platform.scopes().iter().map(|scope| (*scope).to_owned());
    let scopes = tokens.scopes.clone().unwrap_or_else(|| asked.collect());
    let missing: Vec<&str> = platform
        .scopes()
        .iter()
        .copied()
        .filter(|needed| !scopes.iter().any(|scope| scope == needed))
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "The account was not connected: these rights were not given: {}. Connect it again and allow them.",
            missing.join(", ")
        );
        return Err(Problem::new(Code::Forbidden, message).at("scopes"));
    }
    let expires_at = tokens
        .expires_in
        .and_then(|length| TimeDelta::from_std(length).ok())
        .map(|length| now + length);
    Ok(Granted {
        platform,
        access: tokens.access.clone(),
        refresh: tokens.refresh.clone(),
        expires_at,
        scopes,
    })
}

async fn end_tokens(fleet: &Arc<Fleet>, platform: Platform, tokens: &Tokens) {
    let token = tokens.refresh.as_ref().unwrap_or(&tokens.access).clone();
    end_at_network(fleet.clone(), platform, token).await;
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "tests")]

    use super::*;
    use connectors::Refusal;

    const X: Platform = Platform::Twitter;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
    }

    #[test]
    fn a_code_is_taken_for_as_long_as_the_network_takes_it() {
        assert_eq!(in_time(X, now() - TimeDelta::seconds(30), now()), Ok(()));
        let Err(Failure::Dead(late)) = in_time(X, now() - TimeDelta::seconds(31), now()) else {
            panic!("too late");
        };
        assert!(late.message.contains("Connect it again"), "{}", late.message);
    }

    #[test]
    fn what_is_unclear_is_connected_again_and_what_was_not_sent_is_tried_again() {
        let reason = || "reset".to_owned();
        let failure = unconnected(X, GrantError::NotSent { reason: reason() }, now());
        assert!(matches!(failure, Failure::Retry(_)));
        for error in
            [GrantError::Lost { reason: reason() }, GrantError::Failed { reason: reason() }]
        {
            assert!(matches!(unconnected(X, error, now()), Failure::Dead(_)));
        }
        let refusal = Refusal {
            class: ErrorClass::AuthReconnect,
            status: 400,
            message: "Value passed for the authorization code was invalid.".into(),
            closed: None,
        };
        let failure = unconnected(X, GrantError::Dead(refusal), now());
        assert!(matches!(failure, Failure::Dead(problem) if problem.code == Code::PlatformRefused));
    }

    #[test]
    fn rights_that_were_not_given_are_named() {
        let tokens = |scopes: &[&str]| Tokens {
            access: "a".to_owned().into(),
            refresh: None,
            expires_in: Some(std::time::Duration::from_secs(7200)),
            scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        };
        let all = granted(X, &tokens(X.scopes()), now()).expect("all that is needed");
        assert_eq!(all.expires_at, Some(now() + TimeDelta::hours(2)));
        let problem = granted(X, &tokens(&["users.read", "tweet.read"]), now()).expect_err("few");
        assert!(problem.message.contains("tweet.write, media.write"), "{}", problem.message);
    }
}
