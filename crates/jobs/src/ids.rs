//! Ids as types of their own, so that a schedule's id is never taken for a job's.
//!
//! **Invariant:** ids are UUIDv7: they sort by the moment their row was made.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use uuid::{NoContext, Timestamp, Uuid};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, made now.
            #[expect(clippy::new_without_default, reason = "a new id is never a default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// A new id that tells this moment, where what it tells is looked at: this machine's clock may be
            /// wrong.
            pub fn made_at(moment: DateTime<Utc>) -> Self {
                let secs = u64::try_from(moment.timestamp()).unwrap_or_default();
                let nanos = moment.timestamp_subsec_nanos();
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, secs, nanos)))
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// An organization: the tenant.
    OrganizationId;
    /// An API key.
    ApiKeyId;
    /// A connected account.
    ConnectionId;
    /// An uploaded file.
    FileId;
    /// A request for content.
    ContentRequestId;
    /// One text for one platform.
    ContentVersionId;
    /// A file shown with a content version.
    AttachmentId;
    /// An entry of a content version's history.
    EditId;
    /// A decision on a content request.
    ReviewId;
    /// A comment on a content version.
    CommentId;
    /// One piece of content to one account at one time.
    ScheduleId;
    /// A call that publishes, about to be made or made.
    IntentId;
    /// A post that went out.
    PostId;
    /// A job.
    JobId;
    /// One incarnation of a worker process.
    WorkerId;
    /// An event that a network told by webhook.
    WebhookEventId;
}

impl JobId {
    /// The id of a row that this job creates: the same for every run of the job, so that a second
    /// run meets the first one's row. `what` tells several rows of one job apart.
    pub fn derive(self, what: &str) -> Uuid {
        let digest = Sha256::new().chain_update(self.0.as_bytes()).chain_update(what).finalize();
        let mut bytes = *self.0.as_bytes();
        bytes[6..].copy_from_slice(&digest[..10]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uuid::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_stable_and_keeps_the_time_of_its_job() {
        let job = JobId::new();
        let first = job.derive("version 0");
        assert_eq!(first, job.derive("version 0"));
        assert_ne!(first, job.derive("version 1"));
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.as_bytes()[..6], job.0.as_bytes()[..6]);
    }
}
