//! A process with the wrong login does not start.

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Database, Login, Process, Secrets};
use fleet_tests::wait::PATIENCE;

/// Starts a program with this URL in place of its own, and checks that it ends and says why.
async fn refuses(program: &str, login: Login, url: &str, why: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut environment = Secrets::new().environment(folder.path());
    environment.push((login.variable().to_owned(), url.to_owned()));
    let process = Process::start(program, folder.path(), program, &[], &environment)?;
    let status = process.end(PATIENCE).await.context(process.tail())?;
    ensure!(!status.success(), "{program} ended well");
    let log = process.log();
    ensure!(log.contains(why) && log.contains(login.role()), "{program} does not say why: {log}");
    let password = url.split(':').nth(2).and_then(|rest| rest.split('@').next()).unwrap();
    ensure!(!log.contains(password), "{program} shows a password");
    Ok(())
}

#[tokio::test]
async fn no_process_starts_as_owner_or_superuser_or_as_another() -> Result<()> {
    let database = Database::new().await?;
    let programs =
        [("api-lite", Login::Api), ("scheduler", Login::Scheduler), ("worker", Login::Worker)];
    for (program, login) in programs {
        let owner = database.url(Login::Owner, None)?;
        refuses(program, login, &owner, "owns tables").await?;
        if let Some(superuser) = database.superuser_url() {
            refuses(program, login, &superuser, "may do everything").await?;
        }
        for other in Login::PROCESSES.into_iter().filter(|other| *other != login) {
            let url = database.url(other, None)?;
            refuses(program, login, &url, "not this process' own").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_process_starts_on_a_database_without_the_schema() -> Result<()> {
    let database = Database::empty().await?;
    for (program, login) in [("scheduler", Login::Scheduler), ("worker", Login::Worker)] {
        let folder = tempfile::tempdir()?;
        let mut environment = Secrets::new().environment(folder.path());
        environment.push((login.variable().to_owned(), database.url(login, None)?));
        let process = Process::start(program, folder.path(), program, &[], &environment)?;
        let status = process.end(PATIENCE).await?;
        ensure!(
            !status.success() && process.log().contains("scheduler migrate"),
            "{}",
            process.log()
        );
    }
    Ok(())
}
