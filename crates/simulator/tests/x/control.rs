//! The control, its client, and the simulator as a process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Action, Client, ClientError, NewUser, Rule, What, When};

use crate::stage::{DEADLINE, Stage};

#[tokio::test]
async fn the_journal_tells_everything_but_tokens() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let answered = ada.say(&format!("my token is {}", ada.token)).await;
    ada.unchecked().get(&format!("/2/users/me?access_token={}", ada.token)).await;
    ada.with_token("stolen-secret").get("/2/users/me?user.fields=stolen-secret").await;
    let entries = stage.control.journal(0).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let first = &entries[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/2/tweets"));
    assert_eq!(first.user, Some(ada.who.clone()));
    assert_eq!(first.body, Some(json!({ "text": "my token is [token]" })));
    assert_eq!((first.status, first.answered), (Some(201), Some(true)));
    assert!(first.ended_at.unwrap() >= first.at);
    assert_eq!(entries[2].user, None);
    assert_eq!(entries[2].status, Some(401));
    let told = serde_json::to_string(&entries).unwrap();
    assert!(!told.contains(&ada.token) && !told.contains("stolen-secret"), "{told}");
    assert_eq!(stage.control.journal(2).await.unwrap().len(), 1);
    let effect = stage.control.effects(0).await.unwrap().remove(0);
    assert_eq!((effect.seq, effect.request, &effect.user), (1, 1, &ada.who));
    assert!(effect.at >= first.at && Some(effect.at) <= first.ended_at);
    assert!(matches!(effect.what, What::PostCreated { post_id, .. } if post_id == answered.id()));
}

#[tokio::test]
async fn waiting_ends_with_the_effect_or_with_its_time() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let late = stage.control.wait_effects(1, Duration::ZERO).await;
    assert!(matches!(late, Err(ClientError::TimedOut(_))));
    let (effects, seen, made) = tokio::join!(
        stage.control.wait_effects(1, DEADLINE),
        stage.control.wait_seq(1, DEADLINE),
        ada.say("hello")
    );
    assert_eq!(effects.unwrap().len(), 1);
    seen.unwrap();
    assert_eq!(stage.control.wait_posts(1, DEADLINE).await.unwrap()[0].id, made.id());
    let none = stage.control.wait_hold("h", Duration::ZERO).await;
    assert!(matches!(none, Err(ClientError::TimedOut(_))));
}

#[tokio::test]
async fn a_reset_forgets_everything_but_the_numbering() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    ada.say("hello").await;
    stage
        .control
        .fault(Rule::on("POST", "/2/tweets", Action::hold("h", When::Before)))
        .await
        .unwrap();
    let (held, ()) = tokio::join!(ada.try_say("held"), async {
        stage.control.wait_hold("h", DEADLINE).await.unwrap();
        stage.control.reset().await.unwrap();
    });
    held.unwrap_err();
    assert!(stage.control.effects(0).await.unwrap().is_empty());
    assert!(stage.control.all_posts().await.unwrap().is_empty());
    assert!(stage.control.standing_faults().await.unwrap().is_empty());
    assert_eq!(ada.get("/2/users/me").await.status, 401);
    assert_eq!(stage.control.journal(0).await.unwrap()[0].seq, 3);
}

#[tokio::test]
async fn bad_input_is_refused_with_the_name_of_the_field() {
    let stage = Stage::new().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("{}/_control/{path}", stage.running.base_url());
    let user = |change: Value| {
        let mut user = json!({ "username": "ada", "name": "Ada", "tokens": [] });
        user.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        user
    };
    let fault = |action: Value| json!([{ "match": { "method": "POST" }, "action": action }]);
    let limit = json!({ "limit": 1, "windowMs": 1 });
    let scopes = json!({ "tokens": [{ "token": "t", "scopes": ["tweet.everything"] }] });
    let cases = [
        ("users", json!({ "username": "ada" }), "body"),
        ("users", user(json!({ "username": "not a name" })), "username"),
        ("users", user(json!({ "id": "x" })), "id"),
        ("users", user(json!({ "tokens": [{ "token": "t", "scopes": 1 }] })), "tokens[0].scopes"),
        ("users", user(scopes), "tokens[0].scopes"),
        ("users", user(json!({ "email": "a" })), "email"),
        ("settings", json!({ "lookupLagMs": "soon" }), "lookupLagMs"),
        ("settings", json!({ "lag": 1 }), "lag"),
        ("settings", json!({ "limits": { "GET /nothing": limit } }), "limits.GET /nothing"),
        ("faults", json!({}), "body"),
        ("faults", fault(json!({ "explode": {} })), "[0].action"),
        (
            "faults",
            fault(json!({ "delay": { "ms": -1, "when": "before" } })),
            "[0].action.delay.ms",
        ),
        ("faults", fault(json!({ "delay": { "ms": 1 } })), "[0].action.delay"),
        (
            "faults",
            fault(json!({ "hold": { "name": "", "when": "after" } })),
            "[0].action.hold.name",
        ),
        ("faults", fault(json!({ "status": { "status": 99 } })), "[0].action.status.status"),
        (
            "faults",
            json!([{ "match": { "times": 0 }, "action": { "dropAfter": {} } }]),
            "[0].match.times",
        ),
        (
            "faults",
            json!([{ "match": { "verb": "x" }, "action": { "dropAfter": {} } }]),
            "[0].match.verb",
        ),
        ("apps", json!({ "clientId": "a:b", "redirectUris": [] }), "clientId"),
        ("apps", json!({ "clientId": "a", "redirectUris": ["back"] }), "redirectUris"),
        ("consent", json!({ "state": "s", "user": "who", "answer": "allow" }), "user"),
        ("consent", json!({ "state": "s", "user": "who", "answer": "maybe" }), "answer"),
        ("keys", json!({ "key": "", "name": "a" }), "key"),
        ("models", json!({ "textChars": "long" }), "textChars"),
        ("release/h", json!({ "outcome": "explode" }), "outcome"),
        ("metrics", json!({ "postId": "1", "metrics": { "likes": 1 } }), "postId"),
    ];
    for (path, body, field) in cases {
        let response = http.post(url(path)).json(&body).send().await.unwrap();
        assert!(response.status().is_client_error(), "{path} {body}");
        let told: Value = response.json().await.unwrap();
        assert_eq!(told["error"]["field"], field, "{path} {body}: {told}");
        assert!(!told["error"]["message"].as_str().unwrap().is_empty());
    }
    for query in ["journal?after=x", "wait", "wait?effects=1&seq=2", "wait?effects=1&kind=x"] {
        let response = http.get(url(query)).send().await.unwrap();
        assert_eq!(response.status(), 400, "{query}");
    }
    assert_eq!(http.get(url("nothing")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_process_tells_its_address_and_serves() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(["--listen", "127.0.0.1:0", "--log", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let base_url = line.trim().strip_prefix("listening on ").unwrap();
    let client = Client::new(base_url);
    let who = client.register(&NewUser::with_token("ada", "t")).await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(who.unwrap().username, "ada");
}

#[tokio::test]
async fn a_stopped_simulator_is_gone() {
    let Stage { running, control } = Stage::new().await;
    control.settings().await.unwrap();
    running.stop().await.unwrap();
    assert!(matches!(control.settings().await, Err(ClientError::Unreachable(_))));
}
