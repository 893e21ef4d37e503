//! A fleet: what runs, and how a test gets one.
//!
//! **Invariant:** nothing of a fleet is bound to the runtime of the test that started it, so that
//! tests may share one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::database::{Database, Login};
use super::process::Process;
use super::proxy::Proxy;
use super::setup::{Secrets, Setup, random_hex};
use crate::api::Api;
use crate::wait::{self, PATIENCE};

/// The processes of one fleet and all that they use. Dropped in the order in which it is written
/// here: first whoever uses, then what is used.
#[derive(Debug)]
pub struct Fleet {
    workers: Mutex<Vec<Arc<Process>>>,
    schedulers: Mutex<Vec<Arc<Process>>>,
    api: Process,
    simulator: Process,
    api_url: String,
    simulator_url: String,
    /// The way to Postgres, where it can be cut.
    pub postgres: Option<Proxy>,
    /// The way to Redis, where it can be cut.
    pub redis: Option<Proxy>,
    /// The database.
    pub database: Database,
    /// The secrets in play.
    pub secrets: Secrets,
    redis_url: Option<String>,
    redis_prefix: String,
    setup: Setup,
    folder: TempDir,
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
            eprintln!("--- {}\n{}", process.name, process.tail);
        }
    }
}

/// The end of a process' log.
struct Tail {
    name: String,
    tail: String,
}

impl Fleet {
    /// Starts a fleet, and waits until it can work; one that starts cut off, until it listens.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(setup: Setup) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::new().await?;
        let redis_url = setup.has_redis.then(redis_url).transpose()?;
        let proxy = |target: &str| Proxy::start(target, !setup.starts_cut);
        let postgres = setup.can_be_cut.then(|| proxy(&database.host())).transpose()?;
        let redis = match &redis_url {
            Some(url) if setup.can_be_cut => Some(proxy(&host_of(url)?)?),
            _ => None,
        };
        let secrets = Secrets::new();
        let simulator = Process::start(
            "simulator",
            folder.path(),
            "simulator",
            &["--listen", "127.0.0.1:0"],
            &[],
        )?;
        let simulator_url = format!("http://{}", simulator.address("listening on").await?);
        let redis_prefix = format!("test-{}", random_hex(6));
        let ways = Ways {
            postgres: postgres.as_ref().map(Proxy::address),
            redis_url: match (&redis_url, &redis) {
                (Some(url), Some(proxy)) => Some(by_way_of(url, proxy.address())?),
                (url, _) => url.clone(),
            },
        };
        let mut environment = ways.environment(&setup, &redis_prefix);
        environment.extend(secrets.environment_of(Login::Api, folder.path()));
        let url = database.url(Login::Api, ways.postgres)?;
        environment.push((Login::Api.variable().to_owned(), url));
        let api = Process::start("api", folder.path(), "api-lite", &[], &environment)?;
        let mut fleet = Self {
            workers: Mutex::default(),
            schedulers: Mutex::default(),
            api,
            simulator,
            api_url: String::new(),
            simulator_url,
            postgres,
            redis,
            database,
            secrets,
            redis_url,
            redis_prefix,
            setup,
            folder,
        };
        let schedulers: Vec<_> =
            (0..fleet.setup.schedulers).map(|_| fleet.spawn_scheduler()).collect::<Result<_>>()?;
        let workers: Vec<_> =
            (0..fleet.setup.workers).map(|_| fleet.spawn_worker()).collect::<Result<_>>()?;
        fleet.api_url = format!("http://{}", fleet.api.address("api.listening").await?);
        if !fleet.setup.starts_cut {
            fleet.ready().await?;
            for scheduler in schedulers {
                scheduler.line("scheduler.started").await?;
            }
            for worker in workers {
                worker.line("worker.started").await?;
            }
        }
        Ok(fleet)
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

    fn ways(&self) -> Result<Ways> {
        Ok(Ways {
            postgres: self.postgres.as_ref().map(Proxy::address),
            redis_url: match (&self.redis_url, &self.redis) {
                (Some(url), Some(proxy)) => Some(by_way_of(url, proxy.address())?),
                (url, _) => url.clone(),
            },
        })
    }

    fn spawn_scheduler(&self) -> Result<Arc<Process>> {
        let mut schedulers = self.schedulers.lock().unwrap_or_else(PoisonError::into_inner);
        let ways = self.ways()?;
        let mut environment = ways.environment(&self.setup, &self.redis_prefix);
        let url = self.database.url(Login::Scheduler, ways.postgres)?;
        environment.extend(self.secrets.environment_of(Login::Scheduler, self.folder.path()));
        environment.push((Login::Scheduler.variable().to_owned(), url));
        let name = format!("scheduler.{}", schedulers.len() + 1);
        let folder = self.folder.path();
        let process = Arc::new(Process::start(&name, folder, "scheduler", &[], &environment)?);
        schedulers.push(Arc::clone(&process));
        Ok(process)
    }

    fn spawn_worker(&self) -> Result<Arc<Process>> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let ways = self.ways()?;
        let mut environment = ways.environment(&self.setup, &self.redis_prefix);
        let name = format!("worker.{}", workers.len() + 1);
        let url = self.database.url(Login::Worker, ways.postgres)?;
        environment.extend(self.secrets.environment_of(Login::Worker, self.folder.path()));
        environment.extend([
            ("WORKER_NAME".to_owned(), name.clone()),
            ("X_API_URL".to_owned(), self.simulator_url.clone()),
            (Login::Worker.variable().to_owned(), url),
        ]);
        let folder = self.folder.path();
        let process = Arc::new(Process::start(&name, folder, "worker", &[], &environment)?);
        workers.push(Arc::clone(&process));
        Ok(process)
    }

    /// Starts one more worker, and waits until it works.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start_worker(&self) -> Result<Arc<Process>> {
        let worker = self.spawn_worker()?;
        worker.line("worker.started").await?;
        Ok(worker)
    }

    /// Starts one more scheduler, and waits until it works.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start_scheduler(&self) -> Result<Arc<Process>> {
        let scheduler = self.spawn_scheduler()?;
        scheduler.line("scheduler.started").await?;
        Ok(scheduler)
    }

    /// Every worker that was started, in this order.
    pub fn workers(&self) -> Vec<Arc<Process>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every scheduler that was started, in this order.
    pub fn schedulers(&self) -> Vec<Arc<Process>> {
        self.schedulers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The API's process.
    pub fn api_process(&self) -> &Process {
        &self.api
    }

    /// The worker that runs a job right now, found by way of the API.
    ///
    /// # Errors
    /// When nobody runs it.
    pub async fn worker_of(&self, job: &str) -> Result<Arc<Process>> {
        let operator = self.operator();
        let what = format!("a worker runs the job {job}");
        let pid = wait::until(&what, PATIENCE, async || {
            let job = operator.job(job).await?;
            let workers = operator.items("/v1/workers").await?;
            let worker = workers.into_iter().find(|worker| worker["id"] == job["worker"]);
            Ok(worker.and_then(|worker| worker["pid"].as_u64()))
        })
        .await?;
        let workers = self.workers();
        let worker = workers.into_iter().find(|worker| u64::from(worker.pid()) == pid);
        worker.with_context(|| format!("no worker of this fleet has the process id {pid}"))
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

    /// All that the processes have written, by the process' name.
    pub fn logs(&self) -> Vec<(String, String)> {
        let one = |process: &Process| (process.name().to_owned(), process.log());
        let mut logs = vec![one(&self.api), one(&self.simulator)];
        logs.extend(self.schedulers().iter().map(|process| one(process)));
        logs.extend(self.workers().iter().map(|process| one(process)));
        logs
    }

    fn processes(&self) -> Vec<Tail> {
        let one =
            |process: &Process| Tail { name: process.name().to_owned(), tail: process.tail() };
        let mut tails = vec![one(&self.api), one(&self.simulator)];
        tails.extend(self.schedulers().iter().map(|process| one(process)));
        tails.extend(self.workers().iter().map(|process| one(process)));
        tails
    }
}

/// By which ways the processes reach Postgres and Redis.
struct Ways {
    postgres: Option<SocketAddr>,
    redis_url: Option<String>,
}

impl Ways {
    /// What all processes are told.
    fn environment(&self, setup: &Setup, redis_prefix: &str) -> Vec<(String, String)> {
        let mut environment = setup.settings.clone();
        if let Some(url) = &self.redis_url {
            environment.push(("REDIS_URL".to_owned(), url.clone()));
            environment.push(("REDIS_PREFIX".to_owned(), redis_prefix.to_owned()));
        }
        environment
    }
}

fn redis_url() -> Result<String> {
    std::env::var("TEST_REDIS_URL").context("TEST_REDIS_URL names no Redis (bin/test starts one)")
}

fn host_of(url: &str) -> Result<String> {
    let url = reqwest::Url::parse(url).context("TEST_REDIS_URL")?;
    Ok(format!("{}:{}", url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(6379)))
}

fn by_way_of(url: &str, proxy: SocketAddr) -> Result<String> {
    let mut url = reqwest::Url::parse(url).context("TEST_REDIS_URL")?;
    url.set_host(Some(&proxy.ip().to_string())).context("the proxy's address")?;
    let set = url.set_port(Some(proxy.port()));
    set.map_err(|()| anyhow::anyhow!("TEST_REDIS_URL takes no port"))?;
    Ok(url.to_string())
}
