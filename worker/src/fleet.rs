//! What every handler shares: the database, the bell, the networks, storage and keys.
//!
//! **Invariant:** nothing here knows a job.

use std::time::Duration;

use crate::models::Models;
use bell::Bell;
use jobs::Queue;
use platforms::Platform;
use store::Store;

/// What every handler shares.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// The truth.
    pub(crate) store: Store,
    /// Redis.
    pub(crate) bell: Bell,
    /// X.
    pub(crate) x: connectors::X,
    /// X's OAuth endpoints, when our app is set up there.
    pub(crate) x_oauth: Option<connectors::XOAuth>,
    /// Object storage.
    pub(crate) media: media::Store,
    /// The language models.
    pub(crate) language: Models,
    /// The image models.
    pub(crate) images: Models,
    /// Largest upload that is read back, in bytes.
    pub(crate) max_upload_bytes: usize,
    /// Seals tokens at rest.
    pub(crate) token_keys: seal::TokenKeys,
    /// Opens what the API sealed into arguments.
    pub(crate) travel_keys: seal::TravelKeys,
    /// Settings of publishing.
    pub(crate) publishing: Publishing,
}

/// Settings of publishing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publishing {
    /// How long the network may take to answer the publishing call.
    pub(crate) request_timeout: Duration,
    /// How long after the intent the call may still be sent.
    pub(crate) send_window: Duration,
    /// Instead of the network's own wait before an account is read back.
    pub(crate) reconcile_wait: Option<Duration>,
}

impl Fleet {
    /// The network's connector.
    pub(crate) fn connector(&self, platform: Platform) -> &dyn connectors::Connector {
        match platform {
            Platform::Twitter => &self.x,
        }
    }

    /// The network's OAuth endpoints, when our app is set up there.
    pub(crate) fn oauth(&self, platform: Platform) -> Option<&dyn connectors::OAuth> {
        match platform {
            Platform::Twitter => self.x_oauth.as_ref().map(|oauth| oauth as &dyn connectors::OAuth),
        }
    }

    /// Tells workers that the queue has work: by Redis, and by Postgres while Redis is down.
    pub(crate) fn ring(&self, queue: Queue) {
        self.bell.ring(queue.as_str(), 1);
        if !self.bell.is_up() {
            let store = self.store.clone();
            tokio::spawn(async move {
                // A lost bell costs a second at most: the claimers look by themselves.
                let _ = store.notify(queue).await;
            });
        }
    }
}

/// Opens the media store that the settings name.
///
/// # Errors
/// [`media::Error`] when the folder cannot be used or the bucket's settings do not fit together.
pub(crate) fn media(settings: &boot::config::MediaStore) -> Result<media::Store, media::Error> {
    use boot::config::MediaStore;
    Ok(match settings {
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
