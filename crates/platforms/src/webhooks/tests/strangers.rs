//! Headers and bodies that nobody chose, and right ones with a bit turned over.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

use crate::webhooks::{Unverified, discord, linkedin, meta, standard, stripe, telegram, tiktok, x};

const NOW: i64 = 1_793_000_410;
const TOLERANCE: Duration = Duration::from_secs(300);
const SECRET: &[u8] = b"a secret that is long enough";
const OTHER: &[u8] = b"another secret, equally good";
/// The contracts' own, with two signatures of it.
const DISCORD_KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const DISCORD_SIGNATURE: &[u8] =
    b"9a004a22749713b31b4af4fa5007554413871809f3ed7fef10cf282de817740f\
    6e402430f6f0a95f7fd28d11d83f99afba558d3ea60e46d080b71334c435a60b";
const DISCORD_BODY: &[u8] = br#"{"version":1,"application_id":"1234560123453231555","type":0}"#;
const DISCORD_TIME: &[u8] = b"1793000600";
const STANDARD_SECRET: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Header<'a> = Option<&'a [u8]>;

/// All verifiers, given the same header and body.
fn verify_all(header: Header<'_>, body: &[u8]) -> [Result<(), Unverified>; 8] {
    let secrets = [SECRET, OTHER, b""];
    let standard = standard::Headers { id: header, timestamp: header, signature: header };
    let discord = discord::Headers { signature: header, timestamp: header };
    [
        meta::verify(&secrets, header, body),
        x::verify(&secrets, header, body),
        linkedin::verify(&secrets, header, body),
        tiktok::verify(&secrets, header, body, NOW, TOLERANCE),
        stripe::verify(&secrets, header, body, NOW, TOLERANCE),
        standard::verify(&[STANDARD_SECRET, b"no secret"], &standard, body, NOW, TOLERANCE),
        telegram::verify(&secrets, header),
        discord::verify(&[DISCORD_KEY, "no key"], &discord, body, NOW, TOLERANCE),
    ]
}

/// `bytes` with one bit turned over.
fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bit / 8 % bytes.len();
    bytes[at] ^= 1 << (bit % 8);
    bytes
}

/// Headers that come near to right ones.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let near = "(sha256=|t=[0-9]{0,20},(v1|s|v0)=|v1,|t=,|t=1,t=2,|whsec_)?[0-9a-fA-F+/=, .]{0,90}";
    prop_oneof![vec(any::<u8>(), 0..200), near.prop_map(String::into_bytes)]
}

proptest! {
    #[test]
    fn what_a_stranger_sends_verifies_nowhere(
        header in option::of(header()), body in vec(any::<u8>(), 0..300),
    ) {
        for verdict in verify_all(header.as_deref(), &body) {
            let why = verdict.unwrap_err();
            prop_assert!(!why.to_string().is_empty() && !why.as_str().is_empty());
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let asked = meta::Subscribe {
            mode: Some("subscribe"), verify_token: Some(&text), challenge: Some(&text),
        };
        prop_assert!(meta::challenge(&[SECRET, b""], &asked).is_err());
        discord::is_ping(&body);
    }

    #[test]
    fn a_right_signature_verifies_and_with_a_bit_turned_over_does_not(
        body in vec(any::<u8>(), 1..300), bit in any::<usize>(), skew in -300_i64..=300,
    ) {
        let secrets = [OTHER, SECRET];
        let other = flipped(&body, bit);
        let at = NOW + skew;

        let header = x::sign(SECRET, &body).into_bytes();
        prop_assert_eq!(x::verify(&secrets, Some(&header), &body), Ok(()));
        prop_assert!(x::verify(&secrets, Some(&header), &other).is_err());
        prop_assert!(x::verify(&secrets, Some(&flipped(&header, bit)), &body).is_err());
        prop_assert!(x::verify(&[OTHER], Some(&header), &body).is_err());

        let header = stripe::sign(&[SECRET], &body, at).into_bytes();
        let stripe = |header: &[u8], body: &[u8]| {
            stripe::verify(&secrets, Some(header), body, NOW, TOLERANCE)
        };
        prop_assert_eq!(stripe(&header, &body), Ok(()));
        prop_assert_eq!(stripe(&header, &other), Err(Unverified::Wrong));
        prop_assert!(stripe(&flipped(&header, bit), &body).is_err());
        let two = stripe::sign(&[b"an old one", SECRET], &body, at).into_bytes();
        prop_assert_eq!(stripe(&two, &body), Ok(()));

        let header = String::from_utf8(header).unwrap().replace("v1=", "s=").into_bytes();
        let tiktok = |header: &[u8], body: &[u8]| {
            tiktok::verify(&secrets, Some(header), body, NOW, TOLERANCE)
        };
        prop_assert_eq!(tiktok(&header, &body), Ok(()));
        prop_assert_eq!(tiktok(&header, &other), Err(Unverified::Wrong));
        prop_assert!(tiktok(&flipped(&header, bit), &body).is_err());
    }

    #[test]
    fn one_bit_of_discords_and_telegrams_is_enough(bit in any::<usize>()) {
        let discord = |signature: &[u8], timestamp: &[u8], body: &[u8]| {
            let headers =
                discord::Headers { signature: Some(signature), timestamp: Some(timestamp) };
            discord::verify(&[DISCORD_KEY], &headers, body, NOW, TOLERANCE)
        };
        let (signature, time, body) = (DISCORD_SIGNATURE, DISCORD_TIME, DISCORD_BODY);
        prop_assert_eq!(discord(signature, time, body), Ok(()));
        let headers = discord::Headers { signature: Some(signature), timestamp: Some(time) };
        let late = discord::verify(&[DISCORD_KEY], &headers, body, NOW + 491, TOLERANCE);
        prop_assert!(discord(&flipped(signature, bit), time, body).is_err());
        prop_assert!(discord(signature, &flipped(time, bit), body).is_err());
        prop_assert_eq!(late, Err(Unverified::TooOld));
        prop_assert!(discord(signature, time, &flipped(body, bit)).is_err());
        prop_assert!(telegram::verify(&[b"secret"], Some(&flipped(b"secret", bit))).is_err());
    }

    #[test]
    fn no_challenge_is_answered_with_the_signature_of_a_body(
        inside in "\\PC{0,40}", prefix in "(hmacsha256=|sha256=)?",
    ) {
        let body = format!("{prefix}{{\"data\":{{\"event_type\":\"{inside}\"}}}}");
        prop_assert!(x::crc_answer(SECRET, &body).is_err());
        prop_assert!(linkedin::challenge_answer(SECRET, &body).is_err());
    }
}

#[test]
fn a_time_at_the_edge_is_good_and_a_second_further_says_which_way() {
    let header = |at| stripe::sign(&[SECRET], b"{}", at).into_bytes();
    let verdict = |at| stripe::verify(&[SECRET], Some(&header(at)), b"{}", NOW, TOLERANCE);
    assert_eq!((verdict(NOW - 300), verdict(NOW + 300)), (Ok(()), Ok(())));
    assert_eq!(verdict(NOW - 301), Err(Unverified::TooOld));
    assert_eq!(verdict(NOW + 301), Err(Unverified::FromFuture));
    assert_eq!(verdict(i64::MAX), Err(Unverified::FromFuture));
    let twice = [&header(NOW)[..], b",t=1"].concat();
    let twice = stripe::verify(&[SECRET], Some(&twice), b"{}", NOW, TOLERANCE);
    assert_eq!(twice, Err(Unverified::Malformed(stripe::HEADER)));
}

#[test]
fn a_part_of_the_id_is_never_taken_for_the_time() {
    // Signed as `a` and 1793000400 with a body that begins like a time.
    let signature = b"v1,kD5wDI0TIEDPwz2OK/kJK5rTOOYh+572OJdFtXUIgNs=";
    let verify = |id: &[u8], timestamp: &[u8], body: &[u8]| {
        let headers = standard::Headers {
            id: Some(id),
            timestamp: Some(timestamp),
            signature: Some(signature),
        };
        standard::verify(&[STANDARD_SECRET], &headers, body, NOW, TOLERANCE)
    };
    assert_eq!(verify(b"a", b"1793000400", b"1793000401.{}"), Ok(()));
    let shifted = verify(b"a.1793000400", b"1793000401", b"{}");
    assert_eq!(shifted, Err(Unverified::Malformed(standard::ID)));
}

#[test]
fn nothing_proves_an_empty_secret_or_none() {
    let header = x::sign(b"", b"{}").into_bytes();
    assert_eq!(x::verify(&[b""], Some(&header), b"{}"), Err(Unverified::Wrong));
    assert_eq!(x::verify(&[], Some(&header), b"{}"), Err(Unverified::Wrong));
    assert_eq!(telegram::verify(&[b""], Some(b"")), Err(Unverified::Wrong));
}
