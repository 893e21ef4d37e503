//! An answer as it comes, piece by piece.
//!
//! **Invariant:** a stream that breaks off is no answer, however much of it has come.

use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt};
use reqwest::Response;
use serde_json::Value;

use crate::ask::{Answer, Usage};
use crate::error::Error;
use crate::model::lost;
use platforms::ErrorClass;

/// The most that is read of an answer, in bytes.
const MOST: usize = 4 * 1024 * 1024;

/// What has come so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) text: String,
    /// What the model says instead of an answer.
    pub(crate) refusal: String,
    pub(crate) usage: Usage,
    pub(crate) model: String,
    pub(crate) end: Option<End>,
    /// The provider said that nothing more comes.
    pub(crate) over: bool,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    Cut,
    /// The model, or a filter, did not want to.
    Declined,
}

/// Whether the answer comes as events, as was asked; some servers answer at once.
pub(crate) fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Reads events until the provider says that nothing more comes.
pub(crate) async fn read<S, B>(
    bytes: S,
    mut take: impl FnMut(&mut Heard, &str) -> Result<(), Error>,
    mut heard: impl FnMut(usize),
) -> Result<Heard, Error>
where
    S: Stream<Item = Result<B, reqwest::Error>> + Unpin,
    B: AsRef<[u8]>,
{
    let mut events = bytes.eventsource();
    let mut all = Heard::default();
    let mut size = 0;
    let mut characters = 0;
    while !all.over {
        let event = match events.next().await {
            Some(Ok(event)) => event,
            Some(Err(eventsource_stream::EventStreamError::Transport(error))) => {
                return Err(lost(error));
            }
            Some(Err(error)) => return Err(Error::Unreachable(error.to_string())),
            None => return Err(Error::Unreachable("the answer broke off".to_owned())),
        };
        size += event.data.len();
        if size > MOST {
            return Err(Error::Unreachable(format!("more than {MOST} bytes came")));
        }
        let before = all.text.len();
        take(&mut all, &event.data).map_err(|error| error.costing(all.usage))?;
        if all.text.len() > before {
            characters += all.text[before..].chars().count();
            heard(characters);
        }
    }
    Ok(all)
}

impl Heard {
    /// The answer that this is, if it is one.
    pub(crate) fn answer(self) -> Result<Answer, Error> {
        let Heard { text, refusal, usage, model, end, .. } = self;
        if !refusal.is_empty() || end == Some(End::Declined) {
            let said = if refusal.is_empty() { "the model declined" } else { &refusal };
            return Err(Error::refused(ErrorClass::Policy, said).costing(usage));
        }
        if end == Some(End::Cut) {
            return Err(Error::Cut { usage });
        }
        match serde_json::from_str::<Value>(unfenced(&text)) {
            Ok(value) => Ok(Answer { value, text, usage, model }),
            Err(error) => Err(Error::Malformed { text, why: error.to_string(), usage }),
        }
    }
}

/// Without the code fence that models which are not held to a schema like to put around JSON.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).map_or(text, str::trim)
}

#[cfg(test)]
pub(crate) async fn replay(
    text: &str,
    take: impl FnMut(&mut Heard, &str) -> Result<(), Error>,
) -> Result<Heard, Error> {
    // In pieces that fall on no line's end.
    let pieces = text.as_bytes().chunks(7).map(|piece| Ok::<_, reqwest::Error>(piece.to_vec()));
    read(futures::stream::iter(pieces), take, |_| ()).await
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_fence_is_no_part_of_the_answer() {
        for text in ["{\"a\":1}", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```\n"] {
            let heard = Heard { text: text.to_owned(), ..Heard::default() };
            assert_eq!(heard.answer().unwrap().value, serde_json::json!({ "a": 1 }));
        }
    }

    #[test]
    fn what_is_no_answer_says_what_it_cost() {
        let usage = Usage { input_tokens: 5, output_tokens: 7 };
        let heard = |text: &str, end| Heard {
            text: text.to_owned(),
            usage,
            end: Some(end),
            ..Heard::default()
        };
        let cut = heard("{\"a\":", End::Cut).answer().unwrap_err();
        assert!(matches!(cut, Error::Cut { .. }));
        let malformed = heard("Sure! {", End::Complete).answer().unwrap_err();
        assert!(matches!(malformed, Error::Malformed { .. }));
        let declined = heard("", End::Declined).answer().unwrap_err();
        assert_eq!(declined.class(), ErrorClass::Policy);
        for error in [cut, malformed, declined] {
            assert_eq!(error.usage(), usage);
        }
    }
}
