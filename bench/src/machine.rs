//! What the machine says of processes: CPU time, memory, clocks, load.
//!
//! **Invariant:** CPU of Postgres is that of the postmaster and of all its children, those that
//! have ended included, so that no backend is forgotten.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};

/// Ticks of `/proc/<pid>/stat` in a second: fixed in the interface that Linux gives to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processes that are paid for by a job besides the one that runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paid {
    pub(crate) postmaster: u32,
    pub(crate) redis: u32,
}

/// CPU seconds so far.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    postgres: f64,
    redis: f64,
}

impl Paid {
    /// CPU seconds up to now.
    fn cpu(self) -> Result<Cpu> {
        let mut postgres = Stat::of(self.postmaster)?.with_ended_children();
        for pid in processes() {
            // One that ends meanwhile has been waited for by then, or will be.
            if let Ok(stat) = Stat::of(pid)
                && stat.parent == self.postmaster
            {
                postgres += stat.own();
            }
        }
        Ok(Cpu { postgres, redis: Stat::of(self.redis)?.own() })
    }
}

/// The time and the CPU that something takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    paid: Paid,
    before: Cpu,
    began: Instant,
}

impl Meter {
    pub(crate) fn start(paid: Paid) -> Result<Self> {
        Ok(Self { paid, before: paid.cpu()?, began: Instant::now() })
    }

    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// What the servers have spent since the start.
    pub(crate) fn spent(&self) -> Result<Spent> {
        let now = self.paid.cpu()?;
        let (before, seconds) = (self.before, self.seconds());
        Ok(Spent {
            seconds,
            postgres: now.postgres - before.postgres,
            redis: now.redis - before.redis,
        })
    }
}

/// The time that something took, and the CPU seconds that the servers spent on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) postgres: f64,
    pub(crate) redis: f64,
}

impl Spent {
    /// Both together.
    pub(crate) fn and(self, more: Spent) -> Spent {
        Spent {
            seconds: self.seconds + more.seconds,
            postgres: self.postgres + more.postgres,
            redis: self.redis + more.redis,
        }
    }
}

/// CPU seconds of one process.
pub(crate) fn cpu_of(pid: u32) -> Result<f64> {
    Ok(Stat::of(pid)?.own())
}

/// The parent of a process.
pub(crate) fn parent_of(pid: u32) -> Result<u32> {
    Ok(Stat::of(pid)?.parent)
}

struct Stat {
    parent: u32,
    /// User, system; the same of children that have ended.
    ticks: [f64; 4],
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid}"))?;
        // The name stands in parentheses and may hold anything; what follows is numbers.
        let (_, rest) = line.rsplit_once(')').context("/proc/<pid>/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| -> Result<f64> {
            Ok(fields.get(index).context("/proc/<pid>/stat is short")?.parse()?)
        };
        let parent = fields.get(1).context("/proc/<pid>/stat is short")?.parse()?;
        Ok(Self { parent, ticks: [number(11)?, number(12)?, number(13)?, number(14)?] })
    }

    fn own(&self) -> f64 {
        (self.ticks[0] + self.ticks[1]) / TICKS_PER_SECOND
    }

    fn with_ended_children(&self) -> f64 {
        self.ticks.iter().sum::<f64>() / TICKS_PER_SECOND
    }
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Resident memory of a process, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

/// How much memory a process holds, and held at most.
pub(crate) fn memory_of(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid}"))?;
    let of = |name: &str| -> Result<f64> {
        let line = status.lines().find(|line| line.starts_with(name)).context("no such line")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib / 1024.0)
    };
    Ok(Memory { now: of("VmRSS:")?, peak: of("VmHWM:")? })
}

/// Nanoseconds of the clock that all processes of this machine share and nobody sets.
pub(crate) fn monotonic_ns() -> u64 {
    ns(ClockId::CLOCK_MONOTONIC)
}

/// What to add to the monotonic clock to have the time of day.
pub(crate) fn time_of_day_offset_ns() -> i64 {
    let monotonic = monotonic_ns() as i64;
    ns(ClockId::CLOCK_REALTIME) as i64 - monotonic
}

fn ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("Linux has this clock");
    Duration::from(time).as_nanos() as u64
}

/// The load average of the last minute: what else the machine had to do.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// How many processors there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
