//! A ring of keys: one current, any number of old ones.
//!
//! Parsed once at start from a setting; [`crate::TokenKeys`] and [`crate::TravelKeys`] give a
//! ring its role.
//!
//! **Invariant:** what is new is sealed with the current key; a key id names one key of the ring.

use std::fmt;

use aws_lc_rs::aead::{self, AES_256_GCM, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Aad, Error, KeyId, Sealed};

pub(crate) const EXAMPLE: &str = "`k2:<base64 of 32 random bytes>,k1:<base64 of 32 random \
     bytes>`, the current key first; `openssl rand -base64 32` makes one";

const KEY_BYTES: usize = 32;

/// Standard base64, with or without its closing `=`.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// AES-256-GCM keys by id. Rings are not cloned: share one behind an `Arc`.
///
/// Nonces are random, so a key is to be replaced before it has sealed 2^32 secrets.
///
/// Source: <https://csrc.nist.gov/pubs/sp/800/38/d/r1/iprd>, read 2026-11-22.
pub struct Keyring {
    current: Key,
    old: Vec<Key>,
}

struct Key {
    id: KeyId,
    cipher: RandomizedNonceKey,
}

impl Keyring {
    /// Reads `k2:BASE64_OF_32_BYTES,k1:BASE64_OF_32_BYTES`; the first key is the current one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKeys`] says which key is wrong and why, without showing it.
    pub fn parse(setting: &SecretString) -> Result<Self, Error> {
        let wrong = |reason: String| Error::InvalidKeys { reason };
        let mut seen: Vec<(KeyId, Zeroizing<Vec<u8>>)> = Vec::new();
        for (index, entry) in setting.expose_secret().split(',').map(str::trim).enumerate() {
            let nth = index + 1;
            if entry.is_empty() {
                return Err(wrong(format!("key {nth} is empty")));
            }
            let (id, key) = entry.split_once(':').ok_or_else(|| {
                wrong(format!("key {nth} has no `:` between its id and its value"))
            })?;
            let id = KeyId::parse(id).ok_or_else(|| {
                wrong(format!("the id of key {nth} is not 1 to 32 letters, digits, `-` or `_`"))
            })?;
            let key = Zeroizing::new(
                LENIENT.decode(key).map_err(|_| wrong(format!("key {nth} is not base64")))?,
            );
            if key.len() != KEY_BYTES {
                let length = key.len();
                return Err(wrong(format!("key {nth} has {length} bytes instead of {KEY_BYTES}")));
            }
            if seen.iter().any(|(other, _)| *other == id) {
                return Err(wrong(format!("key {nth} has the id of a key before it")));
            }
            if seen.iter().any(|(_, other)| *other == key) {
                return Err(wrong(format!("key {nth} is the same as a key before it")));
            }
            seen.push((id, key));
        }
        let mut keys = seen.into_iter().map(|(id, key)| Key {
            id,
            cipher: RandomizedNonceKey::new(&AES_256_GCM, &key)
                .expect("AES-256-GCM takes any key of 32 bytes"),
        });
        let current = keys.next().expect("splitting gives at least one entry, checked above");
        Ok(Self { current, old: keys.collect() })
    }

    /// Encrypts with the current key and a fresh random nonce, bound to `aad`.
    pub fn seal(&self, plaintext: &SecretString, aad: &Aad) -> Sealed {
        let plaintext = plaintext.expose_secret().as_bytes();
        // Room for the tag from the start, so that growing leaves no copy of the plaintext.
        let mut in_out =
            Zeroizing::new(Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len()));
        in_out.extend_from_slice(plaintext);
        let nonce = self
            .current
            .cipher
            .seal_in_place_append_tag(aead::Aad::from(aad.bytes()), &mut *in_out)
            .expect("AES-256-GCM seals anything shorter than 64 GiB");
        Sealed::new(self.current.id.clone(), nonce.as_ref(), &in_out)
    }

    /// Decrypts what was sealed for the same `aad` with any key of the ring.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`] when its key is not in the ring, [`Error::Refused`] when it was
    /// altered or belongs to another row or purpose.
    pub fn open(&self, sealed: &Sealed, aad: &Aad) -> Result<SecretString, Error> {
        let key = self.keys().find(|key| key.id == *sealed.key_id()).ok_or_else(|| {
            let known: Vec<_> = self.key_ids().map(KeyId::as_str).collect();
            Error::UnknownKey { key_id: sealed.key_id().clone(), known: known.join(", ") }
        })?;
        let refused = || Error::Refused { key_id: key.id.clone() };
        let (nonce, ciphertext) = sealed.parts();
        let mut in_out = Zeroizing::new(ciphertext.to_vec());
        let plaintext = key
            .cipher
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(aad.bytes()),
                in_out.as_mut_slice(),
            )
            .map_err(|_| refused())?;
        let plaintext = std::str::from_utf8(plaintext).map_err(|_| refused())?;
        Ok(SecretString::from(plaintext))
    }

    /// Whether this was sealed with the current key; if not, seal it anew when it is next written.
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        self.current.id == *sealed.key_id()
    }

    /// The ids of all keys, the current one first.
    pub fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys().map(|key| &key.id)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.old)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring")
            .field(&self.key_ids().map(KeyId::as_str).collect::<Vec<_>>())
            .finish()
    }
}

/// A new random key in base64; an operator puts `<id>:` before it and the pair in a setting.
pub fn generate_key() -> SecretString {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    aws_lc_rs::rand::fill(key.as_mut_slice()).expect("the operating system gives random bytes");
    SecretString::from(STANDARD.encode(key.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str]) -> (Keyring, Vec<String>) {
        let entries: Vec<_> =
            ids.iter().map(|id| format!("{id}:{}", generate_key().expose_secret())).collect();
        (Keyring::parse(&entries.join(",").into()).expect("a good setting"), entries)
    }

    fn place() -> Aad {
        Aad::new("platform_connections.access_token", "row-1")
    }

    #[test]
    fn what_is_sealed_opens_in_its_place() {
        let (ring, _) = ring(&["k1"]);
        for plaintext in ["", "hunter2", "ключ 🔑", &"x".repeat(100_000)] {
            let sealed = ring.seal(&plaintext.into(), &place());
            let read: Sealed = sealed.to_string().parse().expect("its own text");
            assert_eq!(ring.open(&read, &place()).expect("opens").expose_secret(), plaintext);
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let (ring, _) = ring(&["k1"]);
        let [one, two] = [(); 2].map(|()| ring.seal(&"hunter2".into(), &place()));
        assert_ne!(one.to_string(), two.to_string());
    }

    #[test]
    fn another_row_or_purpose_is_refused() {
        let (ring, _) = ring(&["k1"]);
        let sealed = ring.seal(&"hunter2".into(), &place());
        for elsewhere in [
            Aad::new("platform_connections.access_token", "row-2"),
            Aad::new("platform_connections.refresh_token", "row-1"),
        ] {
            let error = ring.open(&sealed, &elsewhere).expect_err("moved");
            assert!(matches!(error, Error::Refused { .. }), "{error}");
        }
    }

    #[test]
    fn any_altered_character_is_refused() {
        let (ring, _) = ring(&["k1"]);
        let text = ring.seal(&"hunter2".into(), &place()).to_string();
        for index in "v1.k1.".len()..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ascii");
            // The spare bits of the last character may make it no base64 at all.
            if let Ok(sealed) = altered.parse::<Sealed>() {
                let error = ring.open(&sealed, &place()).expect_err("altered");
                assert!(matches!(error, Error::Refused { .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_replaced_key_still_opens_and_no_longer_seals() {
        let (before, entries) = ring(&["k1"]);
        let sealed = before.seal(&"hunter2".into(), &place());
        let setting = format!("k2:{},{}", generate_key().expose_secret(), entries[0]);
        let after = Keyring::parse(&setting.into()).expect("a good setting");
        assert_eq!(after.open(&sealed, &place()).expect("opens").expose_secret(), "hunter2");
        assert!(before.is_current(&sealed) && !after.is_current(&sealed));
        assert_eq!(after.seal(&"hunter2".into(), &place()).key_id().as_str(), "k2");
    }

    #[test]
    fn a_missing_key_is_named_and_a_namesake_is_refused() {
        let (sealer, _) = ring(&["k1"]);
        let sealed = sealer.seal(&"hunter2".into(), &place());
        let (stranger, _) = ring(&["k3", "k2"]);
        let error = stranger.open(&sealed, &place()).expect_err("unknown key");
        let said = error.to_string();
        assert!(said.contains("`k1`") && said.contains("k3, k2"), "{said}");
        let (namesake, _) = ring(&["k1"]);
        let error = namesake.open(&sealed, &place()).expect_err("another key");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }

    #[test]
    fn a_wrong_setting_is_explained_and_never_shown() {
        let good = generate_key();
        let good = good.expose_secret();
        let secret = "c2VjcmV0";
        for (setting, part) in [
            (String::new(), "key 1 is empty"),
            (format!("k1:{good},"), "key 2 is empty"),
            (secret.to_owned(), "key 1 has no `:`"),
            (format!("k1:{good},k 0:{good}"), "id of key 2"),
            (format!(":{good}"), "id of key 1"),
            ("k1:***c2VjcmV0***".to_owned(), "key 1 is not base64"),
            (format!("k1:{secret}"), "key 1 has 6 bytes instead of 32"),
            (format!("k1:{good},k1:{}", generate_key().expose_secret()), "id of a key before"),
            (format!("k2:{good},k1:{good}"), "same as a key before"),
        ] {
            let error = Keyring::parse(&setting.into()).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
            assert!(error.contains("openssl rand -base64 32"), "{error}");
            assert!(!error.contains(secret) && !error.contains(good), "{error}");
        }
    }

    #[test]
    fn padding_and_spaces_do_not_matter() {
        let key = generate_key();
        let bare = key.expose_secret().trim_end_matches('=');
        let ring = Keyring::parse(&format!(" k1:{bare} ").into()).expect("lenient");
        assert_eq!(format!("{ring:?}"), "Keyring([\"k1\"])");
    }
}
