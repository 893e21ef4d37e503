//! No secret in play is found in any log, row, error, answer or metric of a full run.

use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fleet_tests::api::{Api, Ask};
use fleet_tests::harness::{Fleet, Login, Setup, Tenant, in_ms, on};
use reqwest::Method;
use serde_json::json;
use simulator::{Action, NewUser};

/// A secret, in every form in which it might turn up.
struct Secret {
    name: String,
    forms: Vec<String>,
}

impl Secret {
    fn new(name: &str, secret: &str) -> Self {
        let forms = vec![
            secret.to_owned(),
            STANDARD.encode(secret).trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(secret),
            secret.replace('+', "%2B").replace('/', "%2F"),
        ];
        Self { name: name.to_owned(), forms }
    }

    fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

/// Makes everything happen in which a secret takes part; answers the secrets.
async fn full_run(fleet: &Fleet, tenant: &Tenant) -> Result<Vec<Secret>> {
    let api = &tenant.api;
    let mut secrets = vec![
        Secret::new("the operators' token", &fleet.secrets.operator_token),
        Secret::new("the travel key", &fleet.secrets.travel_key),
        Secret::new("the token key", &fleet.secrets.token_key),
        Secret::new("the models' key", &fleet.secrets.model_key),
        Secret::new("the organization's key", api.token()),
        Secret::new("the account's token", &tenant.account.token),
    ];
    for login in [Login::Owner].into_iter().chain(Login::PROCESSES) {
        secrets.push(Secret::new(login.role(), &fleet.database.password(login)));
    }
    // A post with an image, one that is refused, one that is looked up.
    let version = tenant.write("With an image").await?;
    tenant.attach_image(&version).await?;
    tenant.schedule(&version, in_ms(2_000)).await?;
    tenant.trap(&tenant.account, Action::DropAfter {}).await?;
    tenant.trap(&tenant.account, Action::status(400)).await?;
    for about in ["Looked up", "Refused", "Fine"] {
        tenant.plan(about, &tenant.account, 1_500).await?;
    }
    // A model that repeats a key which it does not know, and one that writes.
    let said = format!("Incorrect API key provided: {}.", fleet.secrets.model_key);
    let body = json!({ "error": { "message": said, "type": "invalid_request_error", "code": "invalid_api_key" } });
    let refusal =
        Action::Status { status: 401, headers: Default::default(), body: Some(body), act: false };
    fleet.simulator().fault(simulator::Rule::on("POST", "/v1/chat/completions", refusal)).await?;
    let brief = json!({ "brief": "Keep quiet", "platforms": ["TWITTER"] });
    let ask = Ask::new("content.generate", brief.clone()).wait(10);
    let refused = api.ask(&ask).await?;
    ensure!(refused.status == 501 && refused.body.to_string().contains("[key]"), "{refused:?}");
    api.done("content.generate", brief).await?;
    // Tokens that the network does not know, and one that it revokes, with a refresh token.
    let unknown = "unknown-token-4f1d9a";
    let args = json!({ "platform": "TWITTER", "accessToken": unknown });
    ensure!(api.ask(&Ask::new("connection.import", args).wait(10)).await?.status == 409);
    secrets.push(Secret::new("an unknown token", unknown));
    let (access, refresh) = ("revoked-token-77ab03", "refresh-token-90cc12");
    let who = fleet.simulator().register(&NewUser::with_token("secretive", access)).await?;
    let args = json!({ "platform": "TWITTER", "accessToken": access, "refreshToken": refresh });
    let made = api.done("connection.import", args).await?;
    fleet.simulator().revoke(&who.id).await?;
    let account = fleet_tests::harness::Account {
        connection: made["connectionId"].as_str().unwrap().to_owned(),
        id: who.id,
        username: who.username,
        token: access.to_owned(),
    };
    let planned = tenant.plan("Revoked", &account, 1_000).await?;
    secrets.push(Secret::new("a revoked token", access));
    secrets.push(Secret::new("a refresh token", refresh));
    // Secrets where they do not belong.
    let misplaced = "misplaced-token-5be2";
    secrets.push(Secret::new("a misplaced token", misplaced));
    let args = json!({ "platform": "TWITTER", "accessToken": misplaced, "accesToken": misplaced });
    ensure!(api.ask(&Ask::new("connection.import", args)).await?.status == 422);
    let args = json!({ "platform": "TWITTER", "accessToken": [misplaced] });
    ensure!(api.ask(&Ask::new("connection.import", args)).await?.status == 422);
    let broken =
        format!("{{\"kind\": \"connection.import\", \"args\": {{\"accessToken\": \"{misplaced}");
    let request = api.request(Method::POST, "/v1/jobs").header("content-type", "application/json");
    ensure!(api.send(request.body(broken)).await?.status == 400);
    let stranger = "ezre_stranger-key-31ff";
    secrets.push(Secret::new("an unknown key", stranger));
    ensure!(api.with_token(stranger).get("/v1/jobs").await?.status == 401);
    // Everything has its end.
    for about in ["published", "failed"] {
        let path = format!("/v1/schedules?status={about}");
        let what = format!("a schedule is {about}");
        fleet_tests::wait::until(&what, fleet_tests::wait::PATIENCE, async || {
            Ok((!api.items(&path).await?.is_empty()).then_some(()))
        })
        .await?;
    }
    let job = fleet.job_of("post.publish", &planned.id).await?;
    let job = job["id"].as_str().unwrap().to_owned();
    let see = async || api.job(&job).await;
    let waits = |job: &serde_json::Value| job["waiting"]["code"] == "reconnect";
    let what = "the post waits for its account";
    fleet_tests::wait::until_right(what, fleet_tests::wait::PATIENCE, see, waits).await?;
    Ok(secrets)
}

/// Every list of the API, as text.
async fn answers(api: &Api) -> Result<Vec<(String, String)>> {
    let mut answers = Vec::new();
    for list in [
        "jobs",
        "keys",
        "connections",
        "files",
        "content-requests",
        "content-versions",
        "generations",
        "schedules",
        "posts",
        "events",
        "organizations",
        "pauses",
        "workers",
        "queues",
    ] {
        let path = format!("/v1/{list}");
        answers.push((format!("GET {path}"), json!(api.items(&path).await?).to_string()));
    }
    Ok(answers)
}

#[tokio::test]
async fn no_secret_is_found_anywhere_after_a_full_run() {
    on(Setup::default().with("LOG", "debug"), async |fleet| {
        let heard = fleet_tests::api::Heard::default();
        let tenant = Tenant::heard_by(fleet, &heard).await?;
        // What the network does to accounts is met by those who use them, and not told before.
        tenant.network.unset_webhook(simulator::Sender::X).await?;
        let secrets = full_run(fleet, &tenant).await?;
        let mut places = fleet.logs();
        for (number, row) in fleet.database.everything().await?.into_iter().enumerate() {
            places.push((format!("row {number}"), row));
        }
        places.extend(answers(&fleet.operator()).await?);
        let journal = fleet.simulator().journal(0).await?;
        places.push(("the network's journal".to_owned(), serde_json::to_string(&journal)?));
        let admin = fleet.workers()[0].address("admin.listening").await?;
        for base in [fleet.operator().base_url().to_owned(), format!("http://{admin}")] {
            let metrics = reqwest::get(format!("{base}/metrics")).await?.text().await?;
            places.push((format!("{base}/metrics"), metrics));
        }
        // What the API said while all this happened; a new key is told once, and nowhere else.
        let told = heard.answers();
        ensure!(told.len() > 20, "only {} answers were heard", told.len());
        let key = tenant.api.token();
        let with_key = told.iter().filter(|answer| answer.contains(key)).count();
        ensure!(with_key == 1, "the key was told {with_key} times");
        let told = told.into_iter().map(|answer| answer.replacen(key, "", 1));
        places.extend(told.map(|answer| ("an answer".to_owned(), answer)));
        ensure!(places.len() > 60, "only {} places were looked through", places.len());
        for secret in &secrets {
            for (place, text) in &places {
                if secret.is_in(text) {
                    let line = text.lines().find(|line| secret.is_in(line)).unwrap_or_default();
                    let line: String = line.chars().take(1_500).collect();
                    bail!("{} is in {place}: {line}", secret.name);
                }
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_is_there_would_be_found() -> Result<()> {
    let secret = Secret::new("a token", "token+of/ada");
    for text in ["x token+of/ada y", "token%2Bof%2Fada", &STANDARD.encode("token+of/ada")] {
        ensure!(secret.is_in(text), "{text}");
    }
    ensure!(!secret.is_in("token of ada"));
    Ok(())
}
