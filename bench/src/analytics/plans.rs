//! How Postgres answers each read.
//!
//! **Invariant:** one request is explained at a time, once its statements are planned for good.

use anyhow::{Result, ensure};

use crate::api::Api;
use crate::explained::{Log, Plan};
use crate::servers::{Database, Servers};
use store::Login;

/// An API whose statements are explained.
pub(super) struct Plans {
    api: Api,
}

impl Plans {
    pub(super) async fn begin(servers: &Servers, database: &Database) -> Result<Self> {
        servers.explain_statements(database, Login::Api).await?;
        // One connection, so that all is planned as it is after a while.
        Ok(Self { api: Api::start(servers, database, 1).await? })
    }

    /// The plans behind one request, as one.
    pub(super) async fn of(&self, path: &str, key: &str) -> Result<Plan> {
        for _ in 0..6 {
            self.api.read(path, key).await?;
        }
        let log = Log::from_now()?;
        self.api.read(path, key).await?;
        let plan = log.plans()?.iter().fold(Plan::default(), Plan::and);
        ensure!(plan.blocks > 0.0, "no plan of {path} in the log");
        Ok(plan)
    }

    pub(super) async fn end(self) -> Result<()> {
        self.api.process.stop().await
    }
}
