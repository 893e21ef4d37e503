use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret as _;

use super::*;
use crate::env::ALL;

type Setting = BTreeMap<&'static str, String>;

/// The examples of all variables, which make a whole configuration.
fn examples() -> Setting {
    let mut setting: Setting =
        ALL.iter().map(|variable| (variable.name, variable.example.to_owned())).collect();
    setting.insert("MEDIA_STORE", "s3:ezre-media".to_owned());
    setting
}

/// Only what is required.
fn required() -> Setting {
    let keep = ALL.iter().filter(|variable| matches!(variable.fallback, env::Fallback::Required));
    keep.map(|variable| (variable.name, variable.example.to_owned())).collect()
}

fn with(mut setting: Setting, changes: &[(&'static str, &str)]) -> Setting {
    setting.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    setting
}

fn api(setting: &Setting) -> Result<ApiConfig, Invalid> {
    ApiConfig::from(&|name| setting.get(name).cloned())
}

fn worker(setting: &Setting) -> Result<WorkerConfig, Invalid> {
    WorkerConfig::from(&|name| setting.get(name).cloned())
}

fn names(invalid: &Invalid) -> Vec<&'static str> {
    invalid.problems.iter().map(|problem| problem.variable.name).collect()
}

#[test]
fn each_process_reads_exactly_what_the_reference_says() {
    let setting = examples();
    for process in [Process::Api, Process::Scheduler, Process::Worker, Process::Migrate] {
        let read = RefCell::new(BTreeSet::new());
        let look = |name: &str| {
            read.borrow_mut().insert(name.to_owned());
            setting.get(name).cloned()
        };
        match process {
            Process::Api => drop(ApiConfig::from(&look).expect("examples are right")),
            Process::Scheduler => drop(SchedulerConfig::from(&look).expect("examples are right")),
            Process::Worker => drop(WorkerConfig::from(&look).expect("examples are right")),
            Process::Migrate => drop(MigrateConfig::from(&look).expect("examples are right")),
        }
        let documented: BTreeSet<_> = ALL
            .iter()
            .filter(|variable| variable.processes.contains(&process))
            .map(|variable| variable.name.to_owned())
            .collect();
        assert_eq!(read.into_inner(), documented, "{process:?}");
    }
}

#[test]
fn required_variables_alone_give_the_defaults() {
    let api = api(&required()).expect("whole");
    assert_eq!(api.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((api.max_body_bytes, api.max_upload_bytes), (1 << 20, 16 << 20));
    assert_eq!(api.request_timeout, Duration::from_secs(30));
    assert!(api.redis.is_none() && api.operator_token_sha256.is_none());
    assert!(matches!(api.media, MediaStore::Local { .. }));

    let worker = worker(&required()).expect("whole");
    let slots: Vec<_> =
        worker.queues.iter().map(|each| format!("{}={}", each.queue, each.slots)).collect();
    assert_eq!(
        slots.join(" "),
        "control=2 interactive=8 publish=8 generate=4 connect=4 poll=4 aggregate=2 maintenance=1"
    );
    assert!(worker.name.ends_with(&format!("-{}", std::process::id())), "{}", worker.name);
    assert_eq!(worker.metrics_listen.port(), 9465);
    assert_eq!(worker.lease.ttl, Duration::from_secs(10));
    assert_eq!(worker.reconcile_wait, None);

    let scheduler = SchedulerConfig::from(&|name| required().get(name).cloned()).expect("whole");
    assert_eq!(scheduler.metrics_listen.port(), 9464);
    assert_eq!(scheduler.plan_ahead, Duration::from_secs(60));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut setting = with(
        required(),
        &[
            ("API_LISTEN", "localhost"),
            ("REQUEST_TIMEOUT_MS", "soon"),
            ("MAX_BODY_BYTES", "1"),
            ("MEDIA_STORE", "s3:ezre"),
            ("LOG", "info,=="),
        ],
    );
    setting.remove("TRAVEL_KEYS");
    let invalid = api(&setting).expect_err("much is wrong");
    assert_eq!(
        names(&invalid),
        [
            "API_LISTEN",
            "TRAVEL_KEYS",
            "S3_ENDPOINT",
            "S3_ACCESS_KEY_ID",
            "S3_SECRET_ACCESS_KEY",
            "MAX_BODY_BYTES",
            "REQUEST_TIMEOUT_MS",
            "LOG",
        ]
    );
    let said = invalid.to_string();
    assert!(said.starts_with("the configuration has 8 problems:\n"), "{said}");
    let line = "\n  REQUEST_TIMEOUT_MS is `soon`, which is not a whole number. It takes \
                milliseconds, 1 to 600000. Example: REQUEST_TIMEOUT_MS=30000\n";
    assert!(said.contains(line), "{said}");
    assert!(said.contains("TRAVEL_KEYS is not set."), "{said}");
}

#[test]
fn a_secret_is_in_no_error_and_no_debug_output() {
    let secrets: Vec<_> = ALL.iter().filter(|variable| variable.secret).collect();
    let wrong: Setting =
        secrets.iter().map(|variable| (variable.name, "sw0rdfish://".to_owned())).collect();
    for setting in [with(required(), &[]), examples()] {
        let setting: Setting = setting.into_iter().chain(wrong.clone()).collect();
        let said = worker(&setting).expect_err("wrong").to_string();
        assert!(said.contains("WORKER_DATABASE_URL does not begin"), "{said}");
        let said = format!("{said}{}", api(&setting).expect_err("wrong"));
        assert!(!said.contains("sw0rdfish"), "{said}");
    }
    let shown = format!("{:?}{:?}", api(&examples()), worker(&examples()));
    assert!(!shown.contains("159, 134"), "the operators' token: {shown}");
    for variable in secrets {
        assert!(!shown.contains(variable.example), "{}: {shown}", variable.name);
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let setting = with(required(), &[("REDIS_URL", " "), ("TRAVEL_KEYS", "")]);
    let invalid = api(&setting).expect_err("a key is required");
    assert_eq!(names(&invalid), ["TRAVEL_KEYS"]);
}

#[test]
fn the_platforms_port_is_honoured_unless_an_address_is_set() {
    let listen = |changes| api(&with(required(), changes)).expect("whole").listen.to_string();
    assert_eq!(listen(&[("PORT", "5000")]), "0.0.0.0:5000");
    assert_eq!(listen(&[("PORT", "5000"), ("API_LISTEN", "127.0.0.1:0")]), "127.0.0.1:0");
}

#[test]
fn the_public_address_follows_the_listener_unless_set() {
    let bound = "0.0.0.0:5000".parse().expect("an address");
    let at = |setting| api(&setting).expect("whole").public_url_at(bound).to_string();
    assert_eq!(at(required()), "http://127.0.0.1:5000/");
    assert_eq!(at(examples()), "https://api.example.com/");
}

#[test]
fn tokens_and_travel_share_no_key() {
    let key = env::TRAVEL_KEYS.example.replace("k1:", "other:");
    let setting = with(required(), &[("TOKEN_KEYS", key.trim_end_matches('='))]);
    let invalid = worker(&setting).expect_err("one key for both");
    assert_eq!(names(&invalid), ["TOKEN_KEYS"]);
}

#[test]
fn a_lease_outlives_a_late_renewal() {
    let setting = with(required(), &[("LEASE_RENEW_MS", "6000")]);
    assert_eq!(names(&worker(&setting).expect_err("too close")), ["LEASE_TTL_MS"]);
}

#[test]
fn wrong_keys_queues_and_stores_are_named() {
    for (name, value, part) in [
        ("TRAVEL_KEYS", "AAAA", "has no `<id>:` before key 1"),
        ("TRAVEL_KEYS", "k1:AAAA", "has 3 bytes in key 1 instead of 32"),
        ("TRAVEL_KEYS", "k1:***", "has a key 1 that is not base64"),
        ("WORKER_QUEUES", "publish", "has no `=` in entry 1"),
        ("WORKER_QUEUES", "publish=8,mail=1", "names an unknown queue in entry 2"),
        ("WORKER_QUEUES", "publish=0", "gives `publish` no number from 1 to 1000"),
        ("WORKER_QUEUES", "poll=1,poll=1", "names `poll` twice"),
        ("MEDIA_STORE", "local:", "names no folder"),
        ("MEDIA_STORE", "gs:bucket", "begins with neither"),
        ("WORKER_NAME", "worker one", "contains ' '"),
        ("S3_PATH_STYLE", "yes", "is neither `true` nor `false`"),
        ("WORKER_DATABASE_URL", "postgres://w:p@127.0.0.1:5432", "names no database"),
        ("METRICS_LISTEN", "9464", "is not an IP address with a port"),
        ("LLM_DIALECT", "morse", "is none of `openai`"),
        ("LLM_MODELS", "gpt-5", "has no `=` in entry 1"),
        ("LLM_MODELS", "a=1/2,a=1/2", "names a model twice in entry 2"),
        ("LLM_MODELS", "a b=1/2", "names no model in entry 1"),
        ("IMAGE_MODELS", "a=1", "has no two prices in entry 1"),
        ("LOG_FORMAT", "yaml", "is neither `json` nor `text`"),
    ] {
        let invalid = worker(&with(examples(), &[(name, value)])).expect_err(part);
        assert!(invalid.to_string().contains(part), "{invalid}");
        assert_eq!(names(&invalid), [name]);
    }
}

#[test]
fn models_are_there_when_somebody_says_where() {
    let whole = worker(&required()).expect("whole");
    assert!(whole.language_models.is_none() && whole.image_models.is_none());
    let setting = with(required(), &[("LLM_BASE_URL", "http://127.0.0.1:1/v1")]);
    assert_eq!(names(&worker(&setting).expect_err("which models?")), ["LLM_MODELS"]);
    let setting = with(setting, &[("LLM_MODELS", "llama3:8b=0/0, org/m=5/15")]);
    let models = worker(&setting).expect("whole").language_models.expect("models").models;
    let seen: Vec<_> =
        models.iter().map(|m| (m.name.as_str(), m.input_price, m.output_price)).collect();
    assert_eq!(seen, [("llama3:8b", 0, 0), ("org/m", 5, 15)]);
}

#[test]
fn migrating_needs_only_its_own_login() {
    let owner = env::MIGRATE_DATABASE_URL.example;
    let look = |name: &str| (name == "MIGRATE_DATABASE_URL").then(|| owner.to_owned());
    let config = MigrateConfig::from(&look).expect("whole");
    assert_eq!(config.database_url.expose_secret(), owner);
    assert!(config.api_database_url.is_none());
}

/// The process that the test below starts; nothing when run as a test.
#[test]
fn child() {
    if std::env::var_os("BOOT_TEST_CHILD").is_some() {
        or_exit(WorkerConfig::from(&|_| None));
    }
}

#[test]
fn a_process_with_a_wrong_configuration_says_so_and_ends_with_78() {
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "config::tests::child", "--nocapture"])
        .env("BOOT_TEST_CHILD", "1")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(EXIT_CONFIG), "{said}");
    assert!(
        said.contains("the configuration has 4 problems:\n  TRAVEL_KEYS is not set."),
        "{said}"
    );
}
