//! How Postgres answers statements: what its log says when it explains every one of a login.
//!
//! **Invariant:** the plans are those of the statements as a process sends them, under its login and its
//! row-level security, with what they really read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// The server's log, from a moment on.
pub(crate) struct Log {
    path: PathBuf,
    from: u64,
}

/// How a statement, or several, were answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The statement.
    pub(crate) query: String,
    /// Which scans there are, and how many of each.
    scans: BTreeMap<String, usize>,
    /// Blocks that were looked at.
    pub(crate) blocks: f64,
    /// Rows that scans of tables have found.
    pub(crate) rows: f64,
}

impl Log {
    /// What is written from now on.
    pub(crate) fn from_now() -> Result<Self> {
        let path: PathBuf =
            std::env::var_os("BENCH_POSTGRES_LOG").context("BENCH_POSTGRES_LOG")?.into();
        let from = std::fs::metadata(&path)?.len();
        Ok(Self { path, from })
    }

    /// The plans that were written since.
    pub(crate) fn plans(&self) -> Result<Vec<Plan>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        understand(&String::from_utf8_lossy(&bytes))
    }
}

impl Plan {
    /// Several as one.
    pub(crate) fn and(mut self, other: &Plan) -> Plan {
        self.blocks += other.blocks;
        self.rows += other.rows;
        for (scan, count) in &other.scans {
            *self.scans.entry(scan.clone()).or_default() += count;
        }
        self
    }

    /// Which scans there are, in a line.
    pub(crate) fn shape(&self) -> String {
        let scans = self.scans.iter().map(|(scan, count)| {
            if *count == 1 { scan.clone() } else { format!("{count} × {scan}") }
        });
        scans.collect::<Vec<_>>().join("; ")
    }

    /// Whether it reads this table from its beginning to its end.
    pub(crate) fn reads_all_of(&self, table: &str) -> bool {
        self.scans.contains_key(&format!("Seq Scan {table}"))
    }

    fn walk(&mut self, node: &Value) {
        let text = |name: &str| node[name].as_str();
        let index = text("Index Name");
        if let Some(found) = index.or(text("Relation Name")) {
            let kind = text("Node Type").unwrap_or_default();
            // What is written was found by a scan below.
            if kind != "ModifyTable" {
                *self.scans.entry(format!("{kind} {found}")).or_default() += 1;
                let number = |name: &str| node[name].as_f64().unwrap_or_default();
                self.rows += number("Actual Rows") * number("Actual Loops");
            }
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.walk(child);
        }
    }
}

/// Every plan in a piece of the log, each of which is a JSON document of several lines.
fn understand(log: &str) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    for part in log.split("plan:\n").skip(1) {
        let mut documents = serde_json::Deserializer::from_str(part).into_iter::<Value>();
        let document = documents.next().context("a plan")??;
        let root = &document["Plan"];
        let number = |name: &str| root[name].as_f64().unwrap_or_default();
        let query = document["Query Text"].as_str().unwrap_or_default();
        let mut plan = Plan {
            query: query.split_whitespace().collect::<Vec<_>>().join(" "),
            blocks: number("Shared Hit Blocks") + number("Shared Read Blocks"),
            ..Plan::default()
        };
        plan.walk(root);
        plans.push(plan);
    }
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_found_in_the_log() {
        let log = "… LOG:  duration: 1.2 ms  plan:\n\t{\n\t  \"Query Text\": \"select\\n  1\",\n\t  \"Plan\": {
            \"Node Type\": \"Limit\", \"Shared Hit Blocks\": 7, \"Shared Read Blocks\": 1, \"Plans\": [
              {\"Node Type\": \"Index Scan\", \"Index Name\": \"i\", \"Actual Rows\": 3, \"Actual Loops\": 2},
              {\"Node Type\": \"Seq Scan\", \"Relation Name\": \"t\", \"Actual Rows\": 1, \"Actual Loops\": 1},
              {\"Node Type\": \"Index Scan\", \"Index Name\": \"i\", \"Actual Rows\": 1, \"Actual Loops\": 1}]}}\n… LOG: more\n";
        let plans = understand(log).expect("a plan");
        let plan = &plans[0];
        assert_eq!((plans.len(), plan.query.as_str()), (1, "select 1"));
        assert_eq!(plan.shape(), "2 × Index Scan i; Seq Scan t");
        assert_eq!((plan.blocks, plan.rows), (8.0, 8.0));
        assert!(plan.reads_all_of("t") && !plan.reads_all_of("i"));
        let both = plan.clone().and(plan);
        assert_eq!(
            (both.shape().as_str(), both.blocks),
            ("4 × Index Scan i; 2 × Seq Scan t", 16.0)
        );
    }
}
