//! What kind of fleet a test wants, and the processes' environment.
//!
//! **Invariant:** a process is given what is its own, and nothing else.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::database::Login;
use super::servers::Care;
use crate::person::RETURN_TO;

/// What must be quick in tests. Everything else is as the processes have it by default.
const QUICK: [(&str, &str); 7] = [
    ("LEASE_RENEW_MS", "300"),
    ("LEASE_TTL_MS", "2500"),
    ("RESCUE_GRACE_MS", "500"),
    ("PUBLISH_REQUEST_TIMEOUT_MS", "1500"),
    ("PUBLISH_SEND_WINDOW_MS", "1000"),
    ("RECONCILE_WAIT_MS", "200"),
    ("SHUTDOWN_TIMEOUT_MS", "8000"),
];

/// The language models of a fleet, and what they cost. Each has a limit of its own at the provider, so
/// that one test's need not be another's; the provider does not have the last one.
const LANGUAGE_MODELS: &str = "gpt-simulated=2000000/8000000,gpt-busy=2000000/8000000,\
    gpt-poor=2000000/8000000,missing-model=0/0";
/// The image models.
const IMAGE_MODELS: &str = "gpt-image-simulated=5000000/40000000";

/// The settings of models, of those that a process of this login reads.
pub(super) fn models(login: Login, simulator_url: &str) -> Vec<(String, String)> {
    let base = format!("{simulator_url}/v1");
    let told = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let names = [told("LLM_MODELS", LANGUAGE_MODELS), told("IMAGE_MODELS", IMAGE_MODELS)];
    let places = [told("LLM_BASE_URL", &base), told("IMAGE_BASE_URL", &base)];
    match login {
        Login::Owner | Login::Scheduler => Vec::new(),
        Login::Api => names.into(),
        Login::Worker => names.into_iter().chain(places).collect(),
    }
}

/// A kind of fleet.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) workers: usize,
    pub(super) schedulers: usize,
    pub(super) has_redis: bool,
    pub(super) can_be_cut: bool,
    pub(super) starts_cut: bool,
    pub(super) own_servers: Option<Care>,
    pub(super) starts_down: bool,
    pub(super) settings: Vec<(String, String)>,
    pub(super) of_api: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        let settings = QUICK.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            workers: 2,
            schedulers: 1,
            has_redis: true,
            can_be_cut: false,
            starts_cut: false,
            own_servers: None,
            starts_down: false,
            settings: settings.into(),
            of_api: Vec::new(),
        }
    }
}

impl Setup {
    /// So many workers.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// So many schedulers.
    pub fn schedulers(mut self, schedulers: usize) -> Self {
        self.schedulers = schedulers;
        self
    }

    /// No Redis at all.
    pub fn without_redis(mut self) -> Self {
        self.has_redis = false;
        self
    }

    /// Postgres and Redis are reached by ways that the test can cut.
    pub fn can_be_cut(mut self) -> Self {
        self.can_be_cut = true;
        self
    }

    /// As [`Setup::can_be_cut`], and at first both are cut.
    pub fn starts_cut(mut self) -> Self {
        self.can_be_cut = true;
        self.starts_cut = true;
        self
    }

    /// Postgres and Redis servers of the fleet's own, which the test may stop, kill and empty.
    pub fn own_servers(mut self, care: Care) -> Self {
        self.own_servers = Some(care);
        self
    }

    /// With servers of its own, which are down when the processes start.
    pub fn starts_down(mut self) -> Self {
        self.own_servers = Some(Care::Quick);
        self.starts_down = true;
        self
    }

    /// Settings of the API alone.
    pub fn with_api(mut self, settings: Vec<(&'static str, String)>) -> Self {
        self.of_api.extend(settings);
        self
    }

    /// A setting of all processes.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The secrets of one fleet.
#[derive(Clone)]
pub struct Secrets {
    /// The operators' token, whose hash alone the API is given.
    pub operator_token: String,
    /// One key, in base64.
    pub travel_key: String,
    /// One key, in base64.
    pub token_key: String,
    /// The secret of our app at the network.
    pub app_secret: String,
    /// The key of the models.
    pub model_key: String,
    /// What the network signs with.
    pub x_webhook: String,
    /// What Stripe signs with.
    pub stripe_webhook: String,
}

/// The id of our app at the network.
pub(super) const APP: &str = "ezre-tests";

impl Secrets {
    /// New ones.
    #[expect(clippy::new_without_default, reason = "secrets are never the same")]
    pub fn new() -> Self {
        let key = || STANDARD.encode(rand::random::<[u8; 32]>());
        Self {
            operator_token: random_hex(24),
            travel_key: key(),
            token_key: key(),
            app_secret: random_hex(20),
            model_key: format!("sk-{}", random_hex(24)),
            x_webhook: random_hex(25),
            stripe_webhook: format!("whsec_{}", random_hex(16)),
        }
    }

    /// Everything that any of the processes must be told, but where the database is. Media is kept
    /// in `folder`.
    pub fn environment(&self, folder: &Path) -> Vec<(String, String)> {
        let all = [
            ("API_LISTEN", "127.0.0.1:0".to_owned()),
            ("METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("MEDIA_STORE", format!("local:{}", folder.join("media").display())),
            ("OPERATOR_TOKEN_SHA256", hex::encode(Sha256::digest(&self.operator_token))),
            ("TRAVEL_KEYS", format!("k1:{}", self.travel_key)),
            ("TOKEN_KEYS", format!("k2:{}", self.token_key)),
            ("X_CLIENT_ID", APP.to_owned()),
            ("X_CLIENT_SECRET", self.app_secret.clone()),
            ("OAUTH_RETURN_URLS", RETURN_TO.to_owned()),
            ("X_WEBHOOK_SECRETS", self.x_webhook.clone()),
            ("STRIPE_WEBHOOK_SECRETS", self.stripe_webhook.clone()),
            ("LLM_API_KEY", self.model_key.clone()),
            ("IMAGE_API_KEY", self.model_key.clone()),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Of the above, what one process reads.
    pub(super) fn environment_of(&self, login: Login, folder: &Path) -> Vec<(String, String)> {
        let own: &[&str] = match login {
            Login::Owner => &[],
            Login::Api => &[
                "API_LISTEN",
                "MEDIA_STORE",
                "OPERATOR_TOKEN_SHA256",
                "TRAVEL_KEYS",
                "X_CLIENT_ID",
                "OAUTH_RETURN_URLS",
                "X_WEBHOOK_SECRETS",
                "STRIPE_WEBHOOK_SECRETS",
            ],
            Login::Scheduler => &["METRICS_LISTEN"],
            Login::Worker => &[
                "METRICS_LISTEN",
                "MEDIA_STORE",
                "TRAVEL_KEYS",
                "TOKEN_KEYS",
                "X_CLIENT_ID",
                "X_CLIENT_SECRET",
                "LLM_API_KEY",
                "IMAGE_API_KEY",
            ],
        };
        let mut environment = self.environment(folder);
        environment.retain(|(name, _)| own.contains(&name.as_str()));
        environment
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// So many random bytes, in hexadecimal.
pub(super) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}
