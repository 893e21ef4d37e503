//! What can go wrong when a bell is hung or asked to forget. Ringing, listening, waiting and
//! taking never fail: they degrade.

/// Why a [`Bell`](crate::Bell) could not be hung, or could not do what only Redis can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one of a Redis server (`redis://` or `rediss://`). Mend the configuration.
    #[error("the Redis URL is malformed")]
    MalformedUrl(#[source] redis::RedisError),
    /// The bell was hung outside a Tokio runtime, on which its connection is kept.
    #[error("a bell needs a running Tokio runtime")]
    NoRuntime,
    /// Redis cannot be reached, or there is none: try later, or do without.
    #[error("Redis is down or absent")]
    Down,
    /// Redis did not answer in time.
    #[error("Redis did not answer within {} ms", crate::DEADLINE.as_millis())]
    Late,
    /// Redis answered with an error, or the connection broke.
    #[error("Redis refused the call, or the connection broke")]
    Refused(#[source] redis::RedisError),
}
