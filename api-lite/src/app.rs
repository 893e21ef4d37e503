//! What every handler shares.
//!
//! **Invariant:** nothing here can publish, read a token, or change a row other than by enqueueing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::auth::Keys;
use crate::body;
use crate::database::Database;
use crate::enqueue::Groups;
use crate::intake::Intake;
use bell::Bell;
use boot::ApiConfig;
use boot::config::{MediaStore, PricedModel, TokenHash};
use jobs::kinds::{ApplyBilling, IngestEngagement};
use platforms::Platform;
use seal::TravelKeys;
use store::{Login, Store};

/// What every handler shares; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

/// The parts.
pub(crate) struct Inner {
    /// Postgres.
    pub(crate) database: Database,
    /// Where small requests to enqueue share a commit.
    pub(crate) groups: Groups,
    /// Redis.
    pub(crate) bell: Bell,
    /// Keys that were looked up a moment ago.
    pub(crate) keys: Keys,
    /// SHA-256 of the operators' token, if there is one.
    pub(crate) operator_token: Option<TokenHash>,
    /// Seals secrets for their way to the worker.
    pub(crate) travel_keys: TravelKeys,
    /// How accounts are connected.
    pub(crate) oauth: OAuth,
    /// Where networks tell us things.
    pub(crate) webhooks: Webhooks,
    /// Where uploads go.
    pub(crate) media: media::Store,
    /// The names of the language models, if the API is told.
    pub(crate) language_models: Option<Vec<String>>,
    /// The names of the image models, if the API is told.
    pub(crate) image_models: Option<Vec<String>>,
    /// Under which address others reach this process.
    pub(crate) public_url: Url,
    /// Largest JSON body.
    pub(crate) max_body_bytes: usize,
    /// For how many KiB of large bodies there is room.
    pub(crate) room: Arc<Semaphore>,
    /// Largest upload.
    pub(crate) max_upload_bytes: u64,
    /// Longest time for a request.
    pub(crate) request_timeout: Duration,
    /// Requests a minute of a key without a limit of its own.
    pub(crate) default_rate_limit: u32,
    /// Cancelled when the process is to end: nobody begins to wait any more.
    pub(crate) shutdown: CancellationToken,
}

/// What networks tell, and how it is known to be theirs.
pub(crate) struct Webhooks {
    /// What X signs with; the first secret is the one in force.
    pub(crate) x_secrets: Vec<SecretString>,
    /// Where X's events go.
    pub(crate) x: Intake,
    /// What Stripe signs with: all that are in force.
    pub(crate) stripe_secrets: Vec<SecretString>,
    /// How far from now a signature of Stripe's may be.
    pub(crate) stripe_tolerance: Duration,
    /// Where Stripe's events go.
    pub(crate) stripe: Intake,
}

/// Our apps at the networks.
pub(crate) struct OAuth {
    x_client_id: Option<String>,
    x_consent_url: String,
    /// Where people may be sent back to.
    pub(crate) return_urls: Vec<Url>,
}

impl OAuth {
    /// The id of our app, where it is set up.
    pub(crate) fn client_id(&self, platform: Platform) -> Option<&str> {
        match platform {
            Platform::Twitter => self.x_client_id.as_deref(),
        }
    }

    /// The page that asks for consent.
    pub(crate) fn consent_page(&self, platform: Platform) -> &str {
        match platform {
            Platform::Twitter => &self.x_consent_url,
        }
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Puts the parts together, in a runtime. Connects to nothing yet.
    pub(crate) fn new(
        config: &ApiConfig,
        public_url: Url,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let url = config.database_url.expose_secret();
        let store = Store::new(url, Login::Api, config.database_pool_size)?;
        let bell = match &config.redis {
            Some(redis) => Bell::connect(Some(redis.url.expose_secret()), &redis.prefix)?,
            None => Bell::silent(),
        };
        let database = Database::new(store);
        let webhooks = Webhooks {
            x_secrets: config.x_webhook_secrets.clone(),
            x: Intake::start::<IngestEngagement>(&database, &bell, store::engagement::SENDER),
            stripe_secrets: config.stripe_webhook_secrets.clone(),
            stripe_tolerance: config.stripe_webhook_tolerance,
            stripe: Intake::start::<ApplyBilling>(&database, &bell, store::billing::SENDER),
        };
        let inner = Inner {
            groups: Groups::start(&database),
            webhooks,
            database,
            bell,
            keys: Keys::default(),
            operator_token: config.operator_token_sha256.clone(),
            travel_keys: TravelKeys::parse(&config.travel_keys).context("TRAVEL_KEYS")?,
            oauth: OAuth {
                x_client_id: config.x_client_id.clone(),
                x_consent_url: config.x_consent_url.to_string(),
                return_urls: config.oauth_return_urls.clone(),
            },
            media: open_media(&config.media).context("MEDIA_STORE")?,
            language_models: names(config.language_models.as_deref()),
            image_models: names(config.image_models.as_deref()),
            public_url,
            max_body_bytes: config.max_body_bytes,
            room: Arc::new(Semaphore::new(body::ROOM_KIB as usize)),
            max_upload_bytes: config.max_upload_bytes as u64,
            request_timeout: config.request_timeout,
            default_rate_limit: config.default_rate_limit_per_minute,
            shutdown,
        };
        Ok(Self(Arc::new(inner)))
    }
}

fn names(models: Option<&[PricedModel]>) -> Option<Vec<String>> {
    models.map(|models| models.iter().map(|model| model.name.clone()).collect())
}

fn open_media(store: &MediaStore) -> Result<media::Store, media::Error> {
    Ok(match store {
        MediaStore::Local { folder } => media::Store::Local(media::Local::open(folder)?),
        MediaStore::S3(s3) => media::Store::S3(media::S3::open(&media::S3Settings {
            endpoint: s3.endpoint.clone(),
            bucket: s3.bucket.clone(),
            region: s3.region.clone(),
            access_key_id: s3.access_key_id.clone(),
            secret_access_key: s3.secret_access_key.clone(),
            path_style: s3.path_style,
        })?),
    })
}
