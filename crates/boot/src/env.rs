//! Every environment variable, once: its meaning, shape, default, example and readers.
//!
//! The configuration of a process ([`crate::config`]) reads through these constants, the
//! reference page is rendered from them, and an error quotes them.
//!
//! **Invariant:** nothing else in the workspace names or reads an environment variable.

pub(crate) mod parse;
mod problem;
mod reader;
mod reference;
mod shape;

pub use parse::{Dialect, LogFormat, PricedModel, QueueSlots, TokenHash};
pub use problem::{Invalid, Problem};
pub(crate) use reader::Reader;
pub use reference::reference_markdown;
pub use shape::Shape;

use Fallback::{Computed, Off, PerProcess, Required, Value};
use Process::{Api, Migrate, Scheduler, Worker};

/// A program that reads the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// `api-lite`.
    Api,
    /// `scheduler`.
    Scheduler,
    /// `worker`.
    Worker,
    /// `scheduler migrate`.
    Migrate,
}

impl Process {
    /// The command that starts it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Api => "api-lite",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
            Self::Migrate => "scheduler migrate",
        }
    }
}

/// What holds when a variable is not set. An empty variable counts as not set.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// The process does not start.
    Required,
    /// This text is read in its place.
    Value(&'static str),
    /// The text of the reading process is read in its place.
    PerProcess(&'static [(Process, &'static str)]),
    /// Worked out at start, in the way described.
    Computed(&'static str),
    /// What it would switch on stays off, as described.
    Off(&'static str),
}

/// One environment variable.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its meaning, in a sentence or two.
    pub about: &'static str,
    /// What it takes, with unit and range.
    pub shape: Shape,
    /// What holds when it is not set.
    pub fallback: Fallback,
    /// A right value. For a secret, one that fits in shape only.
    pub example: &'static str,
    /// Who reads it.
    pub processes: &'static [Process],
    /// Whether its value must never be shown.
    pub secret: bool,
}

macro_rules! variables {
    ($($(#[doc = $about:literal])+ $name:ident($($process:ident),+) $shape:expr, $fallback:expr,
       $example:literal $(, $secret:ident)?;)+) => {
        $($(#[doc = $about])+
        pub static $name: Variable = Variable {
            name: stringify!($name),
            about: concat!($($about),+),
            shape: $shape,
            fallback: $fallback,
            example: $example,
            processes: &[$($process),+],
            secret: !concat!($(stringify!($secret)),*).is_empty(),
        };)+

        /// All variables, in the order of the reference page.
        pub static ALL: &[&Variable] = &[$(&$name),+];
    };
}

// name(who reads it) shape, when not set, example, `secret` if its value must never be shown;
variables! {
    /// Login of the API to Postgres: a role that may only enqueue and read.
    API_DATABASE_URL(Api, Migrate) Shape::PostgresUrl, Required,
        "postgres://api_login:password@127.0.0.1:5432/ezre", secret;
    /// Login of the scheduler to Postgres.
    SCHEDULER_DATABASE_URL(Scheduler, Migrate) Shape::PostgresUrl, Required,
        "postgres://scheduler_login:password@127.0.0.1:5432/ezre", secret;
    /// Login of the worker to Postgres.
    WORKER_DATABASE_URL(Worker, Migrate) Shape::PostgresUrl, Required,
        "postgres://worker_login:password@127.0.0.1:5432/ezre", secret;
    /// Login of the owner of the tables. `scheduler migrate` also reads the URLs of the three
    /// processes, where they are set, to give their logins a password.
    MIGRATE_DATABASE_URL(Migrate) Shape::PostgresUrl, Required,
        "postgres://owner:password@127.0.0.1:5432/ezre", secret;
    /// Connections that this process opens to Postgres at most. All processes together must stay
    /// below the server's limit.
    DATABASE_POOL_SIZE(Api, Scheduler, Worker) Shape::Count { of: "connections", min: 1, max: 500 },
        PerProcess(&[(Api, "10"), (Scheduler, "5"), (Worker, "16")]), "10";
    /// Redis, which makes waiting and ringing quick and holds nothing that matters.
    REDIS_URL(Api, Scheduler, Worker) Shape::RedisUrl,
        Off("runs without Redis: a little slower, nothing lost"), "redis://127.0.0.1:6379/0", secret;
    /// What every Redis key begins with, so that fleets may share a server.
    REDIS_PREFIX(Api, Scheduler, Worker) Shape::Name, Value("ezre"), "ezre";

    /// Where the API listens. When it is not set and the platform sets `PORT`, the API listens on
    /// that port on all addresses.
    API_LISTEN(Api) Shape::Address, Value("127.0.0.1:8080"), "0.0.0.0:8080";
    /// The port that the platform gives a web process; `API_LISTEN` goes before it.
    PORT(Api) Shape::Count { of: "port", min: 0, max: 65535 }, Off("`API_LISTEN` decides"), "8080";
    /// The address under which others reach the API, as in the addresses of uploads.
    API_PUBLIC_URL(Api) Shape::HttpUrl, Computed("`http://` and the address it listens on"),
        "https://api.example.com";
    /// Where the scheduler and the worker serve `/metrics` and `/health/…`. Port 0 takes a free
    /// one; the log line `admin.listening` tells which.
    METRICS_LISTEN(Scheduler, Worker) Shape::Address,
        PerProcess(&[(Scheduler, "127.0.0.1:9464"), (Worker, "127.0.0.1:9465")]), "0.0.0.0:9464";
    /// SHA-256 of the operators' token, with which they read and enqueue across organizations:
    /// `printf %s "$TOKEN" | sha256sum | cut -d' ' -f1`.
    OPERATOR_TOKEN_SHA256(Api) Shape::Sha256, Off("the operators' routes are closed"),
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", secret;
    /// Largest JSON body of a request.
    MAX_BODY_BYTES(Api) Shape::Bytes { min: 1_024, max: 67_108_864 }, Value("1048576"), "1048576";
    /// Largest file that can be uploaded, and that the worker reads back.
    MAX_UPLOAD_BYTES(Api, Worker) Shape::Bytes { min: 1_024, max: 5_368_709_120 },
        Value("16777216"), "16777216";
    /// Longest time that the API spends on a request, streams excepted.
    REQUEST_TIMEOUT_MS(Api) Shape::Millis { min: 1, max: 600_000 }, Value("30000"), "30000";
    /// Requests a minute of an API key that has no limit of its own.
    DEFAULT_RATE_LIMIT_PER_MINUTE(Api) Shape::Count { of: "requests", min: 1, max: 1_000_000 },
        Value("600"), "600";

    /// Keys of the secrets that travel from the API to the worker, the current one first.
    TRAVEL_KEYS(Api, Worker) Shape::Keys, Required,
        "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", secret;
    /// Keys of the networks' tokens at rest, the current one first. They share no key with
    /// `TRAVEL_KEYS`.
    TOKEN_KEYS(Worker) Shape::Keys, Required,
        "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", secret;

    /// Where media is kept. A local folder must be the same one for the API and all workers.
    MEDIA_STORE(Api, Worker) Shape::MediaStore, Required,
        "local:/var/lib/ezre/media";
    /// The S3-compatible server; without the bucket.
    S3_ENDPOINT(Api, Worker) Shape::HttpUrl, Off("required with `MEDIA_STORE=s3:…`"),
        "https://s3.eu-central-1.amazonaws.com";
    /// The region that requests are signed for.
    S3_REGION(Api, Worker) Shape::Name, Value("us-east-1"), "eu-central-1";
    /// The access key of the bucket.
    S3_ACCESS_KEY_ID(Api, Worker) Shape::Text, Off("required with `MEDIA_STORE=s3:…`"),
        "AKIAIOSFODNN7EXAMPLE", secret;
    /// The secret of the access key.
    S3_SECRET_ACCESS_KEY(Api, Worker) Shape::Text, Off("required with `MEDIA_STORE=s3:…`"),
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", secret;
    /// Whether the bucket stands in the path, as MinIO wants it, and not in the host name.
    S3_PATH_STYLE(Api, Worker) Shape::Flag, Value("false"), "true";

    /// How the language models are spoken to: OpenAI's chat completions, the same as older compatible
    /// servers know them, or Anthropic's messages.
    LLM_DIALECT(Worker) Shape::OneOf(&["openai", "openai-older", "anthropic"]), Value("openai"),
        "anthropic";
    /// Where the language models are, with the version of their interface.
    LLM_BASE_URL(Worker) Shape::HttpUrl, Off("`content.generate` is refused"),
        "https://api.openai.com/v1";
    /// The key of the language models; a server of one's own may need none.
    LLM_API_KEY(Worker) Shape::Text, Off("no key is sent"), "sk-example", secret;
    /// The language models that may be asked, and what they cost. Told the API too, it refuses others at
    /// once; else only the worker does.
    LLM_MODELS(Api, Worker) Shape::Models, Off("required with `LLM_BASE_URL`"),
        "gpt-5-mini=250000/2000000,gpt-5=1250000/10000000";
    /// How long may pass until a language model's answer begins, and between two pieces of it.
    LLM_SILENCE_MS(Worker) Shape::Millis { min: 1, max: 600_000 }, Value("60000"), "60000";
    /// Where the image models are: an interface like OpenAI's.
    IMAGE_BASE_URL(Worker) Shape::HttpUrl, Off("`media.generate` is refused"),
        "https://api.openai.com/v1";
    /// The key of the image models.
    IMAGE_API_KEY(Worker) Shape::Text, Off("no key is sent"), "sk-example", secret;
    /// The image models that may be asked, and what they cost where that is counted in tokens. Told the
    /// API too, it refuses others at once; else only the worker does.
    IMAGE_MODELS(Api, Worker) Shape::Models, Off("required with `IMAGE_BASE_URL`"),
        "gpt-image-1=5000000/40000000";
    /// How long an image may take.
    IMAGE_SILENCE_MS(Worker) Shape::Millis { min: 1, max: 600_000 }, Value("180000"), "180000";

    /// The queues that this worker serves and the slots of each; a queue left out is not served.
    WORKER_QUEUES(Worker) Shape::Queues,
        Value("control=2,interactive=8,publish=8,generate=4,connect=4,poll=4,aggregate=2,\
               maintenance=1"),
        "publish=8,interactive=8,control=2";
    /// How much of the fleet's slots of a queue the jobs of one organization may take at once.
    ORGANIZATION_SLOTS_PERCENT(Scheduler, Worker) Shape::Count { of: "percent", min: 1, max: 100 },
        Value("75"), "75";
    /// The name of this worker in tables and logs, different for each one that runs.
    WORKER_NAME(Worker) Shape::Name, Computed("`<host name>-<process id>`"), "worker-1";
    /// Where the API of X is. Tests and the demo point it at the simulator.
    X_API_URL(Worker) Shape::HttpUrl, Value("https://api.x.com"), "https://api.x.com";
    /// The id of our app at X. The worker refreshes tokens with it, the API sends people to X's consent
    /// page with it.
    X_CLIENT_ID(Api, Worker) Shape::Text, Off("accounts of X are not connected, and not refreshed"),
        "M1M5R3BMVy13QmpScXkzTUt5OE46MTpjaQ";
    /// The secret of our app at X; left out for an app that cannot keep one.
    X_CLIENT_SECRET(Worker) Shape::Text, Off("our app is a public one"),
        "eUsbnqaJfxeqtL0WlQ1bZPfMnNTb1h3gpq1Vn6SL", secret;
    /// X's consent page. Tests and the demo point it at the simulator.
    X_CONSENT_URL(Api) Shape::HttpUrl, Value("https://x.com/i/oauth2/authorize"),
        "https://x.com/i/oauth2/authorize";
    /// Where people may be sent back to after they connected an account: the frontends' addresses,
    /// each with all that begins with its path.
    OAUTH_RETURN_URLS(Api) Shape::Urls, Off("nobody is sent to a consent page"),
        "https://app.example.com/accounts,https://staging.example.com";
    /// The consumer secret with which X signs what it tells by webhook; while it is being changed, the
    /// new one and the old one.
    X_WEBHOOK_SECRETS(Api) Shape::Secrets, Off("webhooks of X are refused"),
        "VKQ5mNq1TGsCwN4dDRBxpPmJ1sy2c0ybWPFzXY5LxW7ePjmq3d", secret;
    /// The secrets with which Stripe signs what it tells by webhook: `whsec_…`, all that are in force.
    STRIPE_WEBHOOK_SECRETS(Api) Shape::Secrets, Off("webhooks of Stripe are refused"),
        "whsec_Yx1nWkMzQ0pJ8rTq", secret;
    /// How old what Stripe signed may be.
    STRIPE_WEBHOOK_TOLERANCE_MS(Api) Shape::Millis { min: 1000, max: 3_600_000 }, Value("300000"),
        "300000";
    /// How long before its end a token is refreshed, at the earliest; up to a quarter later, and not
    /// before two thirds of its life.
    REFRESH_AHEAD_MS(Scheduler) Shape::Millis { min: 1, max: 86_400_000 }, Value("1800000"),
        "1800000";
    /// Longest time that a call which publishes may take.
    PUBLISH_REQUEST_TIMEOUT_MS(Worker) Shape::Millis { min: 1, max: 300_000 }, Value("10000"),
        "10000";
    /// How long after its intent was committed a publishing call may still be begun.
    PUBLISH_SEND_WINDOW_MS(Worker) Shape::Millis { min: 1, max: 60_000 }, Value("2000"), "2000";
    /// Wait before an unknown outcome is looked up, in place of the network's own.
    RECONCILE_WAIT_MS(Worker) Shape::Millis { min: 0, max: 3_600_000 },
        Off("each network's own wait"), "5000";
    /// How often a worker renews its lease.
    LEASE_RENEW_MS(Worker) Shape::Millis { min: 1, max: 60_000 }, Value("3000"), "3000";
    /// Silence after which a worker counts as dead and its jobs run elsewhere; at least twice
    /// `LEASE_RENEW_MS`.
    LEASE_TTL_MS(Scheduler, Worker) Shape::Millis { min: 2, max: 300_000 }, Value("10000"),
        "10000";
    /// Time after the database's start, or after reconnecting to it, in which nobody is declared
    /// dead.
    RESCUE_GRACE_MS(Scheduler, Worker) Shape::Millis { min: 0, max: 600_000 }, Value("15000"),
        "15000";
    /// How long the same job may be the next one of its queue, due and held back by nothing, before
    /// `/health/work` fails.
    WORK_HEALTH_MAX_AGE_MS(Scheduler, Worker) Shape::Millis { min: 1, max: 86_400_000 },
        Value("60000"), "60000";
    /// How long before its time a schedule becomes a job.
    PLAN_AHEAD_MS(Scheduler) Shape::Millis { min: 1, max: 3_600_000 }, Value("60000"),
        "60000";
    /// How long before its time a post's media is prepared.
    PREPARE_AHEAD_MS(Scheduler) Shape::Millis { min: 1, max: 86_400_000 }, Value("600000"),
        "600000";
    /// How long ended jobs are kept.
    HISTORY_RETENTION_DAYS(Scheduler) Shape::Count { of: "days", min: 1, max: 3_650 },
        Value("90"), "90";
    /// Longest time that a process takes to end after SIGTERM; below the platform's own limit.
    SHUTDOWN_TIMEOUT_MS(Api, Scheduler, Worker) Shape::Millis { min: 1, max: 600_000 },
        Value("25000"), "25000";

    /// Which log lines are written: a level, or a filter by module.
    LOG(Api, Scheduler, Worker, Migrate) Shape::LogFilter, Value("info"), "info,queue=debug";
    /// How log lines are written to standard error.
    LOG_FORMAT(Api, Scheduler, Worker, Migrate) Shape::OneOf(&["json", "text"]), Value("json"),
        "text";
}
