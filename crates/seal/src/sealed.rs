//! The text form of what is sealed: `v1.<key id>.<base64url of nonce, ciphertext, tag>`.
//!
//! This is what columns and job arguments hold; it is parsed here and opened by a ring.
//!
//! **Invariant:** a `Sealed` is always well formed: it has a version, a key id and at least the
//! bytes of a nonce and a tag.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

pub(crate) const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The name of a key: 1 to 32 letters, digits, `-` or `_`, chosen by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let right = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        right.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An encrypted secret, safe to store and to send; see the module for its form.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key_id: KeyId,
    /// Nonce, then ciphertext, then tag.
    body: Vec<u8>,
}

impl Sealed {
    /// The id of the key it was sealed with.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    pub(crate) fn new(key_id: KeyId, nonce: &[u8; NONCE_BYTES], ciphertext: &[u8]) -> Self {
        Self { key_id, body: [nonce.as_slice(), ciphertext].concat() }
    }

    /// The nonce, and the ciphertext with its tag.
    pub(crate) fn parts(&self) -> ([u8; NONCE_BYTES], &[u8]) {
        let (nonce, rest) = self
            .body
            .split_first_chunk::<NONCE_BYTES>()
            .expect("construction and parsing refuse a body shorter than nonce and tag");
        (*nonce, rest)
    }
}

impl FromStr for Sealed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let no = |reason| Error::NotSealed { reason };
        let mut parts = text.split('.');
        if parts.next() != Some("v1") {
            return Err(no("it does not begin with `v1.`"));
        }
        let key_id = parts
            .next()
            .and_then(KeyId::parse)
            .ok_or(no("`v1.` is not followed by the id of a key"))?;
        let (Some(body), None) = (parts.next(), parts.next()) else {
            return Err(no("it does not have exactly three parts"));
        };
        let body =
            URL_SAFE_NO_PAD.decode(body).map_err(|_| no("its last part is not base64url"))?;
        if body.len() < NONCE_BYTES + TAG_BYTES {
            return Err(no("its last part is too short"));
        }
        Ok(Self { key_id, body })
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}", self.key_id, URL_SAFE_NO_PAD.encode(&self.body))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(v1.{}.<{} bytes>)", self.key_id, self.body.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Sealed {
        let key_id = KeyId::parse("k1").expect("a key id");
        Sealed::new(key_id, &[7; NONCE_BYTES], &[9; TAG_BYTES + 3])
    }

    #[test]
    fn text_and_json_come_back_the_same() {
        let sealed = some();
        assert_eq!(sealed.to_string().parse(), Ok(sealed.clone()));
        let json = serde_json::to_string(&sealed).expect("serializes");
        assert!(json.starts_with("\"v1.k1."), "{json}");
        assert_eq!(serde_json::from_str::<Sealed>(&json).expect("deserializes"), sealed);
    }

    #[test]
    fn what_was_never_sealed_is_refused_and_not_repeated() {
        for text in ["", "hunter2", "v2.k1.AAAA", "v1..AAAA", "v1.k 1.AAAA", "v1.k1", "v1.k1.!!"] {
            let error = text.parse::<Sealed>().expect_err(text);
            assert!(matches!(error, Error::NotSealed { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert!(format!("{}.x", some()).parse::<Sealed>().is_err());
        assert!("v1.k1.AAAA".parse::<Sealed>().is_err(), "too short for nonce and tag");
    }

    #[test]
    fn debug_shows_the_key_id_and_the_length_only() {
        assert_eq!(format!("{:?}", some()), "Sealed(v1.k1.<31 bytes>)");
    }
}
