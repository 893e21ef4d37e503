//! Reading posts back: by id, by ids, and an author's timeline with its pages.
//!
//! Source: `x/openapi.trimmed.json` (parameters, answers), read 2026-11-22. That a post that is
//! not found is told as a partial error with status 200, and that `data` is left out when there
//! is nothing, is observed of X.
//!
//! **Invariant:** reading changes nothing; the timeline alone lags behind.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::accounts::User;
use super::posts::Post;
use super::problem::{Outcome, Problem};
use super::render::{self, Wish};
use super::shape::{is_id, whole};

/// Posts on a page, unless asked otherwise.
const PAGE: usize = 10;

/// Which posts of a timeline are wanted.
struct Span {
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    since: Option<u64>,
    until: Option<u64>,
    /// The last id of the page before.
    below: Option<u64>,
    no_replies: bool,
}

impl Span {
    fn new(query: &Map<String, Value>) -> Outcome<Self> {
        let text = |name: &str| query.get(name).and_then(Value::as_str);
        let invalid = |name: &str, message: &str| {
            Problem::invalid(name, text(name).unwrap_or_default(), message)
        };
        let time = |name: &str| -> Outcome<Option<DateTime<Utc>>> {
            let Some(time) = text(name).and_then(|t| DateTime::parse_from_rfc3339(t).ok()) else {
                return Ok(None);
            };
            let time = time.to_utc();
            let first = Utc.with_ymd_and_hms(2010, 11, 6, 0, 0, 0).single();
            if first.is_some_and(|first| time < first) {
                let message = format!("The `{name}` must be on or after 2010-11-06");
                return Err(invalid(name, &message));
            }
            Ok(Some(time))
        };
        let (start, end) = (time("start_time")?, time("end_time")?);
        if start.zip(end).is_some_and(|(start, end)| start >= end) {
            return Err(invalid("start_time", "The `start_time` must be before the `end_time`"));
        }
        // An id of 19 digits always fits.
        let id = |name: &str| text(name).and_then(|id| id.parse::<u64>().ok());
        let (since, until) = (id("since_id"), id("until_id"));
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(invalid("since_id", "The `since_id` must be less than the `until_id`"));
        }
        let below = match text("pagination_token") {
            None => None,
            Some(token) => Some(read_token(token).ok_or_else(|| {
                invalid("pagination_token", "The `pagination_token` is not valid")
            })?),
        };
        let exclude = query.get("exclude").and_then(Value::as_array);
        let no_replies = exclude.is_some_and(|words| words.iter().any(|word| word == "replies"));
        Ok(Self { start, end, since, until, below, no_replies })
    }

    fn has(&self, post: &Post) -> bool {
        self.start.is_none_or(|start| post.created_at >= start)
            && self.end.is_none_or(|end| post.created_at < end)
            && self.since.is_none_or(|since| post.id > since)
            && self.until.is_none_or(|until| post.id < until)
            && self.below.is_none_or(|below| post.id < below)
            && !(self.no_replies && post.reply_to.is_some())
    }
}

/// A page's token: the last id of the page before, base 32 with the extended hex alphabet.
fn token(id: u64) -> String {
    (0..13)
        .rev()
        .map(|at| char::from_digit(((id >> (at * 5)) & 31) as u32, 32).unwrap_or('0'))
        .collect()
}

fn read_token(token: &str) -> Option<u64> {
    (token.len() == 13).then(|| u64::from_str_radix(token, 32).ok())?
}

impl World {
    /// `GET /2/users/me`.
    pub(super) fn me(&self, user: &User, query: &Map<String, Value>) -> Value {
        let wish = Wish::new(query);
        json!({ "data": render::user(user, &wish, self.posts.of(&user.id).count()) })
    }

    /// `GET /2/users/{id}/tweets`.
    pub(super) fn timeline(
        &self,
        author: &str,
        reader: &User,
        query: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Outcome<Value> {
        if !is_id(author) {
            return Err(Problem::invalid("id", author, "The `id` must match ^[0-9]{1,19}$"));
        }
        let span = Span::new(query)?;
        if self.accounts.user(author).is_none() {
            return Ok(
                json!({ "errors": [Problem::not_found("user", "id", author).as_partial()] }),
            );
        }
        let wanted = query.get("max_results").and_then(whole);
        let wanted = wanted.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
        let lag = TimeDelta::milliseconds(self.settings.lookup_lag_ms.min(1 << 50) as i64);
        let visible = |post: &&Post| now - post.created_at >= lag;
        let mut found = self.posts.of(author).filter(visible).filter(|post| span.has(post));
        let page: Vec<&Post> = found.by_ref().take(wanted).collect();
        let more = found.next().is_some();
        let mut answer = self.page(&page, reader, query);
        let mut meta = json!({ "result_count": page.len() });
        if let (Some(newest), Some(oldest)) = (page.first(), page.last()) {
            meta["newest_id"] = newest.id.to_string().into();
            meta["oldest_id"] = oldest.id.to_string().into();
            if more {
                meta["next_token"] = token(oldest.id).into();
            }
        }
        answer["meta"] = meta;
        Ok(answer)
    }

    /// `data` and `includes` for some posts, and `errors` for what of them is for others; `data` is
    /// left out when there are none.
    fn page(&self, posts: &[&Post], reader: &User, query: &Map<String, Value>) -> Value {
        let wish = Wish::new(query);
        let mut answer = json!({});
        if !posts.is_empty() {
            let told = posts.iter().map(|post| render::post(post, &self.media, &reader.id, &wish));
            answer["data"] = told.collect();
        }
        let withheld = posts.iter().filter(|post| render::withholds(post, &reader.id, &wish));
        let withheld: Vec<Value> = withheld
            .map(|post| Problem::field_withheld(render::NON_PUBLIC, &post.id.to_string()))
            .map(|problem| problem.as_partial())
            .collect();
        if !withheld.is_empty() {
            answer["errors"] = withheld.into();
        }
        let author = |id: &str| {
            let user = self.accounts.user(id)?;
            Some((user, self.posts.of(id).count()))
        };
        let posts = posts.iter().copied();
        if let Some(includes) = render::includes(posts, author, &self.media, &wish) {
            answer["includes"] = includes;
        }
        answer
    }

    /// `GET /2/tweets`.
    pub(super) fn lookup(&self, reader: &User, query: &Map<String, Value>) -> Value {
        let ids = query.get("ids").and_then(Value::as_array).into_iter().flatten();
        let mut found = Vec::new();
        let mut errors = Vec::new();
        for id in ids.filter_map(Value::as_str) {
            match id.parse().ok().and_then(|id| self.posts.alive(id)) {
                Some(post) => found.push(post),
                None => errors.push(Problem::not_found("post", "ids", id).as_partial()),
            }
        }
        let mut answer = self.page(&found, reader, query);
        if let Some(withheld) = answer.get("errors").and_then(Value::as_array) {
            errors.extend(withheld.iter().cloned());
        }
        if !errors.is_empty() {
            answer["errors"] = errors.into();
        }
        answer
    }

    /// `GET /2/tweets/{id}`.
    pub(super) fn single(
        &self,
        id: &str,
        reader: &User,
        query: &Map<String, Value>,
    ) -> Outcome<Value> {
        if !is_id(id) {
            return Err(Problem::invalid("id", id, "The `id` must match ^[0-9]{1,19}$"));
        }
        let Some(post) = id.parse().ok().and_then(|id| self.posts.alive(id)) else {
            return Ok(json!({ "errors": [Problem::not_found("post", "id", id).as_partial()] }));
        };
        let mut answer = self.page(&[post], reader, query);
        answer["data"] = answer["data"][0].take();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_id() {
        for id in [0, 1, 1_900_000_000_000_000_001, u64::MAX] {
            assert_eq!(read_token(&token(id)), Some(id));
        }
        assert_eq!(read_token("next"), None);
    }
}
