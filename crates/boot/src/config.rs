//! The configuration of each process, read once at start.
//!
//! Stands between the environment ([`crate::env`]) and `main`, which hands the parts on.
//!
//! **Invariant:** a configuration that exists is whole and right: it is either read without a
//! problem or not at all.

mod parts;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::env::{self, Invalid, Process, Reader};
use parts::{image_models, language_models, lease, log, media, redis};

pub use crate::env::{Dialect, LogFormat, PricedModel, QueueSlots, TokenHash};
pub use parts::{Lease, LogSettings, MediaStore, Provider, Redis, S3};

/// The exit code of a process whose configuration is wrong (`EX_CONFIG` of `sysexits.h`), which
/// a supervisor can tell from a crash.
pub const EXIT_CONFIG: i32 = 78;

/// Gives the configuration, or prints what is wrong with it and ends the process with
/// [`EXIT_CONFIG`].
pub fn or_exit<T>(config: Result<T, Invalid>) -> T {
    config.unwrap_or_else(|invalid| {
        // Nothing is left to be done when standard error is closed.
        _ = writeln!(std::io::stderr(), "{invalid}");
        std::process::exit(EXIT_CONFIG)
    })
}

/// What `api-lite` is told at start.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Login to Postgres.
    pub database_url: SecretString,
    /// Connections to Postgres at most.
    pub database_pool_size: u32,
    /// Redis, if there is one.
    pub redis: Option<Redis>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The public address, if it was set; see [`Self::public_url_at`].
    pub public_url: Option<Url>,
    /// Hash of the operators' token; without it their routes are closed.
    pub operator_token_sha256: Option<TokenHash>,
    /// Setting of the travel keys, well formed.
    pub travel_keys: SecretString,
    /// Where media is kept.
    pub media: MediaStore,
    /// The language models, if the API is told.
    pub language_models: Option<Vec<PricedModel>>,
    /// The image models, if the API is told.
    pub image_models: Option<Vec<PricedModel>>,
    /// Largest JSON body.
    pub max_body_bytes: usize,
    /// Largest upload.
    pub max_upload_bytes: usize,
    /// Longest time for a request, streams excepted.
    pub request_timeout: Duration,
    /// Requests a minute of a key without a limit of its own.
    pub default_rate_limit_per_minute: u32,
    /// The id of our app at X.
    pub x_client_id: Option<String>,
    /// X's consent page.
    pub x_consent_url: Url,
    /// Where people may be sent back to.
    pub oauth_return_urls: Vec<Url>,
    /// What X signs with; the first secret is the one in force.
    pub x_webhook_secrets: Vec<SecretString>,
    /// What Stripe signs with.
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// How old what Stripe signed may be.
    pub stripe_webhook_tolerance: Duration,
    /// Longest time from SIGTERM to the end.
    pub shutdown_timeout: Duration,
    /// Log filter and format.
    pub log: LogSettings,
}

/// What `scheduler` is told at start.
#[derive(Debug, Clone)]
pub struct SchedulerConfig {
    /// Login to Postgres.
    pub database_url: SecretString,
    /// Connections to Postgres at most.
    pub database_pool_size: u32,
    /// Redis, if there is one.
    pub redis: Option<Redis>,
    /// Where to serve metrics and health.
    pub metrics_listen: SocketAddr,
    /// When a worker counts as dead.
    pub lease: Lease,
    /// Percent of the fleet's slots of a queue that one organization may take.
    pub organization_slots_percent: u32,
    /// How long due work may stand still before it counts as stuck.
    pub work_health_max_age: Duration,
    /// How long before its time a schedule becomes a job.
    pub plan_ahead: Duration,
    /// How long before its time media is prepared.
    pub prepare_ahead: Duration,
    /// How long before its end a token is refreshed.
    pub refresh_ahead: Duration,
    /// How many days ended jobs are kept.
    pub history_retention_days: u32,
    /// Longest time from SIGTERM to the end.
    pub shutdown_timeout: Duration,
    /// Log filter and format.
    pub log: LogSettings,
}

/// What `worker` is told at start.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Its name in tables and logs.
    pub name: String,
    /// The queues it serves, with their slots.
    pub queues: Vec<QueueSlots>,
    /// Percent of the fleet's slots of a queue that one organization may take.
    pub organization_slots_percent: u32,
    /// Login to Postgres.
    pub database_url: SecretString,
    /// Connections to Postgres at most.
    pub database_pool_size: u32,
    /// Redis, if there is one.
    pub redis: Option<Redis>,
    /// Where to serve metrics and health.
    pub metrics_listen: SocketAddr,
    /// Setting of the travel keys, well formed.
    pub travel_keys: SecretString,
    /// Setting of the token keys, well formed and apart from the travel keys.
    pub token_keys: SecretString,
    /// Where media is kept.
    pub media: MediaStore,
    /// Largest upload that is read back.
    pub max_upload_bytes: usize,
    /// The language models, if there are any.
    pub language_models: Option<Provider>,
    /// The image models, if there are any.
    pub image_models: Option<Provider>,
    /// Where the API of X is.
    pub x_api_url: Url,
    /// The id of our app at X.
    pub x_client_id: Option<String>,
    /// Its secret.
    pub x_client_secret: Option<SecretString>,
    /// Longest time for a call that publishes.
    pub publish_request_timeout: Duration,
    /// How long after its intent a publishing call may be begun.
    pub publish_send_window: Duration,
    /// Wait before an unknown outcome is looked up, in place of the network's own.
    pub reconcile_wait: Option<Duration>,
    /// How often the lease is renewed.
    pub lease_renew: Duration,
    /// When a worker counts as dead.
    pub lease: Lease,
    /// How long due work may stand still before it counts as stuck.
    pub work_health_max_age: Duration,
    /// Longest time from SIGTERM to the end.
    pub shutdown_timeout: Duration,
    /// Log filter and format.
    pub log: LogSettings,
}

/// What `scheduler migrate` is told at start.
#[derive(Debug, Clone)]
pub struct MigrateConfig {
    /// Login of the owner.
    pub database_url: SecretString,
    /// URL of the API's login, if it is to be given a password.
    pub api_database_url: Option<SecretString>,
    /// URL of the scheduler's login, if it is to be given a password.
    pub scheduler_database_url: Option<SecretString>,
    /// URL of the worker's login, if it is to be given a password.
    pub worker_database_url: Option<SecretString>,
    /// Log filter and format.
    pub log: LogSettings,
}

/// Looks a variable up in the environment of this process.
fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

macro_rules! from_env {
    ($($config:ident),+) => {$(
        impl $config {
            /// Reads the environment of this process.
            ///
            /// # Errors
            ///
            /// [`Invalid`] lists everything that is missing or wrong.
            pub fn from_env() -> Result<Self, Invalid> {
                Self::from(&environment)
            }
        }
    )+};
}

from_env!(ApiConfig, SchedulerConfig, WorkerConfig, MigrateConfig);

impl ApiConfig {
    /// Reads the variables through `look`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] lists everything that is missing or wrong.
    pub fn from(look: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        use env::parse::{
            address, bytes, count, http_url, http_urls, keys, millis, models, postgres_url,
            secrets, sha256, text,
        };
        let mut env = Reader::new(Process::Api, look);
        let listen = env.optional(&env::API_LISTEN, address);
        let port = env.optional(&env::PORT, count).and_then(|port| u16::try_from(port).ok());
        let listen = match (listen, port) {
            (None, Some(port)) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            (Some(listen), _) => listen,
            (None, None) => env.value(&env::API_LISTEN, address),
        };
        let config = Self {
            database_url: env.value(&env::API_DATABASE_URL, postgres_url),
            database_pool_size: env.value(&env::DATABASE_POOL_SIZE, count),
            redis: redis(&mut env),
            listen,
            public_url: env.optional(&env::API_PUBLIC_URL, http_url),
            operator_token_sha256: env.optional(&env::OPERATOR_TOKEN_SHA256, sha256),
            travel_keys: env.value(&env::TRAVEL_KEYS, keys),
            media: media(&mut env),
            language_models: env.optional(&env::LLM_MODELS, models),
            image_models: env.optional(&env::IMAGE_MODELS, models),
            max_body_bytes: env.value(&env::MAX_BODY_BYTES, bytes),
            max_upload_bytes: env.value(&env::MAX_UPLOAD_BYTES, bytes),
            request_timeout: env.value(&env::REQUEST_TIMEOUT_MS, millis),
            default_rate_limit_per_minute: env.value(&env::DEFAULT_RATE_LIMIT_PER_MINUTE, count),
            x_client_id: env.optional(&env::X_CLIENT_ID, text),
            x_consent_url: env.value(&env::X_CONSENT_URL, http_url),
            oauth_return_urls: env.optional(&env::OAUTH_RETURN_URLS, http_urls).unwrap_or_default(),
            x_webhook_secrets: env.optional(&env::X_WEBHOOK_SECRETS, secrets).unwrap_or_default(),
            stripe_webhook_secrets: env
                .optional(&env::STRIPE_WEBHOOK_SECRETS, secrets)
                .unwrap_or_default(),
            stripe_webhook_tolerance: env.value(&env::STRIPE_WEBHOOK_TOLERANCE_MS, millis),
            shutdown_timeout: env.value(&env::SHUTDOWN_TIMEOUT_MS, millis),
            log: log(&mut env),
        };
        env.finish(config)
    }

    /// The public address: the one that was set, or else that of the bound listener, with
    /// `127.0.0.1` in place of "all addresses".
    pub fn public_url_at(&self, mut bound: SocketAddr) -> Url {
        self.public_url.clone().unwrap_or_else(|| {
            if bound.ip().is_unspecified() {
                bound.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            Url::parse(&format!("http://{bound}")).expect("a socket address makes a URL")
        })
    }
}

impl SchedulerConfig {
    /// Reads the variables through `look`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] lists everything that is missing or wrong.
    pub fn from(look: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        use env::parse::{address, count, millis, postgres_url};
        let mut env = Reader::new(Process::Scheduler, look);
        let config = Self {
            database_url: env.value(&env::SCHEDULER_DATABASE_URL, postgres_url),
            database_pool_size: env.value(&env::DATABASE_POOL_SIZE, count),
            redis: redis(&mut env),
            metrics_listen: env.value(&env::METRICS_LISTEN, address),
            lease: lease(&mut env),
            organization_slots_percent: env.value(&env::ORGANIZATION_SLOTS_PERCENT, count),
            work_health_max_age: env.value(&env::WORK_HEALTH_MAX_AGE_MS, millis),
            plan_ahead: env.value(&env::PLAN_AHEAD_MS, millis),
            prepare_ahead: env.value(&env::PREPARE_AHEAD_MS, millis),
            refresh_ahead: env.value(&env::REFRESH_AHEAD_MS, millis),
            history_retention_days: env.value(&env::HISTORY_RETENTION_DAYS, count),
            shutdown_timeout: env.value(&env::SHUTDOWN_TIMEOUT_MS, millis),
            log: log(&mut env),
        };
        env.finish(config)
    }
}

impl WorkerConfig {
    /// Reads the variables through `look`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] lists everything that is missing or wrong.
    pub fn from(look: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        use env::parse::{
            address, bytes, count, http_url, millis, name, postgres_url, queues, secret, text,
        };
        let mut env = Reader::new(Process::Worker, look);
        let (travel_keys, token_keys) = parts::keys_apart(&mut env);
        let config = Self {
            name: env.optional(&env::WORKER_NAME, name).unwrap_or_else(parts::host_and_process),
            queues: env.value(&env::WORKER_QUEUES, queues),
            organization_slots_percent: env.value(&env::ORGANIZATION_SLOTS_PERCENT, count),
            database_url: env.value(&env::WORKER_DATABASE_URL, postgres_url),
            database_pool_size: env.value(&env::DATABASE_POOL_SIZE, count),
            redis: redis(&mut env),
            metrics_listen: env.value(&env::METRICS_LISTEN, address),
            travel_keys,
            token_keys,
            media: media(&mut env),
            max_upload_bytes: env.value(&env::MAX_UPLOAD_BYTES, bytes),
            language_models: language_models(&mut env),
            image_models: image_models(&mut env),
            x_api_url: env.value(&env::X_API_URL, http_url),
            x_client_id: env.optional(&env::X_CLIENT_ID, text),
            x_client_secret: env.optional(&env::X_CLIENT_SECRET, secret),
            publish_request_timeout: env.value(&env::PUBLISH_REQUEST_TIMEOUT_MS, millis),
            publish_send_window: env.value(&env::PUBLISH_SEND_WINDOW_MS, millis),
            reconcile_wait: env.optional(&env::RECONCILE_WAIT_MS, millis),
            lease_renew: env.value(&env::LEASE_RENEW_MS, millis),
            lease: lease(&mut env),
            work_health_max_age: env.value(&env::WORK_HEALTH_MAX_AGE_MS, millis),
            shutdown_timeout: env.value(&env::SHUTDOWN_TIMEOUT_MS, millis),
            log: log(&mut env),
        };
        if config.lease.ttl < 2 * config.lease_renew {
            let wrong = "is less than twice `LEASE_RENEW_MS`, so that one late renewal would \
                         lose all jobs";
            env.problem(&env::LEASE_TTL_MS, wrong.to_owned());
        }
        env.finish(config)
    }
}

impl MigrateConfig {
    /// Reads the variables through `look`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] lists everything that is missing or wrong.
    pub fn from(look: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        use env::parse::postgres_url;
        let mut env = Reader::new(Process::Migrate, look);
        let config = Self {
            database_url: env.value(&env::MIGRATE_DATABASE_URL, postgres_url),
            api_database_url: env.optional(&env::API_DATABASE_URL, postgres_url),
            scheduler_database_url: env.optional(&env::SCHEDULER_DATABASE_URL, postgres_url),
            worker_database_url: env.optional(&env::WORKER_DATABASE_URL, postgres_url),
            log: log(&mut env),
        };
        env.finish(config)
    }
}

#[cfg(test)]
mod tests;
