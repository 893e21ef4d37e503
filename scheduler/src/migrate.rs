//! The release step: `scheduler migrate`.
//!
//! **Invariant:** the only place that logs in as the owner.

use anyhow::Context;
use boot::MigrateConfig;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use store::Login;

pub(crate) async fn migrate() -> anyhow::Result<()> {
    let config = boot::or_exit(MigrateConfig::from_env());
    boot::telemetry::start(boot::Process::Migrate, &config.log)?;
    let logins = [
        (Login::Api, &config.api_database_url),
        (Login::Scheduler, &config.scheduler_database_url),
        (Login::Worker, &config.worker_database_url),
    ];
    let mut passwords = Vec::new();
    for (login, url) in logins {
        if let Some(password) = url.as_ref().map(|url| password(login, url)).transpose()?.flatten()
        {
            passwords.push((login, password));
        }
    }
    store::migrate::migrate(config.database_url.expose_secret(), &passwords)
        .await
        .context("cannot migrate")?;
    tracing::info!(logins = passwords.len(), "schema.migrated");
    Ok(())
}

/// The password in a process' URL, whose user must be that process' login.
fn password(login: Login, url: &SecretString) -> anyhow::Result<Option<String>> {
    let url = Url::parse(url.expose_secret())
        .map_err(|_| anyhow::anyhow!("the database URL of {} cannot be read", login.role()))?;
    anyhow::ensure!(
        url.username() == login.role(),
        "the database URL of {} names another user: {}",
        login.role(),
        url.username()
    );
    url.password()
        .map(|password| {
            percent_encoding::percent_decode_str(password)
                .decode_utf8()
                .map(|password| password.into_owned())
                .context("the password of a database URL is not UTF-8")
        })
        .transpose()
}
