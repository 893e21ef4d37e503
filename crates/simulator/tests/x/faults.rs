//! Every fault, as a caller meets it and as the journal tells it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use simulator::{Action, Met, Outcome, Rule, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{Caller, DEADLINE, Stage};

fn on_post(action: Action) -> Rule {
    Rule::on("POST", "/2/tweets", action).named("f")
}

async fn with_fault(rule: Rule) -> (Stage, Caller) {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    stage.control.fault(rule).await.unwrap();
    (stage, ada)
}

/// The last request of the journal, as (fault's action, status, answered).
async fn last(stage: &Stage) -> (Option<String>, Option<u16>, Option<bool>) {
    let entry = stage.control.journal(0).await.unwrap().pop().unwrap();
    (entry.fault.map(|met| met.action), entry.status, entry.answered)
}

async fn effect_count(stage: &Stage) -> usize {
    stage.control.effects(0).await.unwrap().len()
}

#[tokio::test]
async fn a_status_is_answered_without_acting() {
    let (stage, ada) = with_fault(on_post(Action::status(503)).times(1)).await;
    assert_eq!(ada.say("one").await.status, 503);
    assert_eq!(last(&stage).await, (Some("status".into()), Some(503), Some(true)));
    assert_eq!(ada.say("one").await.status, 201);
    assert_eq!(effect_count(&stage).await, 1);
}

#[tokio::test]
async fn a_status_may_bring_headers_and_a_body_and_may_follow_the_act() {
    let action = Action::Status {
        status: 500,
        headers: BTreeMap::from([("retry-after".into(), "7".into())]),
        body: Some(json!("down")),
        act: true,
    };
    let (stage, ada) = with_fault(on_post(action)).await;
    let answered = ada.unchecked().say("one").await;
    assert_eq!((answered.status.as_u16(), answered.text.as_str()), (500, "down"));
    assert_eq!(answered.header("retry-after"), 7);
    assert_eq!(effect_count(&stage).await, 1);
}

#[tokio::test]
async fn a_rate_limit_comes_with_its_headers() {
    let (stage, ada) = with_fault(on_post(Action::RateLimited { reset_in_ms: 2_500 })).await;
    let before = chrono::Utc::now();
    let answered = ada.say("one").await;
    assert_eq!(answered.status, 429);
    assert_eq!(answered.header("x-rate-limit-limit"), 100);
    assert_eq!(answered.header("x-rate-limit-remaining"), 0);
    let reset = answered.header("x-rate-limit-reset");
    assert!(reset * 1000 >= before.timestamp_millis() + 2_500, "the reset is never early");
    assert!(reset * 1000 <= chrono::Utc::now().timestamp_millis() + 3_500);
    assert_eq!(effect_count(&stage).await, 0);
}

#[tokio::test]
async fn a_delay_delays_before_or_after_the_act() {
    for when in [When::Before, When::After] {
        let (stage, ada) = with_fault(on_post(Action::Delay { ms: 60, when })).await;
        let start = Instant::now();
        assert_eq!(ada.say("one").await.status, 201);
        assert!(start.elapsed() >= Duration::from_millis(60));
        assert_eq!(effect_count(&stage).await, 1);
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_undo_the_act() {
    let (stage, ada) = with_fault(on_post(Action::hold("h", When::Before))).await;
    let call = tokio::spawn(async move { ada.try_say("one").await });
    stage.control.wait_hold("h", DEADLINE).await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(effect_count(&stage).await, 0);
    stage.control.release("h").await.unwrap();
    assert_eq!(stage.control.wait_posts(1, DEADLINE).await.unwrap()[0].text, "one");
}

#[tokio::test]
async fn a_drop_before_the_act_leaves_nothing() {
    let (stage, ada) = with_fault(on_post(Action::DropBefore {}).times(20)).await;
    for at in 0..20 {
        let error = ada.try_say(&format!("post {at}")).await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        assert_eq!(last(&stage).await, (Some("dropBefore".into()), None, Some(false)));
    }
    assert_eq!(effect_count(&stage).await, 0);
    assert_eq!(ada.say("post 0").await.status, 201);
}

#[tokio::test]
async fn a_drop_after_the_act_leaves_the_post() {
    let (stage, ada) = with_fault(on_post(Action::DropAfter {}).times(20)).await;
    for at in 0..20 {
        ada.try_say(&format!("post {at}")).await.unwrap_err();
        assert_eq!(last(&stage).await, (Some("dropAfter".into()), Some(201), Some(false)));
    }
    assert_eq!(effect_count(&stage).await, 20);
}

#[tokio::test]
async fn a_drop_is_a_reset_of_the_connection_without_a_byte() {
    let (stage, ada) = with_fault(on_post(Action::DropAfter {})).await;
    let address = stage.running.base_url().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = r#"{"text":"raw"}"#;
    let request = format!(
        "POST /2/tweets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        ada.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(bytes.is_empty());
    assert_eq!(effect_count(&stage).await, 1);
}

#[tokio::test]
async fn a_malformed_answer_says_created_and_cannot_be_read() {
    let (stage, ada) = with_fault(on_post(Action::Malformed {})).await;
    let answered = ada.unchecked().say("one").await;
    assert_eq!(answered.status, 201);
    assert!(serde_json::from_str::<serde_json::Value>(&answered.text).is_err());
    assert_eq!(effect_count(&stage).await, 1);
}

#[tokio::test]
async fn a_revoked_token_stays_revoked() {
    let (stage, ada) = with_fault(on_post(Action::RevokeToken {})).await;
    assert_eq!(ada.say("one").await.status, 401);
    assert_eq!(ada.get("/2/users/me").await.status, 401);
    let entry = stage.control.journal(0).await.unwrap().pop().unwrap();
    assert_eq!(entry.user, Some(ada.who.clone()), "the journal still knows whose token it was");
    let bob = stage.caller("bob").await;
    assert_eq!(bob.get("/2/users/me").await.status, 200);
}

#[tokio::test]
async fn a_hold_before_the_act_waits_with_the_act() {
    let (stage, ada) = with_fault(on_post(Action::hold("h", When::Before))).await;
    let (answered, ()) = tokio::join!(ada.say("one"), async {
        let hold = stage.control.wait_hold("h", DEADLINE).await.unwrap();
        assert_eq!((hold.seq, hold.when), (1, When::Before));
        assert_eq!(stage.control.holds().await.unwrap(), std::slice::from_ref(&hold));
        assert_eq!(effect_count(&stage).await, 0);
        let entry = &stage.control.journal(0).await.unwrap()[0];
        assert_eq!((entry.status, entry.answered), (None, None));
        assert_eq!(entry.fault, Some(Met { id: "f".into(), action: "hold".into() }));
        assert_eq!(stage.control.release("h").await.unwrap(), [hold]);
    });
    assert_eq!(answered.status, 201);
    assert_eq!(effect_count(&stage).await, 1);
    assert!(stage.control.holds().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hold_after_the_act_waits_with_the_answer() {
    let (stage, ada) = with_fault(on_post(Action::hold("h", When::After))).await;
    let (answered, ()) = tokio::join!(ada.say("one"), async {
        stage.control.wait_hold("h", DEADLINE).await.unwrap();
        assert_eq!(effect_count(&stage).await, 1);
        stage.control.release("h").await.unwrap();
    });
    assert_eq!(answered.status, 201);
    assert_eq!(last(&stage).await, (Some("hold".into()), Some(201), Some(true)));
}

#[tokio::test]
async fn a_held_call_can_be_dropped() {
    for (when, effects) in [(When::Before, 0), (When::After, 1)] {
        let (stage, ada) = with_fault(on_post(Action::hold("h", when))).await;
        let (answered, ()) = tokio::join!(ada.try_say("one"), async {
            stage.control.wait_hold("h", DEADLINE).await.unwrap();
            stage.control.release_as("h", Outcome::Drop).await.unwrap();
        });
        answered.unwrap_err();
        assert_eq!(effect_count(&stage).await, effects);
    }
}

#[tokio::test]
async fn a_rule_meets_the_nth_request_of_its_user_and_text() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    let rule = on_post(Action::status(502)).user("bob").text_contains("b").after(2).times(1);
    stage.control.fault(rule).await.unwrap();
    assert_eq!(ada.say("b").await.status, 201);
    assert_eq!(bob.say("a").await.status, 201);
    assert_eq!(bob.say("b1").await.status, 201);
    assert_eq!(bob.say("b2").await.status, 502);
    assert_eq!(bob.say("b3").await.status, 201);
    let standing = stage.control.standing_faults().await.unwrap();
    assert_eq!((standing[0].matched, standing[0].used), (2, 1));
    let forever = Rule::on("GET", "/2/users/*", Action::status(500)).forever();
    stage.control.fault(forever).await.unwrap();
    assert_eq!(bob.get("/2/users/me").await.status, 500);
    assert_eq!(bob.timeline("").await.status, 500);
    stage.control.clear_faults().await.unwrap();
    assert_eq!(bob.timeline("").await.status, 200);
}
