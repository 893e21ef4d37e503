//! The fleet in figures, for gauges and for the question whether work moves.
//!
//! **Invariant:** whatever is counted is counted up to a bound, so that looking costs the same
//! however much is waiting.

use std::time::Duration;

use crate::{Conn, Result};
use jobs::{JobId, Queue};

/// What a limit's key stands for. The key itself names an account and must not become a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyClass {
    /// An account: a person paused it, or limited it.
    Account,
    /// A connected account that waits for tokens or for its person.
    Connection,
    /// An organization's work in one queue.
    Organization,
    /// One call of a network, for one account.
    AccountCall,
    /// One call of a network, for our whole app.
    AppCall,
    /// A model.
    Model,
    /// Something else.
    Other,
}

impl KeyClass {
    /// Every class.
    pub const ALL: [KeyClass; 7] = [
        KeyClass::Account,
        KeyClass::Connection,
        KeyClass::Organization,
        KeyClass::AccountCall,
        KeyClass::AppCall,
        KeyClass::Model,
        KeyClass::Other,
    ];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyClass::Account => "account",
            KeyClass::Connection => "connection",
            KeyClass::Organization => "organization",
            KeyClass::AccountCall => "account_call",
            KeyClass::AppCall => "app_call",
            KeyClass::Model => "model",
            KeyClass::Other => "other",
        }
    }

    /// The class of a key. `held.sql` says the same.
    pub fn of(key: &str) -> Self {
        let mut parts = key.split(':');
        match (parts.next(), parts.next()) {
            (Some("account"), _) => KeyClass::Account,
            (Some("connection"), _) => KeyClass::Connection,
            (Some("organization"), _) => KeyClass::Organization,
            (Some("model"), _) => KeyClass::Model,
            (_, Some("user")) => KeyClass::AccountCall,
            (_, Some("app")) => KeyClass::AppCall,
            _ => KeyClass::Other,
        }
    }
}

/// The next job of a queue that is due and that nothing holds back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// The queue.
    pub queue: Queue,
    /// The job.
    pub job_id: JobId,
    /// How long it has been due.
    pub due_for: Duration,
}

/// Of each queue that has any, the oldest due job that neither a pause, nor a closed key, nor its
/// organization's share of the slots holds back. The first of each lane counts; at most 1,000
/// lanes are looked at, and the first jobs of each.
///
/// `percent` is the share of a worker's slots that one organization may take.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn heads(conn: &mut Conn, percent: u32) -> Result<Vec<Head>> {
    let queues: Vec<String> = Queue::ALL.iter().map(|q| q.as_str().to_owned()).collect();
    let percent = i64::from(percent);
    let rows = sqlx::query_file!("src/ledger/heads.sql", &queues, percent).fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Head {
                queue: row.queue.parse().ok()?,
                job_id: JobId(row.id),
                due_for: Duration::try_from_secs_f64(row.seconds).unwrap_or_default(),
            })
        })
        .collect())
}

/// One queue in figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueFigures {
    /// The queue.
    pub queue: Queue,
    /// Jobs that wait for their moment, at most 10,000 counted.
    pub scheduled: i64,
    /// Jobs that wait for a worker, at most 10,000 counted.
    pub ready: i64,
    /// Jobs that run, at most 10,000 counted over all queues.
    pub running: i64,
    /// Jobs that the living workers can run at once.
    pub slots: i64,
}

/// Every queue in figures.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn queues(conn: &mut Conn) -> Result<Vec<QueueFigures>> {
    let queues: Vec<String> = Queue::ALL.iter().map(|q| q.as_str().to_owned()).collect();
    let rows = sqlx::query_file!("src/ledger/queues.sql", &queues).fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(QueueFigures {
                queue: row.queue.parse().ok()?,
                scheduled: row.scheduled,
                ready: row.ready,
                running: row.running,
                slots: row.slots,
            })
        })
        .collect())
}

/// What holds jobs back right now, of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The class of the keys.
    pub class: KeyClass,
    /// Keys that are closed, at most 10,000 counted.
    pub keys: i64,
    /// Until the last of them opens by itself, in seconds.
    pub longest_secs: f64,
    /// Jobs moved out of the way for a key of this class, at most 10,000 counted.
    pub jobs: i64,
}

/// The closed keys and the jobs that wait for them, by class.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn held(conn: &mut Conn) -> Result<Vec<Held>> {
    let classes: Vec<String> = KeyClass::ALL.iter().map(|c| c.as_str().to_owned()).collect();
    let rows = sqlx::query_file!("src/ledger/held.sql", &classes).fetch_all(conn).await?;
    let class = |word: &str| KeyClass::ALL.into_iter().find(|class| class.as_str() == word);
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Held {
                class: class(&row.class)?,
                keys: row.keys,
                longest_secs: row.longest,
                jobs: row.jobs,
            })
        })
        .collect())
}

/// What the fleet is made of right now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Workers that renewed their lease lately.
    pub workers: i64,
    /// Queues of the whole fleet that a person paused.
    pub paused_queues: i64,
    /// Organizations of which a person paused something.
    pub paused_organizations: i64,
    /// For how long from now the history has partitions.
    pub history_ahead_secs: f64,
}

/// Counts what the fleet is made of; a worker lives until it was silent for `silence`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn standing(conn: &mut Conn, silence: Duration) -> Result<Standing> {
    Ok(sqlx::query_file_as!(Standing, "src/ledger/standing.sql", silence.as_secs_f64())
        .fetch_one(conn)
        .await?)
}

#[cfg(test)]
mod tests;
