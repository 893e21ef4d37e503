//! The processes of a fleet: started, found, started again.
//!
//! **Invariant:** the names of processes are never used twice, so that a worker's rows in the ledger
//! belong to one process.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use super::database::Login;
use super::fleet::Fleet;
use super::process::Process;
use super::proxy::Proxy;
use super::setup::models;
use crate::wait::{self, PATIENCE};

/// All that were started, in this order.
#[derive(Debug, Default)]
pub(super) struct Processes {
    apis: Mutex<Vec<Arc<Process>>>,
    schedulers: Mutex<Vec<Arc<Process>>>,
    workers: Mutex<Vec<Arc<Process>>>,
}

impl Processes {
    pub(super) fn all(&self) -> Vec<Arc<Process>> {
        [&self.apis, &self.schedulers, &self.workers].into_iter().flat_map(known).collect()
    }
}

fn known(processes: &Mutex<Vec<Arc<Process>>>) -> Vec<Arc<Process>> {
    processes.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Fleet {
    /// Starts an API, and does not wait. There can be one at a time.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_api(&self) -> Result<Arc<Process>> {
        let listen = self.api_url.trim_start_matches("http://").to_owned();
        let page = format!("{}/i/oauth2/authorize", self.simulator_url);
        let mut own = vec![("API_LISTEN", listen), ("X_CONSENT_URL", page)];
        own.extend(self.setup.of_api.clone());
        self.spawn(&self.processes.apis, ("api", "api-lite"), Login::Api, |_| own)
    }

    /// Starts one more scheduler, and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_scheduler(&self) -> Result<Arc<Process>> {
        self.spawn_scheduler_with(Vec::new())
    }

    /// As [`Fleet::spawn_scheduler`], with settings of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_scheduler_with(
        &self,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Arc<Process>> {
        let names = ("scheduler", "scheduler");
        self.spawn(&self.processes.schedulers, names, Login::Scheduler, |_| settings)
    }

    /// Starts one more worker, and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_worker(&self) -> Result<Arc<Process>> {
        self.spawn_worker_with(Vec::new())
    }

    /// As [`Fleet::spawn_worker`], with settings of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_worker_with(&self, settings: Vec<(&'static str, String)>) -> Result<Arc<Process>> {
        let own = |name: &str| {
            let mut own =
                vec![("WORKER_NAME", name.to_owned()), ("X_API_URL", self.simulator_url.clone())];
            own.extend(settings);
            own
        };
        self.spawn(&self.processes.workers, ("worker", "worker"), Login::Worker, own)
    }

    fn spawn(
        &self,
        known: &Mutex<Vec<Arc<Process>>>,
        (name, program): (&str, &str),
        login: Login,
        own: impl FnOnce(&str) -> Vec<(&'static str, String)>,
    ) -> Result<Arc<Process>> {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{name}.{}", known.len() + 1);
        let folder = self.folder.path();
        // Of two values of one name, the later one counts.
        let mut environment = models(login, &self.simulator_url);
        environment.extend(self.setup.settings.clone());
        environment.extend(self.secrets.environment_of(login, folder));
        let mut tell = |setting: &str, value: String| environment.push((setting.to_owned(), value));
        let postgres = self.postgres.as_ref().map(Proxy::address);
        tell(login.variable(), self.database.url(login, postgres)?);
        if let Some(url) = self.redis_url_for_processes()? {
            tell("REDIS_URL", url);
            tell("REDIS_PREFIX", self.redis_prefix.clone());
        }
        for (setting, value) in own(&name) {
            tell(setting, value);
        }
        let process = Arc::new(Process::start(&name, folder, program, &[], &environment)?);
        known.push(Arc::clone(&process));
        Ok(process)
    }

    /// Runs a command of the worker's program to its end, with the worker's environment and these settings;
    /// tells what it has written.
    ///
    /// # Errors
    /// When it ends with anything but success.
    pub async fn run_worker(
        &self,
        arguments: &[&str],
        settings: &[(&str, String)],
    ) -> Result<String> {
        let mut environment = self.setup.settings.clone();
        environment.extend(self.secrets.environment_of(Login::Worker, self.folder.path()));
        let url = self.database.url(Login::Worker, None)?;
        environment.push((Login::Worker.variable().to_owned(), url));
        let own = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        environment.extend(own);
        let name = arguments.join("-");
        let run = Process::start(&name, self.folder.path(), "worker", arguments, &environment)?;
        let status = run.end(PATIENCE).await?;
        ensure!(status.success(), "{name} ended with {status}:\n{}", run.tail());
        Ok(run.log())
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
        known(&self.processes.workers)
    }

    /// Every scheduler that was started, in this order.
    pub fn schedulers(&self) -> Vec<Arc<Process>> {
        known(&self.processes.schedulers)
    }

    /// The API's process: the one that was started last.
    ///
    /// # Panics
    /// When none was started.
    pub fn api_process(&self) -> Arc<Process> {
        known(&self.processes.apis).pop().expect("a fleet starts with an API")
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
}
