//! The metrics of the real processes, the alert rules and docs/operations.md name each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Tenant, on};
use fleet_tests::wait::{self, PATIENCE};

use super::{Exposition, insert, scrape, scrape_process};
use crate::queue::patient;

fn read(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The first name in each row of the table of metrics.
fn documented() -> Result<BTreeSet<String>> {
    let text = read("docs/operations.md")?;
    let (_, table) = text.split_once("| metric | from |").context("no table of metrics")?;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let name = row.split('`').nth(1).with_context(|| row.to_owned())?;
        Ok(name.split('{').next().unwrap_or(name).to_owned())
    })
    .collect()
}

/// The expression of each alert.
fn alerts() -> Result<BTreeMap<String, String>> {
    let text = read("deploy/prometheus/alerts.yaml")?;
    let mut alerts = BTreeMap::new();
    for rule in text.split("- alert: ").skip(1) {
        let (name, rest) = rule.split_once('\n').context("a rule of one line")?;
        let (_, expression) = rest.split_once("expr: ").with_context(|| name.to_owned())?;
        let end = expression.find("\n        for: ").or(expression.find("\n        labels: "));
        let expression = &expression[..end.with_context(|| name.to_owned())?];
        alerts.insert(name.to_owned(), expression.trim_start_matches(">-").to_owned());
    }
    Ok(alerts)
}

/// The metrics in an expression: the words that are followed by none of what follows a function,
/// outside of braces and of lists of labels.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let mut plain = String::new();
    for part in expression.split('{') {
        plain.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
        plain.push(' ');
    }
    let words: Vec<&str> =
        plain.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let (mut found, mut in_labels) = (BTreeSet::new(), false);
    for (at, word) in words.iter().enumerate() {
        let name = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
        if in_labels {
            in_labels = !word.ends_with(')');
            continue;
        }
        let labels_follow = words.get(at + 1).is_some_and(|next| *next == "(");
        if matches!(name, "by" | "on") && (labels_follow || word.ends_with('(')) {
            in_labels = true;
        } else if name.contains('_') && !word.ends_with('(') {
            found.insert(name.to_owned());
        }
    }
    found
}

/// Runs `promtool check metrics` on what a process said, where there is a promtool: the one that
/// `PROMTOOL` names, the checkout's own, or one on the path.
fn lint(process: &str, seen: &Exposition) -> Result<()> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(".local/bin/promtool");
    let promtool = match std::env::var_os("PROMTOOL") {
        Some(named) => PathBuf::from(named),
        None if own.exists() => own,
        None => PathBuf::from("promtool"),
    };
    let started = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        // `.ci/run prometheus` fetches it, or says loudly that it could not.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("promtool"),
    };
    child.stdin.take().context("no way in")?.write_all(seen.text.as_bytes())?;
    let said = child.wait_with_output()?;
    let words = [said.stdout, said.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    ensure!(said.status.success() && words.trim().is_empty(), "{process}: {words}");
    Ok(())
}

#[tokio::test]
async fn metrics_alerts_and_the_reference_name_each_other() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.write("Seen by all").await?;
        insert(fleet, &tenant.organization, ("interactive", "content.create"), 0, &[]).await?;
        ensure!(tenant.api.get("/v1/nowhere").await?.status == 404);

        let documented = documented()?;
        let see = async || {
            let api = scrape(tenant.api.base_url()).await?;
            let scheduler = scrape_process(&fleet.schedulers().remove(0)).await?;
            let worker = scrape_process(&fleet.workers().remove(0)).await?;
            anyhow::Ok([("api-lite", api), ("scheduler", scheduler), ("worker", worker)])
        };
        let names = |seen: &[(&str, Exposition); 3]| -> BTreeSet<String> {
            let all = seen.iter().flat_map(|(_, seen)| seen.types.keys());
            all.filter(|name| !name.starts_with("process_")).cloned().collect()
        };
        // Gauges come with the first look of their process.
        let what = "every metric of the reference is there; those that are missing";
        let missing = async || {
            let exported = names(&see().await?);
            Ok(documented.difference(&exported).cloned().collect::<Vec<_>>())
        };
        wait::until_right(what, PATIENCE, missing, Vec::is_empty).await?;
        let seen = see().await?;
        let exported = names(&seen);
        let unknown: Vec<_> = exported.difference(&documented).collect();
        ensure!(unknown.is_empty(), "not in docs/operations.md: {unknown:?}");
        for (process, seen) in &seen {
            lint(process, seen)?;
        }

        for (alert, expression) in alerts()? {
            let used = metrics_of(&expression);
            ensure!(!used.is_empty(), "{alert} uses no metric: {expression}");
            for metric in used {
                let family = metric.strip_suffix("_bucket").unwrap_or(&metric);
                ensure!(exported.contains(family), "{alert} uses {metric}, which nobody exports");
            }
        }
        Ok(())
    })
    .await;
}

#[test]
fn every_alert_is_tested_and_has_its_section_in_the_runbook() -> Result<()> {
    let (rules, tests) =
        (read("deploy/prometheus/alerts.yaml")?, read("deploy/prometheus/alerts_test.yaml")?);
    let runbook = read("docs/operations.md")?;
    let sections: BTreeSet<&str> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts()?;
    ensure!(alerts.len() == rules.matches("- alert: ").count() && alerts.len() >= 12);
    for name in alerts.keys() {
        ensure!(sections.contains(name.as_str()), "{name} has no section in docs/operations.md");
        let anchor = format!("runbook_url: docs/operations.md#{}\n", name.to_lowercase());
        ensure!(rules.contains(&anchor), "{name} does not name its section: {anchor}");
        let fires = format!("alertname: {name}\n        exp_alerts:");
        ensure!(tests.contains(&fires), "{name} fires in no test");
    }
    for section in sections.iter().filter(|section| section.starts_with("Ezre")) {
        ensure!(alerts.contains_key(*section), "{section} is a section of no alert");
    }
    Ok(())
}

#[test]
fn metrics_are_found_in_expressions() {
    let found = |expression: &str| -> Vec<String> { metrics_of(expression).into_iter().collect() };
    assert_eq!(found("max by (queue) (a_b{c=\"d_e\"}) > 60"), ["a_b"]);
    assert_eq!(
        found("histogram_quantile(0.9, sum by (x_y, le) (rate(w_bucket{q=~\"a|b\"}[10m]))) > 1"),
        ["w_bucket"]
    );
    assert_eq!(found("a_b == 0 and on (q) c_d > 0 or time() - e_f > 1"), ["a_b", "c_d", "e_f"]);
}
