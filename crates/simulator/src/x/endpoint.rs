//! Which calls the simulated X knows, with their scopes and rate limits.
//!
//! Source: `x/openapi.trimmed.json` (paths, scopes) and `PLATFORMS.md` section 3 (limits), read
//! 2026-11-22. Where the two pages of X contradict each other the first figure stands; limits
//! that the contracts do not name are marked.
//!
//! **Invariant:** an endpoint is listed here or it is answered with 404 or 405.

use std::time::Duration;

use super::problem::Problem;

/// The window of every default limit.
pub(super) const WINDOW: Duration = Duration::from_secs(15 * 60);

/// A call that X knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Endpoint {
    Me,
    UserPosts,
    CreatePost,
    GetPosts,
    GetPost,
    DeletePost,
    UploadMedia,
    UploadInitialize,
    UploadAppend,
    UploadFinalize,
    UploadStatus,
    MediaMetadata,
}

impl Endpoint {
    pub(super) const ALL: [Endpoint; 12] = [
        Endpoint::Me,
        Endpoint::UserPosts,
        Endpoint::CreatePost,
        Endpoint::GetPosts,
        Endpoint::GetPost,
        Endpoint::DeletePost,
        Endpoint::UploadMedia,
        Endpoint::UploadInitialize,
        Endpoint::UploadAppend,
        Endpoint::UploadFinalize,
        Endpoint::UploadStatus,
        Endpoint::MediaMetadata,
    ];

    /// Method and path; the name under which limits are set.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Endpoint::Me => "GET /2/users/me",
            Endpoint::UserPosts => "GET /2/users/{id}/tweets",
            Endpoint::CreatePost => "POST /2/tweets",
            Endpoint::GetPosts => "GET /2/tweets",
            Endpoint::GetPost => "GET /2/tweets/{id}",
            Endpoint::DeletePost => "DELETE /2/tweets/{id}",
            Endpoint::UploadMedia => "POST /2/media/upload",
            Endpoint::UploadInitialize => "POST /2/media/upload/initialize",
            Endpoint::UploadAppend => "POST /2/media/upload/{id}/append",
            Endpoint::UploadFinalize => "POST /2/media/upload/{id}/finalize",
            Endpoint::UploadStatus => "GET /2/media/upload",
            Endpoint::MediaMetadata => "POST /2/media/metadata",
        }
    }

    /// Calls per user and window, unless set otherwise.
    pub(super) const fn default_limit(self) -> u64 {
        match self {
            Endpoint::Me => 75,
            Endpoint::UserPosts => 900,
            Endpoint::CreatePost => 100,
            Endpoint::DeletePost => 50,
            Endpoint::UploadMedia => 500,
            Endpoint::UploadInitialize | Endpoint::UploadAppend | Endpoint::UploadFinalize => 1875,
            // Not named by the contracts: guesses.
            Endpoint::GetPosts | Endpoint::GetPost => 900,
            Endpoint::UploadStatus => 1000,
            Endpoint::MediaMetadata => 500,
        }
    }

    /// The scopes that a token needs, all of them.
    pub(super) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Endpoint::Me | Endpoint::UserPosts | Endpoint::GetPosts | Endpoint::GetPost => {
                &["tweet.read", "users.read"]
            }
            Endpoint::CreatePost | Endpoint::DeletePost => {
                &["tweet.read", "tweet.write", "users.read"]
            }
            Endpoint::UploadMedia
            | Endpoint::UploadInitialize
            | Endpoint::UploadAppend
            | Endpoint::UploadFinalize
            | Endpoint::UploadStatus
            | Endpoint::MediaMetadata => &["media.write"],
        }
    }

    /// The endpoint of a request, with the id in its path (empty when it has none).
    ///
    /// # Errors
    /// 404 for an unknown path, 405 for a known one with another method.
    pub(super) fn find<'a>(method: &str, path: &'a str) -> Result<(Endpoint, &'a str), Problem> {
        let mut known = false;
        for endpoint in Endpoint::ALL {
            let Some((wanted, pattern)) = endpoint.name().split_once(' ') else { continue };
            if let Some(id) = fit(pattern, path) {
                known = true;
                // `GET /2/users/me` is no id, and comes first in the list.
                if wanted == method {
                    return Ok((endpoint, id));
                }
            }
        }
        Err(if known { Problem::method_not_allowed() } else { Problem::no_route() })
    }
}

/// The part of `path` that stands at `{id}`; `None` when the path does not fit.
fn fit<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    match pattern.split_once("{id}") {
        None => (pattern == path).then_some(""),
        Some((before, behind)) => {
            let id = path.strip_prefix(before)?.strip_suffix(behind)?;
            (!id.is_empty() && !id.contains('/')).then_some(id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints() {
        let find = |method, path| Endpoint::find(method, path).map_err(|problem| problem.status);
        assert_eq!(find("GET", "/2/users/me"), Ok((Endpoint::Me, "")));
        assert_eq!(find("GET", "/2/users/12/tweets"), Ok((Endpoint::UserPosts, "12")));
        assert_eq!(find("DELETE", "/2/tweets/7"), Ok((Endpoint::DeletePost, "7")));
        assert_eq!(find("POST", "/2/media/upload/5/append"), Ok((Endpoint::UploadAppend, "5")));
        assert_eq!(find("POST", "/2/media/upload"), Ok((Endpoint::UploadMedia, "")));
        assert_eq!(find("PUT", "/2/tweets"), Err(405));
        assert_eq!(find("GET", "/2/tweets/"), Err(404));
        assert_eq!(find("GET", "/1.1/statuses"), Err(404));
    }
}
