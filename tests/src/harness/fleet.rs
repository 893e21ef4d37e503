//! A fleet: what runs, and how a test gets one.
//!
//! **Invariant:** nothing of a fleet is bound to the runtime of the test that started it, so that
//! tests may share one.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use simulator::NewApp;
use tempfile::TempDir;

use super::database::Database;
use super::process::{Process, free_port};
use super::processes::Processes;
use super::proxy::Proxy;
use super::servers::{Down, Server, Servers};
use super::setup::{APP, Secrets, Setup, random_hex};
use crate::api::Api;
use crate::wait::{self, PATIENCE};

/// The processes of one fleet and all that they use. Dropped in the order in which it is written
/// here: first whoever uses, then what is used.
#[derive(Debug)]
pub struct Fleet {
    pub(super) processes: Processes,
    simulator: Arc<Process>,
    pub(super) api_url: String,
    pub(super) simulator_url: String,
    /// The way to Postgres, where it can be cut.
    pub postgres: Option<Proxy>,
    /// The way to Redis, where it can be cut.
    pub redis: Option<Proxy>,
    /// The database.
    pub database: Database,
    /// The secrets in play.
    pub secrets: Secrets,
    redis_url: Option<String>,
    pub(super) redis_prefix: String,
    pub(super) setup: Setup,
    pub(super) folder: TempDir,
    /// Servers of its own, where it has them.
    pub servers: Option<Servers>,
}

/// Runs a test on the fleet that is shared by all tests which leave others alone. Each works in an
/// organization and with accounts of its own.
///
/// # Panics
/// When the test fails; the tails of all logs are shown then.
pub async fn shared(test: impl AsyncFnOnce(&Fleet) -> Result<()>) {
    static SHARED: tokio::sync::Mutex<Weak<Fleet>> = tokio::sync::Mutex::const_new(Weak::new());
    let fleet = {
        let mut shared = SHARED.lock().await;
        match shared.upgrade() {
            Some(fleet) => fleet,
            None => {
                // Nobody is killed here, so nobody needs to be declared dead in a hurry.
                let setup = Setup::default().with("LEASE_TTL_MS", "10000");
                let fleet = Arc::new(Fleet::start(setup).await.expect("the shared fleet starts"));
                *shared = Arc::downgrade(&fleet);
                fleet
            }
        }
    };
    attempt(&fleet, test).await;
}

/// Runs a test on a fleet of its own.
///
/// # Panics
/// When the test fails; the tails of all logs are shown then.
pub async fn on(setup: Setup, test: impl AsyncFnOnce(&Fleet) -> Result<()>) {
    let fleet = Fleet::start(setup).await.expect("the fleet starts");
    attempt(&fleet, test).await;
}

async fn attempt(fleet: &Fleet, test: impl AsyncFnOnce(&Fleet) -> Result<()>) {
    let logs = LogsOfAFailure(fleet);
    if let Err(error) = test(fleet).await {
        panic!("{error:?}");
    }
    drop(logs);
}

/// Shows the tails of all logs when a panic passes by.
struct LogsOfAFailure<'a>(&'a Fleet);

impl Drop for LogsOfAFailure<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        #[expect(clippy::print_stderr, reason = "for the person who reads why a test failed")]
        for process in self.0.processes() {
            eprintln!("--- {}\n{}", process.name(), process.tail());
        }
    }
}

impl Fleet {
    /// Starts a fleet, and waits until it can work; one that starts without its servers, until it
    /// listens.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(setup: Setup) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let servers = match setup.own_servers {
            Some(care) => Some(Servers::start(care).await?),
            None => None,
        };
        let (database, redis_url) = match &servers {
            Some(own) => (Database::on(&own.owner_url).await?, own.redis_url.clone()),
            None => (Database::new().await?, redis_url()?),
        };
        let redis_url = setup.has_redis.then_some(redis_url);
        let proxy = |target: &str| Proxy::start(target, !setup.starts_cut);
        let postgres = setup.can_be_cut.then(|| proxy(&database.host())).transpose()?;
        let redis = match &redis_url {
            Some(url) if setup.can_be_cut => Some(proxy(&host_of(url)?)?),
            _ => None,
        };
        let arguments = ["--listen", "127.0.0.1:0"];
        let simulator = Process::start("simulator", folder.path(), "simulator", &arguments, &[])?;
        let simulator_url = format!("http://{}", simulator.address("listening on").await?);
        // Where servers go down and come back, the API does too, and must be found again.
        let port = if servers.is_some() { free_port()? } else { 0 };
        let mut fleet = Self {
            processes: Processes::default(),
            simulator: Arc::new(simulator),
            api_url: format!("http://127.0.0.1:{port}"),
            simulator_url,
            postgres,
            redis,
            database,
            secrets: Secrets::new(),
            redis_url,
            redis_prefix: format!("test-{}", random_hex(6)),
            setup,
            folder,
            servers,
        };
        fleet.simulator().register_key(&fleet.secrets.model_key, "fleet").await?;
        fleet.start_processes().await?;
        Ok(fleet)
    }

    async fn start_processes(&mut self) -> Result<()> {
        if let Some(servers) = self.servers.as_ref().filter(|_| self.setup.starts_down) {
            servers.bring(Server::Postgres, Down::Stopped).await?;
            servers.bring(Server::Redis, Down::Stopped).await?;
        }
        let api = self.spawn_api()?.address("api.listening").await?;
        self.api_url = format!("http://{api}");
        let app = NewApp {
            client_id: APP.to_owned(),
            client_secret: Some(self.secrets.app_secret.clone()),
            redirect_uris: vec![format!("{}/oauth/x/callback", self.api_url)],
        };
        self.simulator().register_app(&app).await?;
        let webhook = format!("{}/webhooks/x", self.api_url);
        self.simulator().set_x_webhook(&webhook, &self.secrets.x_webhook).await?;
        let schedulers: Vec<_> =
            (0..self.setup.schedulers).map(|_| self.spawn_scheduler()).collect::<Result<_>>()?;
        let workers: Vec<_> =
            (0..self.setup.workers).map(|_| self.spawn_worker()).collect::<Result<_>>()?;
        if self.setup.starts_cut || self.setup.starts_down {
            return Ok(());
        }
        self.ready().await?;
        for scheduler in schedulers {
            scheduler.line("scheduler.started").await?;
        }
        for worker in workers {
            worker.line("worker.started").await?;
        }
        Ok(())
    }

    /// Waits until the API can accept work.
    ///
    /// # Errors
    /// When it does not within [`PATIENCE`].
    pub async fn ready(&self) -> Result<()> {
        let api = self.operator();
        wait::until("the API is ready", PATIENCE, async || {
            Ok((api.get("/health/ready").await?.status == 200).then_some(()))
        })
        .await
    }

    /// The live job of this kind that works on a schedule.
    ///
    /// # Errors
    /// When there is none within [`PATIENCE`].
    pub async fn job_of(&self, kind: &str, schedule: &str) -> Result<Value> {
        let operator = self.operator();
        let path = format!("/v1/jobs?kind={kind}&limit=100");
        wait::until(&format!("a {kind} of {schedule}"), PATIENCE, async || {
            let jobs = operator.items(&path).await?;
            Ok(jobs.into_iter().find(|job| job["args"]["scheduleId"] == schedule))
        })
        .await
    }

    /// The API, for an operator.
    pub fn operator(&self) -> Api {
        Api::new(&self.api_url, &self.secrets.operator_token)
    }

    /// The simulator's control.
    pub fn simulator(&self) -> simulator::Client {
        simulator::Client::new(&self.simulator_url)
    }

    /// Deletes all of this fleet's keys from Redis; tells how many there were.
    ///
    /// # Errors
    /// When there is no Redis.
    pub async fn empty_redis(&self) -> Result<usize> {
        let bell = bell::Bell::connect(self.redis_url.as_deref(), &self.redis_prefix)?;
        wait::until("Redis is emptied", Duration::from_secs(5), async || {
            Ok(bell.forget_all().await.ok())
        })
        .await
    }

    /// The folder of the logs.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Redis as the processes reach it.
    pub(super) fn redis_url_for_processes(&self) -> Result<Option<String>> {
        match (&self.redis_url, &self.redis) {
            (Some(url), Some(proxy)) => by_way_of(url, proxy).map(Some),
            (url, _) => Ok(url.clone()),
        }
    }

    /// Every process, the simulator first.
    fn processes(&self) -> Vec<Arc<Process>> {
        let mut all = vec![Arc::clone(&self.simulator)];
        all.extend(self.processes.all());
        all
    }

    /// All that the processes have written, by the process' name.
    pub fn logs(&self) -> Vec<(String, String)> {
        let log = |process: &Arc<Process>| (process.name().to_owned(), process.log());
        self.processes().iter().map(log).collect()
    }
}

fn redis_url() -> Result<String> {
    std::env::var("TEST_REDIS_URL").context("TEST_REDIS_URL names no Redis (bin/test starts one)")
}

fn host_of(url: &str) -> Result<String> {
    let url = reqwest::Url::parse(url).context("the URL of Redis")?;
    Ok(format!("{}:{}", url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(6379)))
}

fn by_way_of(url: &str, proxy: &Proxy) -> Result<String> {
    let proxy = proxy.address();
    let mut url = reqwest::Url::parse(url).context("the URL of Redis")?;
    url.set_host(Some(&proxy.ip().to_string())).context("the proxy's address")?;
    url.set_port(Some(proxy.port())).map_err(|()| anyhow!("the URL of Redis takes no port"))?;
    Ok(url.to_string())
}
