//! The real `api-lite`, and a key to speak to it with.
//!
//! **Invariant:** requests go through everything a frontend's do: the key, its rate, the checks,
//! row-level security, the commit, the bell.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::child::{PREFIX, Process};
use crate::load;
use crate::servers::{Database, Servers};
use jobs::{ApiKeyId, OrganizationId};
use store::api_keys::NewApiKey;
use store::organizations::NewOrganization;
use store::{Login, Store};

/// An API that runs.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) process: Process,
    url: String,
    key: String,
    client: Client,
}

impl Api {
    /// Starts it, with so many connections to Postgres, and a key for a new organization.
    pub(crate) async fn start(servers: &Servers, database: &Database, pool: u32) -> Result<Self> {
        let media = std::env::temp_dir().join("bench-media");
        let environment = [
            ("API_DATABASE_URL", database.url(Some(Login::Api))?),
            ("DATABASE_POOL_SIZE", pool.to_string()),
            ("REDIS_URL", servers.redis.clone()),
            ("REDIS_PREFIX", PREFIX.to_owned()),
            ("API_LISTEN", "127.0.0.1:0".to_owned()),
            ("MEDIA_STORE", format!("local:{}", media.display())),
            ("TRAVEL_KEYS", KEY.to_owned()),
        ];
        let mut process = Process::start_own("api-lite", &environment)?;
        let line: Value = serde_json::from_str(&process.line("api.listening").await?)?;
        let address = line["api.address"].as_str().context("no address")?;
        let key = key_of_a_new_one(&database.store(Login::Worker, 1).await?).await?;
        // One that does not wait for more to send.
        let client =
            Client::builder().tcp_nodelay(true).timeout(Duration::from_secs(60)).build()?;
        Ok(Self { process, url: format!("http://{address}"), key, client })
    }

    /// Reads a path with a key.
    pub(crate) async fn read(&self, path: &str, key: &str) -> Result<Value> {
        let sent = self.client.get(format!("{}{path}", self.url)).bearer_auth(key);
        let answer = sent.send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status == StatusCode::OK, "{path}: {status}: {answer}\n{}", self.process.tail());
        Ok(answer)
    }

    /// Enqueues; answers the ids when the API has said 202.
    pub(crate) async fn enqueue(&self, body: Vec<u8>) -> Result<Value> {
        let sent = self
            .client
            .post(format!("{}/v1/jobs", self.url))
            .bearer_auth(&self.key)
            .header("content-type", "application/json")
            .body(body);
        let answer = sent.send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status == StatusCode::ACCEPTED, "{status}: {answer}\n{}", self.process.tail());
        Ok(answer)
    }
}

/// Nothing is sealed with it here.
pub(crate) const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A request for so many jobs: a single one, or a batch.
pub(crate) fn body(jobs: usize) -> Vec<u8> {
    let one = json!({ "kind": "content.create", "args": load::payload() });
    let body = if jobs == 1 { one } else { Value::Array(vec![one; jobs]) };
    body.to_string().into_bytes()
}

async fn key_of_a_new_one(store: &Store) -> Result<String> {
    let organization = OrganizationId::new();
    let mut tx = store.begin().await?;
    let slug = format!("bench-{}", hex::encode(rand::random::<[u8; 4]>()));
    let new = NewOrganization {
        id: organization,
        name: "Bench",
        slug: &slug,
        plan: "starter",
        timezone: "UTC",
    };
    store::organizations::insert(&mut tx, new).await?;
    tx.commit().await?;
    new_key(store, organization).await
}

/// A key of an organization.
pub(crate) async fn new_key(store: &Store, organization: OrganizationId) -> Result<String> {
    let key = format!("ezre_{}", hex::encode(rand::random::<[u8; 24]>()));
    let new = NewApiKey {
        id: ApiKeyId::new(),
        organization,
        name: "bench",
        prefix: &key[..9],
        secret_hash: Sha256::digest(key.as_bytes()).into(),
        scopes: &["content:write".to_owned(), "read".to_owned()],
        // High enough never to be met.
        rate_limit_per_minute: Some(10_000_000),
        created_by: "bench",
    };
    let mut tx = store.begin().await?;
    store::api_keys::insert(&mut tx, new).await?;
    tx.commit().await?;
    Ok(key)
}
