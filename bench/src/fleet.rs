//! The real scheduler and the real worker.
//!
//! **Invariant:** they run with the settings that they have by default.

use anyhow::Result;

use crate::api::KEY;
use crate::child::{PREFIX, Process};
use crate::servers::{Database, Servers};
use store::Login;

/// Keys of the worker that are not those that travel.
const TOKEN_KEYS: &str = "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn shared(
    servers: &Servers,
    database: &Database,
    login: Login,
    variable: &'static str,
) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        (variable, database.url(Some(login))?),
        ("REDIS_URL", servers.redis.clone()),
        ("REDIS_PREFIX", PREFIX.to_owned()),
        ("METRICS_LISTEN", "127.0.0.1:0".to_owned()),
    ])
}

/// Starts a scheduler.
pub(crate) fn scheduler(servers: &Servers, database: &Database) -> Result<Process> {
    let environment = shared(servers, database, Login::Scheduler, "SCHEDULER_DATABASE_URL")?;
    Process::start_own("scheduler", &environment)
}

/// Starts a worker, and waits until it works.
pub(crate) async fn worker(servers: &Servers, database: &Database) -> Result<Process> {
    let mut environment = shared(servers, database, Login::Worker, "WORKER_DATABASE_URL")?;
    let media = std::env::temp_dir().join("bench-media");
    environment.extend([
        ("MEDIA_STORE", format!("local:{}", media.display())),
        ("TRAVEL_KEYS", KEY.to_owned()),
        ("TOKEN_KEYS", TOKEN_KEYS.to_owned()),
    ]);
    let mut worker = Process::start_own("worker", &environment)?;
    worker.line("worker.started").await?;
    Ok(worker)
}
