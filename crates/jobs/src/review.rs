//! Where a content request stands, and what a review or a change makes of it: one pure function.
//!
//! Handlers ask [`next`] under the request's lock; what the steps mean for approvals and schedules
//! is theirs.
//!
//! **Invariant:** nothing but an approval leads to [`RequestStatus::Approved`].

use platforms::{Content, MediaFacts, Platform};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::{Code, Problem};

/// Where a content request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// Its versions are still to be generated.
    Pending,
    /// They are being generated.
    Generating,
    /// There is something to be reviewed.
    InReview,
    /// Its selected versions are approved.
    Approved,
    /// It does not go out as it is.
    Rejected,
    /// It could not be generated.
    Failed,
}

impl RequestStatus {
    /// Every status.
    pub const ALL: [RequestStatus; 6] = [
        RequestStatus::Pending,
        RequestStatus::Generating,
        RequestStatus::InReview,
        RequestStatus::Approved,
        RequestStatus::Rejected,
        RequestStatus::Failed,
    ];

    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            RequestStatus::Pending => "pending",
            RequestStatus::Generating => "generating",
            RequestStatus::InReview => "in_review",
            RequestStatus::Approved => "approved",
            RequestStatus::Rejected => "rejected",
            RequestStatus::Failed => "failed",
        }
    }
}

impl fmt::Display for RequestStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such status.
#[derive(Debug, thiserror::Error)]
#[error("unknown status of a content request: {0:?}")]
pub struct UnknownStatus(pub String);

impl FromStr for RequestStatus {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        RequestStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| UnknownStatus(word.to_owned()))
    }
}

/// What people do to a content request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its selected versions may go out.
    Approve,
    /// It may not.
    Reject,
    /// What a selected version shows changed, or which versions are selected.
    Change,
}

impl Step {
    /// Every step.
    pub const ALL: [Step; 3] = [Step::Approve, Step::Reject, Step::Change];
}

/// Where the request stands after a step.
///
/// # Errors
/// [`Code::Conflict`] when the step is not possible in this state.
pub fn next(status: RequestStatus, step: Step) -> Result<RequestStatus, Problem> {
    use RequestStatus::{Approved, Failed, Generating, InReview, Pending, Rejected};
    let no = |why: &str| Err(Problem::new(Code::Conflict, format!("The content {why}.")));
    match (status, step) {
        (InReview | Rejected, Step::Approve) => Ok(Approved),
        (InReview | Approved, Step::Reject) => Ok(Rejected),
        (InReview | Approved | Rejected | Failed, Step::Change) => Ok(InReview),
        // What is being generated is reviewed when it is there.
        (Pending | Generating, Step::Change) => Ok(status),
        (Approved, Step::Approve) => no("is approved already"),
        (Rejected, Step::Reject) => no("is rejected already"),
        (Pending | Generating, Step::Approve | Step::Reject) => {
            no("is still being generated and cannot be reviewed")
        }
        (Failed, Step::Approve | Step::Reject) => {
            no("could not be generated; there is nothing to review")
        }
    }
}

/// Checks a text beside its media against the text rules of its network.
///
/// # Errors
/// [`Code::ContentRejected`] with the network's rule, without a field.
pub fn check_text(platform: Platform, text: &str, media: &[MediaFacts]) -> Result<(), Problem> {
    let found = platform.check(&Content { text, media });
    match found.into_iter().find(|violation| violation.field == "text") {
        Some(violation) => Err(Problem::new(Code::ContentRejected, violation.message)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::RequestStatus::{Approved, Failed, Generating, InReview, Pending, Rejected};
    use super::*;

    #[test]
    fn every_step_from_every_status_leads_where_people_expect() {
        let expected = [
            // (from, approve, reject, change)
            (Pending, None, None, Some(Pending)),
            (Generating, None, None, Some(Generating)),
            (InReview, Some(Approved), Some(Rejected), Some(InReview)),
            (Approved, None, Some(Rejected), Some(InReview)),
            (Rejected, Some(Approved), None, Some(InReview)),
            (Failed, None, None, Some(InReview)),
        ];
        assert_eq!(expected.map(|(from, ..)| from), RequestStatus::ALL);
        for (from, approve, reject, change) in expected {
            for (step, to) in Step::ALL.into_iter().zip([approve, reject, change]) {
                let got = next(from, step);
                assert_eq!(got.as_ref().ok(), to.as_ref(), "{step:?} from {from}");
                assert!(got.err().is_none_or(|problem| problem.code == Code::Conflict));
            }
        }
    }

    #[test]
    fn a_change_never_leaves_an_approval_standing_and_only_an_approval_makes_one() {
        for from in RequestStatus::ALL {
            assert_ne!(next(from, Step::Change).ok(), Some(Approved), "{from}");
            assert_ne!(next(from, Step::Reject).ok(), Some(Approved), "{from}");
        }
    }

    #[test]
    fn a_status_comes_back_from_its_word() {
        for status in RequestStatus::ALL {
            assert_eq!(status.as_str().parse::<RequestStatus>().ok(), Some(status));
        }
        assert!("published".parse::<RequestStatus>().is_err());
    }

    #[test]
    fn a_text_is_judged_beside_its_media() {
        let image =
            MediaFacts { mime: "image/png".to_owned(), size_bytes: 1, width: None, height: None };
        assert_eq!(check_text(Platform::Twitter, "", &[image]), Ok(()));
        let empty = check_text(Platform::Twitter, " ", &[]).expect_err("neither text nor media");
        assert_eq!(empty.code, Code::ContentRejected);
        let long = check_text(Platform::Twitter, &"a".repeat(281), &[]).expect_err("too long");
        assert!(long.message.contains("281 of at most 280"), "{long}");
    }
}
