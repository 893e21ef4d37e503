//! The names of objects.
//!
//! Parsed wherever a text becomes a key: from a request, from the database.
//!
//! **Invariant:** a `Key` is a relative path of plain segments; joined to a folder or a bucket it
//! names something inside of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::Error;

pub(crate) const EXAMPLE: &str = "`org/<uuid>/uploads/<uuid>`";

const LONGEST_BYTES: usize = 512;

/// The key of an object, such as `org/<uuid>/uploads/<uuid>`: up to 512 letters, digits, `-`,
/// `_` and `.` in segments that do not begin with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Where an organization's upload is kept.
    pub fn upload(organization: Uuid, upload: Uuid) -> Self {
        Self(format!("org/{organization}/uploads/{upload}"))
    }

    /// Where media that was generated for an organization is kept.
    pub fn generated(organization: Uuid, media: Uuid) -> Self {
        Self(format!("org/{organization}/generated/{media}"))
    }

    /// Whether this is an object of the organization.
    pub fn belongs_to(&self, organization: Uuid) -> bool {
        let rest = self.0.strip_prefix("org/").and_then(|rest| rest.split_once('/'));
        rest.is_some_and(|(owner, _)| owner == organization.to_string())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => {
                let key = text.chars().take(LONGEST_BYTES).collect();
                Err(Error::InvalidKey { key, reason })
            }
        }
    }
}

fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > LONGEST_BYTES {
        return Some("it is longer than 512 bytes");
    }
    if text.starts_with('/') {
        return Some("it begins with `/`");
    }
    text.split('/').find_map(|segment| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        match segment {
            "" => Some("it has an empty segment"),
            "." | ".." => Some("it has a segment `.` or `..`"),
            _ if segment.starts_with('.') => Some("it has a segment that begins with a dot"),
            _ if segment.len() > 200 => Some("it has a segment longer than 200 bytes"),
            _ if !segment.bytes().all(plain) => {
                Some("it has characters other than letters, digits, `-`, `_`, `.` and `/`")
            }
            _ => None,
        }
    })
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_belongs_to_its_organization_only() {
        let [mine, theirs, upload] = [1, 2, 3].map(Uuid::from_u128);
        let key = Key::upload(mine, upload);
        assert_eq!(key.to_string().parse::<Key>().expect("its own text"), key);
        assert!(key.belongs_to(mine) && !key.belongs_to(theirs));
        assert!(Key::generated(mine, upload).belongs_to(mine));
    }

    #[test]
    fn no_key_leads_out_of_the_store() {
        for (text, part) in [
            ("", "empty"),
            ("/etc/passwd", "begins with `/`"),
            ("org/../../etc/passwd", "`..`"),
            ("..", "`..`"),
            ("org/./a", "`.`"),
            ("org//a", "empty segment"),
            ("org/a/", "empty segment"),
            ("org/.incoming", "begins with a dot"),
            ("org\\a", "characters"),
            ("org/a b", "characters"),
            ("org/%2e%2e/a", "characters"),
            ("org/a\0", "characters"),
            ("org/ä", "characters"),
        ] {
            let error = text.parse::<Key>().expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
            assert!(error.contains("org/<uuid>/uploads/<uuid>"), "{error}");
        }
        assert!("a/".repeat(300).parse::<Key>().is_err());
        assert!("a".repeat(201).parse::<Key>().is_err());
    }
}
