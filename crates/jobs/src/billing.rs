//! What a subscription means for its organization.
//!
//! Source: the statuses of `stripe/subscription-status.current.json` of the contracts, read 2026-11-23.
//!
//! **Invariant:** a status that nobody here knows takes nothing away.

use chrono::{DateTime, Datelike, Months, Utc};
use platforms::stripe::{FINAL, Told, story};

/// What an organization may do under a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// All that its plan allows.
    Everything,
    /// The same, until the grace of its plan is over.
    UntilGraceEnds,
    /// Nothing new begins, and nothing goes out.
    Nothing,
}

impl Access {
    /// What a status means.
    pub fn of(status: &str) -> Access {
        match status {
            "past_due" => Access::UntilGraceEnds,
            "canceled" | "unpaid" | "incomplete" | "incomplete_expired" | "paused" => {
                Access::Nothing
            }
            _ => Access::Everything,
        }
    }
}

/// Whether Stripe is known to use this status.
pub fn is_known(status: &str) -> bool {
    matches!(status, "active" | "trialing") || Access::of(status) != Access::Everything
}

/// Why an organization is on hold, as a sentence for people.
pub fn hold_reason(status: &str, since: DateTime<Utc>) -> String {
    let since = since.format("%Y-%m-%dT%H:%M:%SZ");
    match status {
        "past_due" | "unpaid" => format!("The subscription is past due since {since}."),
        "paused" => format!("The subscription is paused since {since}."),
        "incomplete" => format!("The first payment for the subscription is open since {since}."),
        _ => format!("The subscription ended at {since}."),
    }
}

/// How a subscription stands, as all that is known of it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The newest event of it.
    pub newest: Told,
    /// Since when it has its status.
    pub status_since: DateTime<Utc>,
    /// The moment whose day and time begin its periods.
    pub billing_anchor: Option<DateTime<Utc>>,
}

/// What these events, all of one subscription, say; nothing when there are none.
pub fn known(events: &[Told]) -> Option<Known> {
    let story = story(events)?;
    let subscription = &story.newest.subscription;
    let told = subscription.billing_anchor.and_then(moment);
    let anchor = told.or_else(|| {
        let starts = story.period_starts.iter().filter_map(|start| moment(*start));
        starts.reduce(|anchor, start| if begins_period(anchor, start) { anchor } else { start })
    });
    Some(Known {
        newest: story.newest.clone(),
        status_since: moment(story.status_since).unwrap_or_default(),
        billing_anchor: anchor,
    })
}

/// A moment that Stripe gives in seconds since 1970.
pub fn moment(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// Whether one of the months that begin on the anchor's day begins at this moment: 28 February is a
/// beginning for who began on 31 January.
fn begins_period(anchor: DateTime<Utc>, start: DateTime<Utc>) -> bool {
    let months = |at: DateTime<Utc>| at.year() * 12 + i32::try_from(at.month0()).unwrap_or(0);
    let apart = months(start) - months(anchor);
    let by = Months::new(apart.unsigned_abs());
    let moved =
        if apart < 0 { anchor.checked_sub_months(by) } else { anchor.checked_add_months(by) };
    moved == Some(start)
}

/// A subscription among others of its organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Stripe's own id.
    pub id: String,
    /// Stripe's word for how it stands.
    pub status: String,
    /// When it was made.
    pub started_at: Option<DateTime<Utc>>,
}

/// The subscription that an organization follows: one that pays, else one that is late, else one that is
/// not over; of several the newest.
pub fn followed(candidates: Vec<Candidate>) -> Option<Candidate> {
    candidates.into_iter().max_by_key(|one| {
        let is_over = FINAL.contains(&one.status.as_str());
        let standing = std::cmp::Reverse((is_over, Access::of(&one.status)));
        (standing, one.started_at, one.id.clone())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use platforms::stripe::{Change, Stand, Subscription};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn one(id: &str, status: &str, started: i64) -> Candidate {
        Candidate { id: id.into(), status: status.into(), started_at: moment(started) }
    }

    #[test]
    fn a_status_that_nobody_knows_takes_nothing_away() {
        assert_eq!(Access::of("some_future_status"), Access::Everything);
        assert!(!is_known("some_future_status") && is_known("trialing") && is_known("unpaid"));
        let source = ["canceled", "unpaid", "incomplete_expired", "paused", "incomplete"];
        assert!(source.iter().all(|status| Access::of(status) == Access::Nothing));
    }

    #[test]
    fn the_subscription_that_lives_is_followed_then_the_newest() {
        let all = [
            one("dead", "canceled", 9),
            one("open", "incomplete", 8),
            one("late", "past_due", 7),
            one("old", "active", 5),
            one("paying", "trialing", 6),
        ];
        for left in 0..all.len() {
            let mut some = all[..=left].to_vec();
            some.reverse();
            let best = ["dead", "open", "late", "old", "paying"][left];
            assert_eq!(followed(some).unwrap().id, best);
        }
        assert_eq!(followed(Vec::new()), None);
    }

    #[test]
    fn who_began_on_31_january_begins_in_february_on_its_last_day_and_stays() {
        let begun = |period: &str, nth: i64| Told {
            event_id: format!("evt_{nth}"),
            at: nth,
            change: Change::Updated,
            trial_ends_soon: false,
            subscription: Subscription {
                id: "sub".into(),
                customer: "cus".into(),
                stand: Stand {
                    status: "active".into(),
                    cancel_at_period_end: false,
                    price: None,
                    lookup_key: None,
                    period_start: Some(at(period).timestamp()),
                    period_end: None,
                    trial_end: None,
                },
                started_at: None,
                billing_anchor: None,
                organization_id: None,
            },
            before: None,
        };
        let mut told = vec![
            begun("2027-03-31T08:00:00Z", 3),
            begun("2027-01-31T08:00:00Z", 1),
            begun("2027-02-28T08:00:00Z", 2),
        ];
        let anchor = |told: &[Told]| known(told).unwrap().billing_anchor.unwrap();
        assert_eq!(anchor(&told), at("2027-01-31T08:00:00Z"));
        told.push(begun("2027-04-12T09:00:00Z", 4));
        assert_eq!(anchor(&told), at("2027-04-12T09:00:00Z"), "it was moved");
        told[3].subscription.billing_anchor = Some(at("2027-04-11T09:00:00Z").timestamp());
        assert_eq!(anchor(&told), at("2027-04-11T09:00:00Z"), "it is told");
    }
}
