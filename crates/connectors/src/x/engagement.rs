//! Posts' totals, as X tells them.
//!
//! **Invariant:** a total that X does not tell whole is unknown; a post is gone only when X says so
//! of its id.

use platforms::x::Endpoint;
use platforms::{EngagementType, Platform, Totals};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

use super::answer::{self, Budget, Failed};
use super::{X, is_post_id};
use crate::{Access, Called, Error, PostReading, Reading};

/// What everybody may know, and what X tells the author alone.
const ALL_FIELDS: &str = "public_metrics,non_public_metrics";
const PUBLIC_FIELDS: &str = "public_metrics";

/// What one answer says of the posts that it names, by their ids.
#[derive(Default)]
struct Told {
    readings: HashMap<String, Reading>,
    /// Posts left out only because we asked for more than we may know of them.
    too_much: HashSet<String>,
}

/// [`Connector::engagement`](crate::Connector::engagement) of X.
pub(super) async fn engagement(
    x: &X,
    access: &Access,
    post_ids: &[String],
) -> Result<Called<Vec<PostReading>>, Error> {
    let asked = post_ids.iter().take(Platform::Twitter.lookup_size()).map(String::as_str);
    let asked: Vec<&str> = asked.filter(|id| is_post_id(id)).collect();
    let (told, closed) = if asked.is_empty() {
        (HashMap::new(), None)
    } else {
        let Called { value, closed } = all(x, access, &asked).await?;
        (value, closed)
    };
    let reading = |id: &String| PostReading {
        post_id: id.clone(),
        reading: told.get(id).copied().unwrap_or(Reading::Untold),
    };
    Ok(Called { value: post_ids.iter().map(reading).collect(), closed })
}

/// Asks for everything, and again for what is public where X does not answer for the rest.
async fn all(
    x: &X,
    access: &Access,
    ids: &[&str],
) -> Result<Called<HashMap<String, Reading>>, Error> {
    let first = match look(x, access, ids, ALL_FIELDS).await {
        // It may be for the fields that only authors are told.
        Err(Error::Refused(refusal)) if matches!(refusal.status, 400 | 403) => {
            let public = look(x, access, ids, PUBLIC_FIELDS).await?;
            return Ok(Called { value: public.value.readings, closed: public.closed });
        }
        first => first?,
    };
    let Told { mut readings, too_much } = first.value;
    let again: Vec<&str> = ids.iter().copied().filter(|id| too_much.contains(*id)).collect();
    if again.is_empty() || first.closed.is_some() {
        return Ok(Called { value: readings, closed: first.closed });
    }
    // What the first answer told is not lost to trouble with the second.
    let closed = match look(x, access, &again, PUBLIC_FIELDS).await {
        Ok(public) => {
            readings.extend(public.value.readings);
            public.closed
        }
        Err(Error::Refused(refusal)) => refusal.closed,
        Err(Error::Unavailable { .. }) => None,
    };
    Ok(Called { value: readings, closed })
}

async fn look(x: &X, access: &Access, ids: &[&str], fields: &str) -> Result<Called<Told>, Error> {
    let budget = Budget::of_account(Endpoint::GetPosts, access);
    let query = [("ids", ids.join(",")), ("post.fields", fields.to_owned())];
    let request = x.request(&x.client, Endpoint::GetPosts, "", &access.token).query(&query);
    let answer = answer::send(request, &budget).await.map_err(|failed| match failed {
        Failed::NotSent(reason) | Failed::Lost(reason) => Error::Unavailable { reason },
    })?;
    let Called { value, closed } = answer.into_lookup(&budget)?;
    Ok(Called { value: read(&value), closed })
}

fn read(body: &Value) -> Told {
    let list = |name: &str| body[name].as_array().into_iter().flatten();
    let mut told = Told::default();
    for problem in list("errors") {
        let Some(id) = ["resource_id", "value"].into_iter().find_map(|name| problem[name].as_str())
        else {
            continue;
        };
        // X tells problems under more than one host.
        let kind = problem["type"].as_str().unwrap_or_default().rsplit('/').next();
        let of_a_post = matches!(problem["resource_type"].as_str(), Some("post" | "tweet"));
        let reading = match kind.unwrap_or_default() {
            "resource-not-found" if of_a_post => Reading::Gone,
            "not-authorized-for-resource" | "disallowed-resource" | "resource-unavailable" => {
                Reading::Hidden
            }
            "not-authorized-for-field" | "field-unauthorized" => {
                told.too_much.insert(id.to_owned());
                continue;
            }
            _ => continue,
        };
        told.readings.insert(id.to_owned(), reading);
    }
    for post in list("data") {
        if let Some(id) = post["id"].as_str() {
            told.readings.insert(id.to_owned(), Reading::Found(totals(post)));
            told.too_much.remove(id);
        }
    }
    told
}

fn totals(post: &Value) -> Totals {
    let (public, own) = (&post["public_metrics"], &post["non_public_metrics"]);
    // X's description calls reposts one thing, its pages the other.
    let reposts = count(&public["repost_count"]).or_else(|| count(&public["retweet_count"]));
    let quotes = count(&public["quote_count"]);
    let mut totals = Totals::default();
    totals[EngagementType::Like] = count(&public["like_count"]);
    totals[EngagementType::Comment] = count(&public["reply_count"]);
    totals[EngagementType::Impression] = count(&public["impression_count"]);
    totals[EngagementType::Click] = count(&own["url_link_clicks"]);
    totals[EngagementType::Share] = reposts.zip(quotes).and_then(|(a, b)| a.checked_add(b));
    totals[EngagementType::Save] = count(&public["bookmark_count"]);
    totals
}

/// A count, where it is one.
fn count(value: &Value) -> Option<i64> {
    value.as_i64().filter(|count| *count >= 0)
}
