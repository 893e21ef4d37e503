//! What holds the workspace together: the edges between packages, configuration that must be
//! whole, references that must be fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use boot::Process as Reader;
use boot::env::{self, Fallback};
use fleet_tests::harness::{Login, Process, Secrets, binary};
use fleet_tests::wait::PATIENCE;
use serde_json::Value;

/// They test and measure the others, and look at everything.
const WATCHERS: [&str; 2] = ["fleet-tests", "bench"];

/// The workspace's folder.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What each package of ours depends on to be built: ours and others'.
fn edges() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()?;
    ensure!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    Ok(packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().cloned().unwrap_or_default();
            // `kind` is null for what the package itself links, "dev" for its tests.
            let linked = all.iter().filter(|dependency| dependency["kind"].is_null());
            (name(package), linked.map(name).collect())
        })
        .collect())
}

/// A package and all of ours that it links, near and far.
fn linked_by(edges: &BTreeMap<String, BTreeSet<String>>, package: &str) -> BTreeSet<String> {
    let mut linked = BTreeSet::from([package.to_owned()]);
    let mut open = vec![package.to_owned()];
    while let Some(next) = open.pop() {
        for dependency in edges.get(&next).into_iter().flatten() {
            if edges.contains_key(dependency) && linked.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    linked
}

#[test]
fn packages_depend_on_each_other_as_the_design_says() -> Result<()> {
    let edges = edges()?;
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("api-lite", &["bell", "boot", "jobs", "media", "platforms", "seal", "store"][..]),
        ("scheduler", &["bell", "boot", "jobs", "platforms", "seal", "store"]),
        (
            "worker",
            &[
                "bell",
                "boot",
                "connectors",
                "jobs",
                "llm",
                "media",
                "platforms",
                "queue",
                "seal",
                "store",
            ],
        ),
        ("queue", &["bell", "jobs", "store"]),
        ("connectors", &["platforms"]),
        ("llm", &["platforms"]),
        ("store", &["jobs", "platforms"]),
        ("jobs", &["platforms"]),
        ("simulator", &["platforms"]),
        ("bell", &[]),
        ("boot", &[]),
        ("media", &[]),
        ("platforms", &[]),
        ("seal", &[]),
    ]);
    for (package, dependencies) in &edges {
        if WATCHERS.contains(&package.as_str()) {
            continue;
        }
        let allowed = allowed.get(package.as_str());
        let allowed = allowed.with_context(|| format!("{package} has no place in the design"))?;
        for dependency in dependencies.iter().filter(|name| edges.contains_key(*name)) {
            ensure!(allowed.contains(&dependency.as_str()), "{package} must not use {dependency}");
        }
    }
    Ok(())
}

#[test]
fn only_the_worker_links_what_can_publish() -> Result<()> {
    let edges = edges()?;
    for process in ["api-lite", "scheduler"] {
        let linked = linked_by(&edges, process);
        for can_publish in ["connectors", "llm", "queue", "simulator", "fleet-tests", "bench"] {
            ensure!(!linked.contains(can_publish), "{process} links {can_publish}");
        }
        ensure!(linked.contains("store") && linked.contains("platforms"), "{linked:?}");
    }
    // Nor does anything in the API or the scheduler speak HTTP to others.
    for process in ["api-lite", "scheduler"] {
        for package in linked_by(&edges, process) {
            let speaks = edges[&package].contains("reqwest");
            ensure!(!speaks || package == "media", "{process} links reqwest through {package}");
        }
    }
    Ok(())
}

#[test]
fn each_outside_thing_has_one_package() -> Result<()> {
    let edges = edges()?;
    let owners: [(&str, &[&str]); 7] = [
        ("sqlx", &["store"]),
        ("redis", &["bell"]),
        ("apalis", &["queue"]),
        ("apalis-core", &["queue"]),
        // What senders of webhooks prove, and what is sealed.
        ("aws-lc-rs", &["platforms", "seal"]),
        ("rusty-s3", &["media"]),
        ("eventsource-stream", &["llm"]),
    ];
    for (outside, only) in owners {
        let users: Vec<&String> = edges
            .iter()
            .filter(|(package, all)| !WATCHERS.contains(&package.as_str()) && all.contains(outside))
            .map(|(package, _)| package)
            .collect();
        ensure!(users == only, "{outside} is used by {users:?}, not by {only:?} alone");
    }
    Ok(())
}

/// The programs, who they are to the configuration, and their variable for the database.
const PROGRAMS: [(&str, &[&str], Reader, Login); 4] = [
    ("api-lite", &[], Reader::Api, Login::Api),
    ("scheduler", &[], Reader::Scheduler, Login::Scheduler),
    ("worker", &[], Reader::Worker, Login::Worker),
    ("scheduler", &["migrate"], Reader::Migrate, Login::Owner),
];

/// Starts a program that must refuse its configuration; answers what it said.
async fn refused(
    program: &str,
    arguments: &[&str],
    environment: &[(String, String)],
) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let process = Process::start(program, folder.path(), program, arguments, environment)?;
    let status = process.end(PATIENCE).await.with_context(|| process.tail())?;
    ensure!(status.code() == Some(78), "{program} ended with {status}: {}", process.log());
    Ok(process.log())
}

/// An environment that is whole; the database need not be there.
fn whole(folder: &Path, login: Login) -> Vec<(String, String)> {
    let mut environment = Secrets::new().environment(folder);
    let url = format!("postgres://{}:hunter2@127.0.0.1:1/none", login.role().replace(' ', "_"));
    environment.push((login.variable().to_owned(), url));
    environment
}

#[tokio::test]
async fn a_process_without_a_variable_it_needs_names_it_and_exits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut seen = 0;
    for (program, arguments, reader, login) in PROGRAMS {
        for variable in env::ALL {
            let needs = variable.processes.contains(&reader);
            if !needs || !matches!(variable.fallback, Fallback::Required) {
                continue;
            }
            // The release step reads the others' URLs only where they are set.
            if reader == Reader::Migrate && variable.name != login.variable() {
                continue;
            }
            let mut environment = whole(folder.path(), login);
            environment.retain(|(name, _)| name != variable.name);
            let said = refused(program, arguments, &environment).await?;
            ensure!(
                said.contains(variable.name),
                "{program} does not name {}: {said}",
                variable.name
            );
            let example = format!("Example: {}=", variable.name);
            ensure!(said.contains(&example), "{program} gives no example: {said}");
            ensure!(!said.contains("hunter2"), "{program} shows a password: {said}");
            seen += 1;
        }
    }
    ensure!(seen >= 8, "only {seen} variables were left out");
    Ok(())
}

#[tokio::test]
async fn a_process_with_a_wrong_variable_names_it_without_showing_a_secret() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cases = [
        ("worker", Login::Worker, "LEASE_TTL_MS", "soon"),
        ("worker", Login::Worker, "LEASE_TTL_MS", "3001"),
        ("worker", Login::Worker, "WORKER_QUEUES", "sleep=1"),
        ("worker", Login::Worker, "TOKEN_KEYS", "k1:c2hvcnQtc2VjcmV0"),
        ("worker", Login::Worker, "X_API_URL", "ftp://x.com"),
        ("worker", Login::Worker, "LLM_BASE_URL", "gpt-5"),
        ("api-lite", Login::Api, "API_LISTEN", "everywhere"),
        ("api-lite", Login::Api, "API_DATABASE_URL", "mysql://a:c2hvcnQtc2VjcmV0@b/c"),
        ("api-lite", Login::Api, "MAX_BODY_BYTES", "1"),
        ("scheduler", Login::Scheduler, "PLAN_AHEAD_MS", "-5"),
        ("scheduler", Login::Scheduler, "LOG", "loud=very=much"),
    ];
    for (program, login, name, value) in cases {
        let mut environment = whole(folder.path(), login);
        environment.retain(|(known, _)| known != name);
        environment.push((name.to_owned(), value.to_owned()));
        let said = refused(program, &[], &environment).await?;
        ensure!(said.contains(name), "{program} does not name {name}: {said}");
        ensure!(!said.contains("c2hvcnQtc2VjcmV0"), "{program} shows a secret: {said}");
    }
    Ok(())
}

#[test]
fn the_generated_references_are_fresh() -> Result<()> {
    let read = |name: &str| {
        let path = workspace().join("docs").join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let stale = "is stale: run bin/generate";
    ensure!(read("configuration.md")? == boot::reference_markdown(), "configuration.md {stale}");
    let printed = Command::new(binary("api-lite")?).arg("openapi").env_clear().output()?;
    ensure!(printed.status.success(), "api-lite openapi needs an environment");
    ensure!(read("openapi.json")? == String::from_utf8(printed.stdout)?, "openapi.json {stale}");
    Ok(())
}
