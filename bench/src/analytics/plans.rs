//! How Postgres answers each read: what its log says when it explains every statement of the API.
//!
//! **Invariant:** the plans are those of the statements as the API sends them, under its login and its
//! row-level security, with what they really read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::api::Api;
use crate::servers::{Database, Servers};

/// An API whose statements are explained.
pub(super) struct Plans {
    api: Api,
    log: PathBuf,
}

/// How a read is answered.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Which scans there are, and how many of each.
    pub(super) shape: String,
    /// Blocks that were looked at.
    pub(super) blocks: f64,
    /// Rows that scans of tables have found.
    pub(super) rows: f64,
}

impl Plans {
    pub(super) async fn begin(servers: &Servers, database: &Database) -> Result<Self> {
        let log = std::env::var_os("BENCH_POSTGRES_LOG").context("BENCH_POSTGRES_LOG")?.into();
        servers.explain_statements(database).await?;
        // One connection, so that all is planned as it is after a while.
        let api = Api::start(servers, database, 1).await?;
        Ok(Self { api, log })
    }

    /// The plans behind one request, once its statements are planned for good.
    pub(super) async fn of(&self, path: &str, key: &str) -> Result<Plan> {
        for _ in 0..6 {
            self.api.read(path, key).await?;
        }
        let from = std::fs::metadata(&self.log)?.len();
        self.api.read(path, key).await?;
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let plan = understand(&String::from_utf8_lossy(&bytes))?;
        ensure!(plan.blocks > 0.0, "no plan of {path} in the log");
        Ok(plan)
    }

    pub(super) async fn end(self) -> Result<()> {
        self.api.process.stop().await
    }
}

/// Every plan in a piece of the log, each of which is a JSON document of several lines.
fn understand(log: &str) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut scans = BTreeMap::new();
    for part in log.split("plan:\n").skip(1) {
        let mut documents = serde_json::Deserializer::from_str(part).into_iter::<Value>();
        let document = documents.next().context("a plan")??;
        let root = &document["Plan"];
        let number = |name: &str| root[name].as_f64().unwrap_or_default();
        plan.blocks += number("Shared Hit Blocks") + number("Shared Read Blocks");
        walk(root, &mut plan, &mut scans);
    }
    let scans = scans.into_iter().map(
        |(scan, count): (String, usize)| {
            if count == 1 { scan } else { format!("{count} × {scan}") }
        },
    );
    plan.shape = scans.collect::<Vec<_>>().join("; ");
    Ok(plan)
}

fn walk(node: &Value, plan: &mut Plan, scans: &mut BTreeMap<String, usize>) {
    let text = |name: &str| node[name].as_str();
    let index = text("Index Name");
    if let Some(found) = index.or(text("Relation Name")) {
        let kind = text("Node Type").unwrap_or_default();
        *scans.entry(format!("{kind} {found}")).or_default() += 1;
        let number = |name: &str| node[name].as_f64().unwrap_or_default();
        plan.rows += number("Actual Rows") * number("Actual Loops");
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, plan, scans);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_found_in_the_log() {
        let log = "… LOG:  duration: 1.2 ms  plan:\n\t{\n\t  \"Query Text\": \"select\",\n\t  \"Plan\": {
            \"Node Type\": \"Limit\", \"Shared Hit Blocks\": 7, \"Shared Read Blocks\": 1, \"Plans\": [
              {\"Node Type\": \"Index Scan\", \"Index Name\": \"i\", \"Actual Rows\": 3, \"Actual Loops\": 2},
              {\"Node Type\": \"Index Scan\", \"Index Name\": \"i\", \"Actual Rows\": 1, \"Actual Loops\": 1}]}}\n… LOG: more\n";
        let plan = understand(log).expect("a plan");
        assert_eq!((plan.shape.as_str(), plan.blocks, plan.rows), ("2 × Index Scan i", 8.0, 7.0));
    }
}
