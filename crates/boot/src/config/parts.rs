//! The parts that several processes share.
//!
//! Read by the configurations of [`super`], each part by one function.
//!
//! **Invariant:** a part that is switched off has no settings lying about.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::env::parse::{
    Place, dialect, flag, http_url, keys, log_filter, log_format, media_store, millis, models,
    name, redis_url, secret,
};
use crate::env::{self, Dialect, LogFormat, PricedModel, Reader};

/// Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Its URL, with the password if there is one.
    pub url: SecretString,
    /// What every key begins with.
    pub prefix: String,
}

/// When a worker counts as dead.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// Silence after which it does.
    pub ttl: Duration,
    /// Time after the database's start or a reconnection in which nobody does.
    pub rescue_grace: Duration,
}

/// Where media is kept.
#[derive(Debug, Clone)]
pub enum MediaStore {
    /// A folder of this machine.
    Local {
        /// The folder.
        folder: PathBuf,
    },
    /// A bucket of an S3-compatible server.
    S3(S3),
}

/// A bucket of an S3-compatible server.
#[derive(Debug, Clone)]
pub struct S3 {
    /// The server, without the bucket.
    pub endpoint: Url,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key.
    pub access_key_id: SecretString,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// Whether the bucket stands in the path.
    pub path_style: bool,
}

/// Models of one provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// How they are spoken to.
    pub dialect: Dialect,
    /// Where they are.
    pub base_url: Url,
    /// The key, if they need one.
    pub api_key: Option<SecretString>,
    /// The models, the one that is asked unless another is named first.
    pub models: Vec<PricedModel>,
    /// How long they may be silent.
    pub silence: Duration,
}

/// Which log lines are written, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A filter that parses.
    pub filter: String,
    /// JSON or text.
    pub format: LogFormat,
}

pub(super) fn redis(env: &mut Reader<'_>) -> Option<Redis> {
    let url = env.optional(&env::REDIS_URL, redis_url)?;
    Some(Redis { url, prefix: env.value(&env::REDIS_PREFIX, name) })
}

pub(super) fn lease(env: &mut Reader<'_>) -> Lease {
    Lease {
        ttl: env.value(&env::LEASE_TTL_MS, millis),
        rescue_grace: env.value(&env::RESCUE_GRACE_MS, millis),
    }
}

pub(super) fn log(env: &mut Reader<'_>) -> LogSettings {
    LogSettings {
        filter: env.value(&env::LOG, log_filter),
        format: env.value(&env::LOG_FORMAT, log_format),
    }
}

pub(super) fn media(env: &mut Reader<'_>) -> MediaStore {
    match env.value(&env::MEDIA_STORE, media_store) {
        Place::Local(folder) => MediaStore::Local { folder },
        Place::S3(bucket) => MediaStore::S3(S3 {
            endpoint: env.value(&env::S3_ENDPOINT, http_url),
            bucket,
            region: env.value(&env::S3_REGION, name),
            access_key_id: env.value(&env::S3_ACCESS_KEY_ID, secret),
            secret_access_key: env.value(&env::S3_SECRET_ACCESS_KEY, secret),
            path_style: env.value(&env::S3_PATH_STYLE, flag),
        }),
    }
}

pub(super) fn language_models(env: &mut Reader<'_>) -> Option<Provider> {
    let base_url = env.optional(&env::LLM_BASE_URL, http_url)?;
    Some(Provider {
        dialect: env.value(&env::LLM_DIALECT, dialect),
        base_url,
        api_key: env.optional(&env::LLM_API_KEY, secret),
        models: env.value(&env::LLM_MODELS, models),
        silence: env.value(&env::LLM_SILENCE_MS, millis),
    })
}

pub(super) fn image_models(env: &mut Reader<'_>) -> Option<Provider> {
    let base_url = env.optional(&env::IMAGE_BASE_URL, http_url)?;
    Some(Provider {
        dialect: Dialect::OpenAi,
        base_url,
        api_key: env.optional(&env::IMAGE_API_KEY, secret),
        models: env.value(&env::IMAGE_MODELS, models),
        silence: env.value(&env::IMAGE_SILENCE_MS, millis),
    })
}

/// The travel keys and the token keys. One key in both settings would let the API read tokens.
pub(super) fn keys_apart(env: &mut Reader<'_>) -> (SecretString, SecretString) {
    let travel = env.value(&env::TRAVEL_KEYS, keys);
    let token = env.value(&env::TOKEN_KEYS, keys);
    let of = |setting: &SecretString| {
        let keys = setting.expose_secret().split(',').filter_map(|entry| entry.split_once(':'));
        keys.map(|(_, key)| key.trim().trim_end_matches('=').to_owned()).collect::<Vec<_>>()
    };
    if of(&token).iter().any(|key| of(&travel).contains(key)) {
        env.problem(&env::TOKEN_KEYS, "shares a key with `TRAVEL_KEYS`".to_owned());
    }
    (travel, token)
}

/// `<host name>-<process id>`.
pub(super) fn host_and_process() -> String {
    let host = gethostname::gethostname();
    format!("{}-{}", host.to_string_lossy(), std::process::id())
}
