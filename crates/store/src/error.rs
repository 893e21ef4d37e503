//! What can go wrong with the database, named by what the caller does about it.
//!
//! **Invariant:** whether a statement may be tried again is decided here alone.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Trouble with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job's claim is no longer the caller's: write nothing, stop.
    #[error("the claim on job {0} is lost")]
    ClaimLost(jobs::JobId),
    /// A rule of the schema forbids the row.
    #[error("the row breaks the rule {constraint}")]
    Rule {
        /// Name of the constraint or unique index.
        constraint: String,
        /// Postgres' own words.
        #[source]
        source: sqlx::Error,
    },
    /// The database's own rules forbid the statement to this login.
    #[error("this login may not do that")]
    Forbidden(#[source] sqlx::Error),
    /// The database cannot be reached, or cannot serve right now: try again.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The login is not the one this process must use.
    #[error("{0}")]
    WrongLogin(String),
    /// The schema is not the one this build needs.
    #[error("{0}")]
    WrongSchema(String),
    /// A fault of ours.
    #[error("a statement failed")]
    Broken(#[source] sqlx::Error),
}

impl Error {
    /// Whether the same statement may succeed later without any change.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Error::Unavailable(_))
    }

    /// Whether the row breaks the rule with this name.
    pub fn breaks(&self, rule: &str) -> bool {
        matches!(self, Error::Rule { constraint, .. } if constraint == rule)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(inner) => {
                let code = inner.code().unwrap_or_default().into_owned();
                match (code.get(..2).unwrap_or_default(), inner.constraint()) {
                    ("23", Some(name)) => {
                        Error::Rule { constraint: name.to_owned(), source: error }
                    }
                    // Connection trouble, too many connections, shutdown, serialization.
                    _ if code == "57014" => Error::Broken(error), // the statement took too long
                    ("08" | "53" | "57" | "58" | "40", _) => Error::Unavailable(error),
                    _ if code == "42501" => Error::Forbidden(error),
                    _ => Error::Broken(error),
                }
            }
            E::Io(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Protocol(_) => Error::Unavailable(error),
            _ => Error::Broken(error),
        }
    }
}
