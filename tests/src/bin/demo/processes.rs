//! The worker that has a job, killed or stopped while the network holds its call.
//!
//! **Invariant:** only processes whose ids the runner wrote down are sent a signal.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use simulator::Outcome;

use crate::print::Teller;
use crate::stage::{Post, Stage};
use crate::trouble::{KILLED, STOPPED, Trouble};

/// How long the network may take to meet the call, and the fleet to notice a death.
const PATIENCE: Duration = Duration::from_secs(60);

/// Checks that nobody else works on this fleet's jobs, such as what is left of an earlier demo: it
/// would call another network.
pub(crate) async fn no_strangers(stage: &Stage) -> Result<()> {
    let workers = stage.operator.items("/v1/workers").await?;
    for worker in workers {
        let is_gone = !worker["lostAt"].is_null() || !worker["stoppedAt"].is_null();
        let seen: DateTime<Utc> = worker["seenAt"].as_str().unwrap_or_default().parse()?;
        if is_gone || Utc::now() - seen > LONGEST_SILENCE {
            continue;
        }
        let pid = worker["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        let pid = Pid::from_raw(pid.context("a process id")?);
        name_of(stage, pid).context("is an earlier demo still running?")?;
    }
    Ok(())
}

/// A worker that has been silent for so long is dead, or as good as dead.
const LONGEST_SILENCE: TimeDelta = TimeDelta::seconds(10);

/// A worker process of this fleet.
struct Worker {
    name: String,
    pid: Pid,
}

/// Kills the worker whose call the network has carried out and not yet answered.
pub(crate) async fn kill_between_call_and_record(stage: &Stage, teller: &Teller) -> Result<()> {
    let post = stage.with(Trouble::Killed)?;
    let hold = stage.network.wait_hold(KILLED, PATIENCE).await.context("no call came")?;
    teller.step(&format!("the network holds {:?} (request {})", post.title, hold.seq));
    alone(stage, post).await?;
    let (worker, _) = worker_of(stage, post).await?;
    kill(worker.pid, Signal::SIGKILL).with_context(|| format!("kill -9 {}", worker.pid))?;
    teller.step(&format!("kill -9 of {} ({}): it never saw the answer", worker.name, worker.pid));
    stage.network.release_as(KILLED, Outcome::Drop).await?;
    Ok(())
}

/// Stops the worker in the middle of its call until its jobs are somebody else's, then wakes it.
pub(crate) async fn stop_past_the_lease(stage: &Stage, teller: &Teller) -> Result<()> {
    let post = stage.with(Trouble::Stopped)?;
    let hold = stage.network.wait_hold(STOPPED, PATIENCE).await.context("no call came")?;
    teller.step(&format!("the network holds {:?} (request {})", post.title, hold.seq));
    alone(stage, post).await?;
    let (worker, job) = worker_of(stage, post).await?;
    kill(worker.pid, Signal::SIGSTOP).with_context(|| format!("stop {}", worker.pid))?;
    let woken = Wakes(worker.pid);
    teller.step(&format!("{} ({}) stopped where it stands", worker.name, worker.pid));
    let id = job["id"].as_str().context("the job's id")?;
    let rescued = |job: &Value| job["crashes"].as_u64() > Some(0);
    let what = "the stopped worker's job is somebody else's";
    wait::until_right(what, PATIENCE, async || stage.operator.job(id).await, rescued).await?;
    teller.step("its lease has run out: the job is somebody else's");
    stage.network.release(STOPPED).await?;
    drop(woken);
    teller.step("the network answers; the worker wakes up, and must change nothing");
    Ok(())
}

/// Waits until this post's call is the only one of its moment that is under way: what else the worker does
/// would meet this trouble beside its own.
async fn alone(stage: &Stage, post: &Post) -> Result<()> {
    let what = format!("only {:?} is on its way", post.title);
    let of_its_moment = |schedule: &str| {
        stage.posts.iter().any(|other| other.schedule == schedule && other.at == post.at)
    };
    wait::until(&what, PATIENCE, async || {
        // Those that wait for their first call are neither called nor running.
        let journal = stage.network.journal(0).await?;
        let of_now = stage.posts.iter().filter(|other| other.at == post.at);
        let all_called = of_now.into_iter().all(|other| other.calls(&journal) > 0);
        let jobs = stage.operator.items("/v1/jobs?kind=post.publish&state=running&limit=100");
        let jobs = jobs.await?;
        let mut running = jobs.iter().filter_map(|job| job["args"]["scheduleId"].as_str());
        let is_alone = running.all(|id| id == post.schedule || !of_its_moment(id));
        Ok((all_called && is_alone).then_some(()))
    })
    .await
}

/// Lets a stopped process go on, whatever happens.
struct Wakes(Pid);

impl Drop for Wakes {
    fn drop(&mut self) {
        // Fails only when the process is gone.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// The worker that runs the publishing job of a post, and the job.
async fn worker_of(stage: &Stage, post: &Post) -> Result<(Worker, Value)> {
    let what = format!("a worker publishes {:?}", post.title);
    let (job, pid) = wait::until(&what, PATIENCE, async || {
        let path = "/v1/jobs?kind=post.publish&state=running&limit=100";
        let jobs = stage.operator.items(path).await?;
        let job = jobs.into_iter().find(|job| job["args"]["scheduleId"] == post.schedule.as_str());
        let workers = stage.operator.items("/v1/workers").await?;
        Ok(job.and_then(|job| {
            let worker = workers.iter().find(|worker| worker["id"] == job["worker"])?;
            let pid = worker["pid"].as_i64()?;
            Some((job, pid))
        }))
    })
    .await?;
    let pid = Pid::from_raw(i32::try_from(pid).context("a process id")?);
    let name = name_of(stage, pid)?;
    Ok((Worker { name, pid }, job))
}

/// The runner's name of a worker process.
fn name_of(stage: &Stage, pid: Pid) -> Result<String> {
    let mut found = None;
    for entry in std::fs::read_dir(&stage.run_dir).context("EZRE_RUN_DIR")? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        if name.starts_with("worker.") && known.trim() == pid.to_string() {
            found = Some(name.to_owned());
        }
    }
    ensure!(found.is_some(), "{pid} is no worker that the runner started");
    found.context("checked just now")
}
