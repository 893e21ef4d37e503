//! The calls we make to X, and the keys under which X counts them.
//!
//! **Invariant:** a key's text never changes: rows of closed keys outlive a deploy.

/// A call to X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Who the token belongs to.
    Me,
    /// A file in one request.
    UploadMedia,
    /// The start of an upload in parts.
    InitializeUpload,
    /// One part.
    AppendUpload,
    /// The end of an upload in parts.
    FinalizeUpload,
    /// How far X has come with a file.
    UploadStatus,
    /// The description of an image.
    MediaMetadata,
    /// The call that publishes.
    CreatePost,
    /// The posts of an account.
    UserPosts,
    /// Posts by their ids.
    GetPosts,
    /// Deletion of a post.
    DeletePost,
    /// Exchange of a code or a refresh token.
    Token,
}

impl Endpoint {
    /// Every call, in the order in which a post meets them.
    pub const ALL: [Endpoint; 12] = [
        Endpoint::Me,
        Endpoint::UploadMedia,
        Endpoint::InitializeUpload,
        Endpoint::AppendUpload,
        Endpoint::FinalizeUpload,
        Endpoint::UploadStatus,
        Endpoint::MediaMetadata,
        Endpoint::CreatePost,
        Endpoint::UserPosts,
        Endpoint::GetPosts,
        Endpoint::DeletePost,
        Endpoint::Token,
    ];

    /// Method and path as X's description writes them, which is also how X counts calls.
    pub const fn name(self) -> &'static str {
        match self {
            Endpoint::Me => "GET /2/users/me",
            Endpoint::UploadMedia => "POST /2/media/upload",
            Endpoint::InitializeUpload => "POST /2/media/upload/initialize",
            Endpoint::AppendUpload => "POST /2/media/upload/{id}/append",
            Endpoint::FinalizeUpload => "POST /2/media/upload/{id}/finalize",
            Endpoint::UploadStatus => "GET /2/media/upload",
            Endpoint::MediaMetadata => "POST /2/media/metadata",
            Endpoint::CreatePost => "POST /2/tweets",
            Endpoint::UserPosts => "GET /2/users/{id}/tweets",
            Endpoint::GetPosts => "GET /2/tweets",
            Endpoint::DeletePost => "DELETE /2/tweets/{id}",
            Endpoint::Token => "POST /2/oauth2/token",
        }
    }

    /// Whether this is the call that publishes, whose loss leaves a post that may exist.
    pub const fn publishes(self) -> bool {
        matches!(self, Endpoint::CreatePost)
    }

    /// The key of one account's budget for this call, for example
    /// `x:user:2244994945:POST /2/tweets`.
    pub fn user_key(self, account_id: &str) -> String {
        format!("x:user:{account_id}:{}", self.name())
    }

    /// The key of our app's budget for this call, shared by all accounts.
    pub fn app_key(self) -> String {
        format!("x:app:{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_tell_calls_and_accounts_apart() {
        let keys: HashSet<String> = Endpoint::ALL
            .into_iter()
            .flat_map(|e| [e.user_key("1"), e.user_key("2"), e.app_key()])
            .collect();
        assert_eq!(keys.len(), 3 * Endpoint::ALL.len());
        assert_eq!(Endpoint::CreatePost.user_key("2244994945"), "x:user:2244994945:POST /2/tweets");
    }
}
