//! The two words of a delivery that the door needs, without reading the rest of it.
//!
//! **Invariant:** takes memory for these two words alone, however large and deep the rest is.

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

use super::TEXT_MAX;

/// What a delivery says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// X's id of the event; `None` where there is none that can be kept as it was written.
    pub event_id: Option<String>,
    /// X's word for what happened.
    pub event_type: Option<String>,
}

/// The body is not a JSON object.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a JSON object: {0}")]
pub struct Malformed(#[source] serde_json::Error);

/// Reads the envelope of a delivery.
///
/// # Errors
/// [`Malformed`] when the body is not a JSON object.
pub fn envelope(body: &str) -> Result<Envelope, Malformed> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        data: Loose<Data>,
    }
    // A list in the order of the fields would be taken for an object.
    if !body.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Malformed(Error::custom("it does not begin with a brace")));
    }
    let body: Body = serde_json::from_str(body).map_err(Malformed)?;
    let data = body.data.0.unwrap_or_default();
    Ok(Envelope { event_id: data.event_uuid.0, event_type: data.event_type.0 })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    event_uuid: Loose<String>,
    event_type: Loose<String>,
}

/// What is read if it looks as it should, and otherwise passed over.
struct Loose<T>(Option<T>);

impl<T> Default for Loose<T> {
    fn default() -> Self {
        Loose(None)
    }
}

/// What can be made of a value.
trait Make: Sized {
    fn from_text(_text: &str) -> Option<Self> {
        None
    }
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        pass_over(map).map(|()| None)
    }
}

impl Make for String {
    fn from_text(text: &str) -> Option<Self> {
        (1..=TEXT_MAX).contains(&text.len()).then(|| text.to_owned())
    }
}

impl Make for Data {
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Data::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
    }
}

fn pass_over<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de, T: Make> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(std::marker::PhantomData<T>);

        impl<'de, T: Make> Visitor<'de> for Any<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(T::from_text(text))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(T::from_text(&number.to_string()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(T::from_text(&number.to_string()))
            }
            // Its last digits may be lost: two events would be one.
            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(None)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::from_map(map)
            }
        }

        deserializer.deserialize_any(Any(std::marker::PhantomData)).map(Loose)
    }
}
