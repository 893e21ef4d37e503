//! apalis-redis under bin/bench's agreement (see ../lib.mjs): a client, and a worker in a process
//! of its own. Nothing it holds is durable; it is here because it is the peer named by the runtime
//! that the fleet builds on.
//!
//! 8,000 due tasks would wedge its queue for good, so a backlog is at most [`BACKLOG`].

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use apalis::prelude::*;
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const BACKLOG: usize = 7500;
const POLL: Duration = Duration::from_millis(10);
const CONCURRENCY: usize = 128;
const BATCH: usize = 500;

/// 200 bytes as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Job {
    n: usize,
    text: String,
}

impl Job {
    fn new(n: usize) -> Self {
        let mut job = Self { n, text: String::new() };
        let empty = serde_json::to_string(&job).map_or(0, |text| text.len());
        job.text = "x".repeat(200 - empty);
        job
    }
}

struct Arguments {
    jobs: usize,
    redis: String,
    rest: Vec<String>,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments { jobs: 20_000, redis: String::new(), rest: Vec::new() };
    let mut all = std::env::args().skip(1);
    while let Some(one) = all.next() {
        match one.as_str() {
            "--jobs" => parsed.jobs = all.next().ok_or("--jobs N")?.parse()?,
            "--redis" => parsed.redis = all.next().ok_or("--redis URL")?,
            "--postgres" => drop(all.next()),
            _ => parsed.rest.push(one),
        }
    }
    Ok(parsed)
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = arguments()?;
    let scenario = arguments.rest.first().ok_or("drain, pickup or burst?")?.clone();
    if scenario == "worker" {
        return work(&arguments.redis, &arguments.rest[1], arguments.rest[2].parse()?).await;
    }
    let connection = apalis_redis::connect(arguments.redis.as_str()).await?;
    let queue = format!("peer-{}", std::process::id());
    let client = Client { redis: arguments.redis, connection, queue, jobs: arguments.jobs };
    let told = match scenario.as_str() {
        "drain" => client.drain().await,
        "pickup" => client.pickup().await,
        "burst" => client.burst().await,
        other => Err(format!("no scenario {other}").into()),
    };
    client.forget().await?;
    println!("{}", told?);
    Ok(())
}

fn config(queue: &str) -> Config {
    Config::default().queue(queue).batch_size(BATCH).lock_tasks(false).emit_events(false)
}

fn now(clock: ClockId) -> f64 {
    clock_gettime(clock).map_or(f64::NAN, |time| Duration::from(time).as_secs_f64() * 1e3)
}

fn monotonic_ms() -> f64 {
    now(ClockId::CLOCK_MONOTONIC)
}

/// The worker: ends when its standard input does.
async fn work(redis: &str, queue: &str, expect: u64) -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let connection = apalis_redis::connect(redis).await?;
    let storage =
        RedisStorage::<Job>::new(connection).with_config(config(queue)).poll_with_interval(POLL);
    let handled = Arc::new(AtomicU64::new(0));
    let starts = Arc::new(Mutex::new(Vec::with_capacity(expect as usize)));
    let began = monotonic_ms();
    let worker = WorkerBuilder::new(format!("worker-{}", std::process::id()))
        .backend(storage)
        .concurrency(CONCURRENCY)
        .build(move |job: Job| {
            let (handled, starts) = (handled.clone(), starts.clone());
            async move {
                let start = (job.n, monotonic_ms(), now(ClockId::CLOCK_REALTIME));
                starts.lock().expect("nobody panics").push(start);
                if handled.fetch_add(1, Ordering::Relaxed) + 1 == expect {
                    let starts = starts.lock().expect("nobody panics").clone();
                    say(&json!({ "began": began, "starts": starts }));
                }
                Ok::<(), BoxDynError>(())
            }
        });
    worker.run().await?;
    Ok(())
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// What the worker says when all jobs have been handled.
#[derive(Deserialize)]
struct Handled {
    began: f64,
    /// The job's number, the shared clock, the time of day.
    starts: Vec<(usize, f64, f64)>,
}

struct Worker(Child);

impl Worker {
    fn start(redis: &str, queue: &str, expect: usize) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--redis", redis, "worker", queue, &expect.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    fn handled(&mut self) -> Result<Handled> {
        let out = self.0.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        std::io::BufReader::new(out).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').ok_or("stat")?.1.split_whitespace().collect();
        Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
    }

    fn peak_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("status")?;
        Ok(line.split_whitespace().nth(1).ok_or("status")?.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Client {
    redis: String,
    connection: ConnectionManager,
    queue: String,
    jobs: usize,
}

impl Client {
    fn storage(&self, queue: &str) -> RedisStorage<Job> {
        RedisStorage::new(self.connection.clone()).with_config(config(queue))
    }

    async fn drain(&self) -> Result<Value> {
        let (mut seconds, mut cpu, mut peak, mut done) = (0.0, 0.0, 0.0f64, 0);
        while done < self.jobs {
            let count = BACKLOG.min(self.jobs - done);
            let queue = format!("{}:{done}", self.queue);
            let mut storage = self.storage(&queue);
            for start in (0..count).step_by(1000) {
                let tasks = (start..count.min(start + 1000)).map(Job::new).collect();
                storage.push_bulk(tasks).await?;
            }
            phase("loaded")?;
            let mut worker = Worker::start(&self.redis, &queue, count)?;
            let handled = worker.handled()?;
            self.until_done(&queue, count).await?;
            seconds += (monotonic_ms() - handled.began) / 1e3;
            cpu += worker.cpu_seconds()?;
            peak = peak.max(worker.peak_mib()?);
            phase("done")?;
            done += count;
        }
        Ok(self.tell(
            "drain",
            json!({
                "seconds": seconds, "rate": self.jobs as f64 / seconds,
                "worker_cpu_us": cpu * 1e6 / self.jobs as f64, "peak_mib": peak,
            }),
        ))
    }

    async fn pickup(&self) -> Result<Value> {
        let mut worker = Worker::start(&self.redis, &self.queue, self.jobs)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        phase("loaded")?;
        let mut storage = self.storage(&self.queue);
        let mut pushed = HashMap::new();
        for n in 0..self.jobs {
            storage.push(Job::new(n)).await?;
            pushed.insert(n, monotonic_ms());
            let pause = 10.0 + rand::random::<f64>() * 20.0;
            tokio::time::sleep(Duration::from_secs_f64(pause / 1e3)).await;
        }
        let handled = worker.handled()?;
        phase("done")?;
        let waits = handled.starts.iter().map(|(n, at, _)| at - pushed[n]).collect();
        Ok(self.tell("pickup", latencies(waits)))
    }

    async fn burst(&self) -> Result<Value> {
        let jobs = self.jobs.min(BACKLOG);
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() + 8;
        let due = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut storage = self.storage(&self.queue);
        for n in 0..jobs {
            let task = TaskBuilder::new(Job::new(n)).run_at_time(due).build();
            storage.push_task(task).await?;
        }
        let mut worker = Worker::start(&self.redis, &self.queue, jobs)?;
        if SystemTime::now() + Duration::from_secs(1) > due {
            return Err("the jobs were not in place in time".into());
        }
        phase("loaded")?;
        let handled = worker.handled()?;
        self.until_done(&self.queue, jobs).await?;
        let ended = now(ClockId::CLOCK_REALTIME) - seconds as f64 * 1e3;
        phase("done")?;
        let late: Vec<f64> =
            handled.starts.iter().map(|(_, _, at)| at - seconds as f64 * 1e3).collect();
        if late.iter().any(|ms| *ms < -1.0) {
            return Err("a job ran early".into());
        }
        let mut figures = latencies(late);
        figures["seconds"] = (ended / 1e3).into();
        figures["rate"] = (jobs as f64 * 1e3 / ended).into();
        figures["jobs"] = jobs.into();
        Ok(self.tell("burst", figures))
    }

    /// Until every task is acknowledged.
    async fn until_done(&self, queue: &str, count: usize) -> Result<()> {
        let mut connection = self.connection.clone();
        loop {
            let done: usize = redis::cmd("SCARD")
                .arg(config(queue).done_jobs_set())
                .query_async(&mut connection)
                .await?;
            if done >= count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Deletes all that was left behind.
    async fn forget(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        let mut cursor = 0u64;
        loop {
            let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(format!("{}*", self.queue))
                .arg("COUNT")
                .arg(5000)
                .query_async(&mut connection)
                .await?;
            if !keys.is_empty() {
                redis::cmd("UNLINK").arg(keys).query_async::<()>(&mut connection).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    fn tell(&self, scenario: &str, figures: Value) -> Value {
        let mut told = json!({
            "peer": "apalis-redis", "version": "1.0.0", "scenario": scenario, "jobs": self.jobs,
            "settings": {
                "concurrency": CONCURRENCY, "batch_size": BATCH, "lock_tasks": false,
                "emit_events": false, "poll_ms": POLL.as_millis() as u64, "backlog": BACKLOG,
            },
        });
        if let (Value::Object(told), Value::Object(figures)) = (&mut told, figures) {
            told.extend(figures);
        }
        told
    }
}

fn latencies(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |percent: f64| {
        let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
        values[rank.max(1) - 1]
    };
    json!({ "p50_ms": at(50.0), "p99_ms": at(99.0), "max_ms": at(100.0) })
}

fn phase(name: &str) -> Result<()> {
    if std::env::var_os("BENCH_PHASES").is_some() {
        say(&json!({ "phase": name }));
        std::io::stdin().lock().read_line(&mut String::new())?;
    }
    Ok(())
}
