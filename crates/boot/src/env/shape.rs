//! What a variable takes, told to people.
//!
//! Quoted by errors and by the reference page; [`super::parse`] reads what is told here.
//!
//! **Invariant:** every shape says its unit and its range.

use std::fmt;

/// The form of a value, with its unit and range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A length of time in milliseconds.
    Millis {
        /// Shortest.
        min: u64,
        /// Longest.
        max: u64,
    },
    /// A size in bytes.
    Bytes {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A whole number of something.
    Count {
        /// What is counted.
        of: &'static str,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// IP address and port.
    Address,
    /// `postgres://…`.
    PostgresUrl,
    /// `redis://…` or `rediss://…`.
    RedisUrl,
    /// `http://…` or `https://…`.
    HttpUrl,
    /// Several of them.
    Urls,
    /// Letters, digits, `.`, `_`, `:`, `-`.
    Name,
    /// Any text.
    Text,
    /// Several secrets.
    Secrets,
    /// A SHA-256 in hexadecimal.
    Sha256,
    /// Keys with their ids.
    Keys,
    /// `local:<folder>` or `s3:<bucket>`.
    MediaStore,
    /// Models with their prices.
    Models,
    /// Queues with their slots.
    Queues,
    /// A filter of log lines.
    LogFilter,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millis { min, max } => write!(f, "milliseconds, {min} to {max}"),
            Self::Bytes { min, max } => write!(f, "bytes, {min} to {max}"),
            Self::Count { of, min, max } => write!(f, "a whole number ({of}), {min} to {max}"),
            Self::Flag => f.write_str("`true` or `false`"),
            Self::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                f.write_str(&words.join(" or "))
            }
            Self::Address => f.write_str("an IP address with a port"),
            Self::PostgresUrl => f.write_str("a URL `postgres://user:password@host:port/database`"),
            Self::RedisUrl => f.write_str("a URL `redis://…`, or `rediss://…` for TLS"),
            Self::HttpUrl => f.write_str("a URL `https://…` or `http://…`"),
            Self::Urls => f.write_str("URLs `https://…` or `http://…`, with commas between them"),
            Self::Name => f.write_str("1 to 100 letters, digits, `.`, `_`, `:` or `-`"),
            Self::Text => f.write_str("text"),
            Self::Secrets => f.write_str("secrets of at least 16 characters, with commas between them"),
            Self::Sha256 => f.write_str("64 hexadecimal digits"),
            Self::Keys => f.write_str(
                "`<id>:<key>,…`, the current key first, each key the base64 of 32 random bytes \
                 (`openssl rand -base64 32`)",
            ),
            Self::MediaStore => f.write_str("`local:<folder>` or `s3:<bucket>`"),
            Self::Models => f.write_str(
                "`<model>=<price of input>/<price of output>,…`, prices in millionths of a dollar for a \
                 million tokens; the first one is asked unless a request names another",
            ),
            Self::Queues => f.write_str(
                "`<queue>=<slots>,…`, each of control, interactive, publish, generate, connect, \
                 poll, aggregate, maintenance at most once, with 1 to 1000 slots",
            ),
            Self::LogFilter => f.write_str(
                "`error`, `warn`, `info`, `debug` or `trace`, alone or by module \
                 (`info,queue=debug`)",
            ),
        }
    }
}
