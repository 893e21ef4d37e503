//! Whether a content version may go out on an account.
//!
//! Asked by the API before it accepts a schedule, by the worker when it makes one, and again just
//! before it goes out. A worker first shares the content's request
//! ([`crate::content_requests::share`]), so that what was said stays true until its transaction ends.
//!
//! **Invariant:** reads only columns that the API's login may read; content that was rejected never
//! goes out, where the organization requires approval, content goes out only as it was approved, and
//! nothing goes out of an organization that is on hold.

use uuid::Uuid;

use crate::connections::platform;
use crate::usage::unpaid;
use crate::{Conn, Result};
use jobs::{AttachmentId, Code, ConnectionId, ContentVersionId, OrganizationId, Problem};
use platforms::{Content, MediaFacts, Platform};

/// Content that may go out, and where.
#[derive(Clone, Debug)]
pub struct Publishable {
    /// The network.
    pub platform: Platform,
    /// The network's own id of the account.
    pub account_id: String,
    /// The handle.
    pub account_name: String,
    /// The text as it shall appear.
    pub text: String,
    /// The attachments, in the order in which they are shown.
    pub attachments: Vec<Attachment>,
}

impl Publishable {
    /// Whether readers of a post would see the same.
    pub fn shows_the_same(&self, other: &Publishable) -> bool {
        let shown = |content: &Publishable| -> Vec<AttachmentId> {
            content.attachments.iter().map(|attachment| attachment.id).collect()
        };
        self.text == other.text && shown(self) == shown(other)
    }
}

/// One attachment of a content version.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The attachment.
    pub id: AttachmentId,
    /// Its key in object storage.
    pub storage_path: String,
    /// Description for people who do not see the image.
    pub alt_text: Option<String>,
    /// What the network's rules look at.
    pub facts: MediaFacts,
}

/// Checks the version against the rules of the account's network and of the organization. The inner
/// problem says what stands in the way: not found, the account disconnected, the wrong network, the
/// content, the want of an approval, or of a payment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn check_publishable(
    conn: &mut Conn,
    organization: OrganizationId,
    version: ContentVersionId,
    connection: ConnectionId,
) -> Result<std::result::Result<Publishable, Problem>> {
    let seen = examine(conn, organization, version, connection).await?;
    Ok(match (seen.problems.into_iter().next(), seen.content) {
        (None, Some(content)) => Ok(content),
        // Nothing can be said of rows that are not there but that: there is a problem.
        (problem, _) => Err(problem.unwrap_or_else(|| {
            Problem::not_found("content version", version).at("contentVersionId")
        })),
    })
}

/// What was found when content and account were looked at.
#[derive(Debug, Default)]
pub(super) struct Examined {
    /// Everything that stands in the way, the gravest first.
    pub(super) problems: Vec<Problem>,
    /// What would go out, and where; `None` when one of them is not there.
    pub(super) content: Option<Publishable>,
    /// The account.
    pub(super) account: Option<SeenAccount>,
    /// Whether something is attached.
    pub(super) has_media: bool,
}

/// An account as far as a check ahead looks at it.
#[derive(Clone, Debug)]
pub(super) struct SeenAccount {
    pub(super) name: String,
    pub(super) platform: Platform,
    pub(super) scopes: Vec<String>,
    pub(super) is_active: bool,
}

/// Looks at all that [`check_publishable`] speaks of.
pub(super) async fn examine(
    conn: &mut Conn,
    organization: OrganizationId,
    version: ContentVersionId,
    connection: ConnectionId,
) -> Result<Examined> {
    let mut seen = Examined::default();
    let Some(content) = sqlx::query!(
        r#"select v.platform, v.text, v.content_request_id, r.status = 'rejected' as "is_rejected!",
                  r.rejection_reason,
                  o.approval_required and v.approved_hash is distinct from content_hash(v)
                      as "lacks_approval!",
                  case when o.billing_hold_at <= now() then o.billing_hold_reason end as unpaid
           from content_versions v
           join content_requests r on r.id = v.content_request_id
           join organizations o on o.id = v.organization_id
           where v.id = $1 and v.organization_id = $2"#,
        version.0,
        organization.0
    )
    .fetch_optional(&mut *conn)
    .await?
    else {
        seen.problems.push(Problem::not_found("content version", version).at("contentVersionId"));
        return Ok(seen);
    };
    let Some(account) = sqlx::query!(
        "select platform, account_id, account_name, is_active, inactive_reason, scopes
         from platform_connections where id = $1 and organization_id = $2",
        connection.0,
        organization.0
    )
    .fetch_optional(&mut *conn)
    .await?
    else {
        let problem = Problem::not_found("platform connection", connection);
        seen.problems.push(problem.at("platformConnectionId"));
        return Ok(seen);
    };
    if !account.is_active {
        let reason = account.inactive_reason.unwrap_or_default();
        let message = format!("The account {} cannot be used: {reason}", account.account_name);
        let problem = Problem::new(Code::AccountDisconnected, message);
        seen.problems.push(problem.at("platformConnectionId"));
    }
    let (wanted, network) = (platform(&content.platform)?, platform(&account.platform)?);
    if wanted != network {
        seen.problems.push(Problem::argument(
            "contentVersionId",
            format!(
                "The version is written for {}, but the account is one of {}.",
                wanted.display_name(),
                network.display_name()
            ),
        ));
    }
    let attachments = attachments(conn, version.0).await?;
    let media: Vec<MediaFacts> = attachments.iter().map(|a| a.facts.clone()).collect();
    seen.has_media = !media.is_empty();
    let violations = network.check(&Content { text: &content.text, media: &media });
    if !violations.is_empty() {
        let messages: Vec<String> =
            violations.iter().map(|v| format!("{}: {}", v.field, v.message)).collect();
        let problem = Problem::new(Code::ContentRejected, messages.join(" "));
        seen.problems.push(problem.at("contentVersionId"));
    }
    if content.is_rejected {
        let reason = content.rejection_reason.unwrap_or_default();
        seen.problems.push(not_approved(format!(
            "The content was rejected ({reason}). Edit it, and have the content request {} approved.",
            content.content_request_id
        )));
    } else if content.lacks_approval {
        seen.problems.push(not_approved(format!(
            "The content is not approved as it is now, and the organization lets only approved content \
             go out. Have the content request {} approved.",
            content.content_request_id
        )));
    }
    // Last: whoever hears this knows that nothing else stands in the way.
    if let Some(reason) = content.unpaid {
        seen.problems.push(unpaid(&reason));
    }
    seen.account = Some(SeenAccount {
        name: account.account_name.clone(),
        platform: network,
        scopes: account.scopes,
        is_active: account.is_active,
    });
    seen.content = Some(Publishable {
        platform: network,
        account_id: account.account_id,
        account_name: account.account_name,
        text: content.text,
        attachments,
    });
    Ok(seen)
}

fn not_approved(message: String) -> Problem {
    Problem::new(Code::NotApproved, message).at("contentVersionId")
}

async fn attachments(conn: &mut Conn, version: Uuid) -> Result<Vec<Attachment>> {
    let rows = sqlx::query!(
        "select id, storage_path, alt_text, file_type, size_bytes, width, height
         from media_attachments where content_version_id = $1 order by position",
        version
    )
    .fetch_all(conn)
    .await?;
    let pixels = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
    Ok(rows
        .into_iter()
        .map(|row| Attachment {
            id: AttachmentId(row.id),
            storage_path: row.storage_path,
            alt_text: row.alt_text,
            facts: MediaFacts {
                mime: row.file_type,
                size_bytes: u64::try_from(row.size_bytes).unwrap_or_default(),
                width: pixels(row.width),
                height: pixels(row.height),
            },
        })
        .collect())
}
