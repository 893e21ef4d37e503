//! X, called Twitter in the product's schema: limits, text length, scopes, error classes.
//!
//! The API asks [`check`] before it accepts content, the worker asks again before it posts, and
//! the connector sorts X's answers with [`classify`].
//!
//! Source: `tables/limits.json`, `tables/errors.json` and `x/openapi.trimmed.json` (v2.167) of the
//! contracts, read 2026-11-22.
//!
//! **Invariant:** content that passes [`check`] is never longer than X counts it to be allowed.

pub mod activity;
mod check;
mod emoji;
mod endpoint;
mod errors;
mod links;
mod metrics;
mod text;

pub use check::check;
pub use endpoint::Endpoint;
pub use errors::{classify, message};
pub use links::links;
pub use metrics::{LOOKUP_MAX, NON_PUBLIC_FOR, gives};
pub use text::{Measure, cashtags, measure};

use std::time::Duration;

/// The page where a person lets us act for an account.
///
/// Source: `tables/oauth.json`, read 2026-11-22.
pub const AUTHORIZE_URL: &str = "https://x.com/i/oauth2/authorize";

/// Longest state that X carries to the page and back, in characters.
///
/// Source: `tables/oauth.json`, read 2026-11-22.
pub const STATE_MAX: usize = 500;

/// How long a code can be exchanged.
///
/// Source: `tables/oauth.json`, read 2026-11-22.
pub const CODE_LIFE: Duration = Duration::from_secs(30);

/// How long after an unknown outcome the account's posts may be read back.
///
/// Source: `tables/reconcile.json`, read 2026-11-22.
pub const RECONCILE_WAIT: Duration = Duration::from_secs(15);

/// How long a closed key stays closed when the answer does not say: the length of X's window.
pub const RATE_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Longest text, in weighted characters.
pub const TEXT_MAX: u32 = 280;

/// What every link counts, however long it is.
pub const LINK_LENGTH: u32 = 23;

/// Most cashtags in a post, for apps with self-serve access.
pub const CASHTAGS_MAX: usize = 1;

/// MIME types of still images.
pub const IMAGE_TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// MIME type of an animation, which follows other limits than a still image.
pub const GIF_TYPE: &str = "image/gif";

/// MIME types of videos.
pub const VIDEO_TYPES: [&str; 2] = ["video/mp4", "video/quicktime"];

/// Most still images in a post; of animations and videos there is one, alone.
pub const IMAGES_MAX: usize = 4;

/// Largest still image, and largest file that is uploaded in one request, in bytes.
pub const IMAGE_MAX_BYTES: u64 = 5 * 1024 * 1024;

/// Largest animation, in bytes.
pub const GIF_MAX_BYTES: u64 = 15 * 1024 * 1024;

/// Widest animation, in pixels.
pub const GIF_MAX_WIDTH: u32 = 1280;

/// Highest animation, in pixels.
pub const GIF_MAX_HEIGHT: u32 = 1080;

/// Largest video, in bytes.
pub const VIDEO_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Longest description of an image, in characters.
///
/// Source: `CreateMediaMetadataMetadataAltText` in `x/openapi.trimmed.json`, read 2026-11-22.
pub const ALT_TEXT_MAX: usize = 1000;

/// Scopes a connection needs so that we can post, upload, look for and delete its posts.
///
/// Source: `security` of the operations in `x/openapi.trimmed.json`, and section 3 of
/// `PLATFORMS.md` for `offline.access` (without it there is no refresh token), read 2026-11-22.
pub const PUBLISH_SCOPES: [&str; 5] =
    ["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"];

/// Of these, the ones without which X takes no post.
///
/// Source: `security` of `createPosts` in `x/openapi.trimmed.json`, read 2026-11-22.
pub const POST_SCOPES: [&str; 3] = ["tweet.read", "tweet.write", "users.read"];

/// Those that attachments need beside them.
///
/// Source: `security` of `mediaUpload` in `x/openapi.trimmed.json`, read 2026-11-22.
pub const MEDIA_SCOPES: [&str; 1] = ["media.write"];

/// Scopes a connection needs when we only read its posts and their numbers.
pub const IMPORT_SCOPES: [&str; 3] = ["tweet.read", "users.read", "offline.access"];
