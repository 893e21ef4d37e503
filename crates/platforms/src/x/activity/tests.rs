//! The contracts' samples, what they leave open, and bytes that nobody chose.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::contracts;

fn at(time: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(time).unwrap().to_utc())
}

fn only(body: &Value) -> Meaning {
    let mut told = read(&body.to_string());
    assert_eq!(told.len(), 1, "{body}");
    told.remove(0)
}

fn event(kind: &str, payload: Value) -> Value {
    let filter = json!({ "user_id": "1111" });
    json!({ "data": { "event_uuid": "7", "filter": filter, "event_type": kind, "payload": payload } })
}

#[test]
fn the_samples_mean_what_they_say() {
    let samples = match contracts::json("webhooks/samples.json") {
        Ok(samples) => samples,
        Err(reason) => {
            #[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
            {
                eprintln!("SKIPPED, the samples are not read: {reason}");
            }
            return;
        }
    };
    let samples = samples["x_activity"].as_array().unwrap();
    assert!(samples.len() >= 5);
    for sample in samples {
        let body = &sample["body"];
        let told = match only(body) {
            Meaning::Engagement { of, post_id, id, occurred_at } => {
                assert_eq!(post_id, "2080761390344937796");
                assert!(id.contains(body["data"]["payload"]["id"].as_str().unwrap()), "{id}");
                let created = body["data"]["payload"]["created_at"].as_str().unwrap();
                let apart = occurred_at.unwrap() - at(created).unwrap();
                assert!(apart.num_seconds() == 0, "{occurred_at:?} {created}");
                of.as_str()
            }
            Meaning::AccessRevoked { account_id, occurred_at } => {
                assert_eq!(account_id, "1111");
                assert_eq!(occurred_at, at("2026-08-12T18:00:00Z"));
                "connection revoked"
            }
            Meaning::Nothing if body["data"]["event_type"] == "post.mention.create" => "mention",
            other => panic!("{other:?}"),
        };
        assert_eq!(told, sample["means"], "{sample}");
        let told = envelope(&body.to_string()).unwrap();
        assert_eq!(told.event_id.unwrap(), body["data"]["event_uuid"]);
        assert_eq!(told.event_type.unwrap(), body["data"]["event_type"]);
    }
}

#[test]
fn what_the_samples_leave_open_is_settled() {
    let share = |id: &str, occurred_at| Meaning::Engagement {
        of: EngagementType::Share,
        post_id: "70".to_owned(),
        id: id.to_owned(),
        occurred_at,
    };
    let reference = |list: &str, how: &str| json!({ "id": "2080765813578191303", list: [{ "type": "other", "id": "1" }, { "type": how, "id": "70" }] });
    let by_id = at("2026-07-24T21:23:23.373Z");
    for list in ["referenced_tweets", "referenced_posts"] {
        assert_eq!(
            only(&event("post.repost.create", reference(list, "retweeted"))),
            share("repost:2080765813578191303", by_id)
        );
    }
    let mut early = reference("referenced_tweets", "quoted");
    early["id"] = "20".into();
    assert_eq!(only(&event("post.quote.create", early.clone())), share("quote:20", None));
    early["timestamp_ms"] = json!(1_784_927_565_236_u64);
    let told = only(&event("post.quote.create", early));
    assert_eq!(told, share("quote:20", at("2026-07-24T21:12:45.236Z")));

    let like = json!({ "id": "87", "liked_tweet_id": "70", "created_at": "2026-07-24T21:12:45Z" });
    let mut outbound = event("like.create", like.clone());
    outbound["data"]["filter"]["direction"] = "outbound".into();
    assert_eq!(only(&outbound), Meaning::Nothing);
    let told = only(&event("like.create", like));
    assert!(
        matches!(&told, Meaning::Engagement { occurred_at: None, id, .. } if id == "like:87"),
        "the time of the post is not the time of the like: {told:?}"
    );

    let own = json!({ "id": "71", "author_id": "1111", "in_reply_to_tweet_id": "70" });
    let told = only(&event("post.reply.create", own));
    assert!(matches!(told, Meaning::Engagement { of: EngagementType::Comment, .. }), "{told:?}");
    let deleted = event("post.delete", json!({ "id": "70", "author_id": "1111" }));
    assert_eq!(only(&deleted), Meaning::PostDeleted { post_id: "70".to_owned() });
    let mut revoked = event("oauth.revoke", json!({ "date_time": "2026-07-23T21:44:05+00:00" }));
    let told = |account_id: &str| Meaning::AccessRevoked {
        account_id: account_id.to_owned(),
        occurred_at: at("2026-07-23T21:44:05Z"),
    };
    assert_eq!(only(&revoked), told("1111"));
    revoked["data"]["payload"]["user_id"] = "2222".into();
    assert_eq!(only(&revoked), told("2222"));
    assert_eq!(only(&event("follow.follow", json!({}))), Meaning::Nothing);
}

#[test]
fn what_is_not_whole_or_not_known_is_unknown() {
    let long = "9".repeat(20);
    for body in [
        event("post.pinned", json!({ "id": "70" })),
        event("post.reply.create", json!({ "id": "71" })),
        event("post.reply.create", json!({ "id": "x", "in_reply_to_tweet_id": "70" })),
        event("post.reply.create", json!({ "id": "71", "in_reply_to_tweet_id": long })),
        event(
            "post.quote.create",
            json!({ "id": "71", "referenced_tweets": { "type": "quoted" } }),
        ),
        event("like.create", json!({ "liked_tweet_id": "70" })),
        event("like.create", json!({ "id": "7".repeat(201), "liked_tweet_id": "70" })),
        event("post.delete", json!(["70"])),
        json!({ "data": [] }),
        json!([]),
    ] {
        assert_eq!(only(&body), Meaning::Unknown, "{body}");
    }
    let future =
        json!({ "id": "20", "in_reply_to_tweet_id": "70", "created_at": "9999-01-01T00:00:00Z" });
    let told = only(&event("post.reply.create", future));
    assert!(matches!(told, Meaning::Engagement { occurred_at: None, .. }), "{told:?}");
}

#[test]
fn an_envelope_keeps_ids_as_they_were_written() {
    let id = |uuid: &str| {
        let body = format!(r#"{{"x": [[{{}}]], "data": {{"event_uuid": {uuid}}}, "y": 1}}"#);
        envelope(&body).unwrap().event_id
    };
    assert_eq!(id(r#""-3402274206530057851""#).as_deref(), Some("-3402274206530057851"));
    assert_eq!(id("-3402274206530057851").as_deref(), Some("-3402274206530057851"));
    assert_eq!(id("18446744073709551615").as_deref(), Some("18446744073709551615"));
    for lost in ["18446744073709551616", "1.5", "true", "null", "[1]", r#"{"a": {}}"#, r#""""#] {
        assert_eq!(id(lost), None, "{lost}");
    }
    assert_eq!(id(&format!("{:?}", "7".repeat(201))), None);
    for empty in ["{}", r#"{"data": [1, 2]}"#, r#"{"data": "x"}"#, r#"{"data": null}"#] {
        assert_eq!(envelope(empty).unwrap(), Envelope::default(), "{empty}");
    }
    for bad in ["", "[]", r#"[{"event_uuid": "1"}]"#, "7", "{", r#"{"data": {}} x"#, "null"] {
        assert!(envelope(bad).is_err(), "{bad}");
    }
}

#[test]
fn depth_hurts_nobody() {
    let deep = "[".repeat(500_000);
    let closed =
        format!(r#"{{"data": {{"event_uuid": "1", "payload": {deep}{}}}}}"#, "]".repeat(500_000));
    assert_eq!(envelope(&closed).unwrap().event_id.as_deref(), Some("1"));
    assert_eq!(read(&closed), [Meaning::Unknown]);
    let open = format!(r#"{{"data": {deep}"#);
    assert!(envelope(&open).is_err());
    assert_eq!(read(&open), [Meaning::Unknown]);
}

/// Any JSON, with names and words that come near to X's.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("data"),
        Just("payload"),
        Just("event_type"),
        Just("event_uuid"),
        Just("id"),
        Just("like.create"),
        Just("post.reply.create"),
        Just("post.delete"),
        Just("filter"),
        Just("referenced_tweets"),
        Just("type"),
        Just("timestamp_ms"),
        Just("9223372036854775807"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_and_json_are_read_without_a_panic(
        bytes in vec(any::<u8>(), 0..300), body in any_json(), kind in "[a-z.]{0,20}",
    ) {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), body.to_string()] {
            let _ = envelope(&text);
            prop_assert_eq!(read(&text).len(), 1);
        }
        for kind in [kind.as_str(), "like.create", "post.reply.create", "post.repost.create"] {
            only(&event(kind, body.clone()));
        }
    }

    #[test]
    fn a_body_with_a_bit_turned_over_is_read_without_a_panic(bit in any::<usize>(), end in any::<usize>()) {
        let reply = json!({
            "id": "2090000000000000001", "created_at": "2026-08-12T18:00:00.000Z",
            "referenced_tweets": [{ "type": "replied_to", "id": "2080761390344937796" }],
        });
        let mut body = event("post.reply.create", reply).to_string().into_bytes();
        let at = bit / 8 % body.len();
        body[at] ^= 1 << (bit % 8);
        body.truncate(body.len() - end % 3);
        let text = String::from_utf8_lossy(&body);
        let _ = envelope(&text);
        for meaning in read(&text) {
            if let Meaning::Engagement { post_id, id, .. } = meaning {
                prop_assert!(post_id.len() <= 19 && id.len() <= 210);
            }
        }
    }

    #[test]
    fn told_again_is_the_same(uuid in any::<i64>(), tag in ".{0,10}", id in 1_u64..=u64::MAX >> 1) {
        let body = json!({ "id": id.to_string(), "liked_tweet_id": "70" });
        let mut again = event("like.create", body.clone());
        again["data"]["event_uuid"] = uuid.into();
        again["data"]["tag"] = tag.into();
        prop_assert_eq!(only(&again), only(&event("like.create", body)));
    }
}
