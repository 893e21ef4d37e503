//! The contracts' signatures and handshakes, decided as they say.

use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

use crate::contracts;
use crate::webhooks::{Unverified, discord, linkedin, meta, standard, stripe, telegram, tiktok, x};

struct Vector<'a>(&'a Value);

impl Vector<'_> {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let headers = self.0["headers"].as_object()?;
        let (_, value) = headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        Some(value.as_str()?.as_bytes())
    }

    fn query(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(self.text("query").as_bytes()).into_owned().collect()
    }

    /// What the verifier of its sender decides; of a handshake, with the answer's text.
    fn decide(&self) -> Result<Option<String>, Unverified> {
        let (secret, body) = (self.text("secret").as_bytes(), self.text("body").as_bytes());
        let secrets = [secret];
        // The contracts name no time where the sender's signature has none that ends.
        let now = self.0["now"].as_i64().unwrap_or(1_793_000_600);
        let tolerance = Duration::from_secs(self.0["tolerance_s"].as_u64().unwrap_or(300));
        let query = self.query();
        let asked = |name: &str| query.get(name).map(String::as_str);
        let decided = match (self.text("platform"), self.text("kind")) {
            ("META", "subscription_challenge") => {
                let subscribe = meta::Subscribe {
                    mode: asked("hub.mode"),
                    verify_token: asked("hub.verify_token"),
                    challenge: asked("hub.challenge"),
                };
                let tokens = [self.text("verify_token").as_bytes()];
                return meta::challenge(&tokens, &subscribe).map(|text| Some(text.to_owned()));
            }
            ("X", "crc") => return x::crc_answer(secret, asked(x::CRC_TOKEN).unwrap()).map(Some),
            ("LINKEDIN", "challenge") => {
                let code = asked(linkedin::CHALLENGE_CODE).unwrap();
                return linkedin::challenge_answer(secret, code).map(Some);
            }
            ("META" | "THREADS", "") => meta::verify(&secrets, self.header(meta::HEADER), body),
            ("X", "") => x::verify(&secrets, self.header(x::HEADER), body),
            ("LINKEDIN", "") => linkedin::verify(&secrets, self.header(linkedin::HEADER), body),
            ("TIKTOK", "") => {
                tiktok::verify(&secrets, self.header(tiktok::HEADER), body, now, tolerance)
            }
            ("STRIPE", "") => {
                stripe::verify(&secrets, self.header(stripe::HEADER), body, now, tolerance)
            }
            ("STANDARD_WEBHOOKS", "") => {
                let headers = standard::Headers {
                    id: self.header(standard::ID),
                    timestamp: self.header(standard::TIMESTAMP),
                    signature: self.header(standard::SIGNATURE),
                };
                standard::verify(&secrets, &headers, body, now, tolerance)
            }
            ("TELEGRAM", "") => telegram::verify(&secrets, self.header(telegram::HEADER)),
            ("DISCORD", "") => {
                assert_eq!(discord::is_ping(body), self.text("body").contains("\"type\":0"));
                let headers = discord::Headers {
                    signature: self.header(discord::SIGNATURE),
                    timestamp: self.header(discord::TIMESTAMP),
                };
                let keys = [self.text("public_key_hex")];
                discord::verify(&keys, &headers, body, now, tolerance)
            }
            other => panic!("no verifier for {other:?}"),
        };
        decided.map(|()| None)
    }
}

#[test]
fn every_vector_is_decided_as_the_contracts_say() {
    let vectors = match contracts::json("webhooks/signature-vectors.json") {
        Ok(vectors) => vectors,
        Err(reason) => {
            #[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
            {
                eprintln!("SKIPPED, the signatures are not compared: {reason}");
            }
            return;
        }
    };
    let mut senders = std::collections::BTreeSet::new();
    for value in vectors["vectors"].as_array().unwrap() {
        let vector = Vector(value);
        let decided = vector.decide();
        let name = format!("{} {}: {decided:?}", vector.text("platform"), vector.text("name"));
        assert_eq!(decided.is_ok(), value["accept"].as_bool().unwrap(), "{name}");
        if let Ok(Some(answer)) = decided {
            let response = &value["response"];
            let wanted = [
                &response["body"],
                &response["body_json"]["response_token"],
                &response["body_json"]["challengeResponse"],
            ];
            assert!(wanted.contains(&&Value::from(answer)), "{name}");
        }
        senders.insert(vector.text("platform").to_owned());
    }
    assert_eq!(senders.len(), 9, "{senders:?}");
}
