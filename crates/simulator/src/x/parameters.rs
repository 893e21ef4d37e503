//! The shapes of what X takes: query parameters and JSON bodies.
//!
//! Source: `x/openapi.trimmed.json`, version 2.167, read 2026-11-22. `tweet.fields` is the older
//! name of `post.fields`; it is not in that description, but X's pages and `PLATFORMS.md` use it.
//!
//! **Invariant:** compared with the description verdict by verdict in the tests.

use super::shape::{Field, Shape, TEXT, may, needs};

const USIZE_MAX: usize = usize::MAX;

const fn words(words: &'static Shape) -> Shape {
    Shape::List { min: 1, max: USIZE_MAX, unique: true, item: words }
}

const POST_FIELDS: Shape = words(&Shape::Word(&[
    "article",
    "article_title",
    "attachments",
    "card_uri",
    "community_id",
    "context_annotations",
    "conversation_id",
    "created_at",
    "display_text_range",
    "edit_controls",
    "entities",
    "geo",
    "id",
    "lang",
    "matched_media_notes",
    "media_metadata",
    "non_public_metrics",
    "note_post",
    "note_request_suggestions",
    "organic_metrics",
    "paid_partnership",
    "possibly_sensitive",
    "promoted_metrics",
    "public_metrics",
    "reply_settings",
    "scopes",
    "source",
    "suggested_source_links",
    "suggested_source_links_with_counts",
    "text",
    "withheld",
]));

const TWEET_FIELDS: Shape = words(&Shape::Word(&[
    "article",
    "attachments",
    "author_id",
    "context_annotations",
    "conversation_id",
    "created_at",
    "display_text_range",
    "edit_controls",
    "edit_history_tweet_ids",
    "entities",
    "geo",
    "id",
    "in_reply_to_user_id",
    "lang",
    "non_public_metrics",
    "note_tweet",
    "organic_metrics",
    "possibly_sensitive",
    "promoted_metrics",
    "public_metrics",
    "referenced_tweets",
    "reply_settings",
    "scopes",
    "source",
    "text",
    "withheld",
]));

const POST_EXPANSIONS: Shape = words(&Shape::Word(&[
    "article.cover_media",
    "article.media_entities",
    "attachments.media_keys",
    "attachments.media_source_tweet",
    "attachments.poll_ids",
    "author_id",
    "edit_history_post_ids",
    "entities.mentions.username",
    "geo.place_id",
    "in_reply_to_user_id",
    "referenced_posts",
    "username",
]));

const USER_EXPANSIONS: Shape =
    words(&Shape::Word(&["affiliation", "most_recent_post_id", "pinned_post_id"]));

const USER_FIELDS: Shape = words(&Shape::Word(&[
    "confirmed_email",
    "connection_status",
    "created_at",
    "description",
    "entities",
    "id",
    "is_identity_verified",
    "location",
    "name",
    "parody",
    "profile_banner_url",
    "profile_image_url",
    "protected",
    "public_metrics",
    "receives_your_dm",
    "subscribes_to_you",
    "subscription",
    "subscription_type",
    "url",
    "username",
    "verified",
    "verified_followers_count",
    "verified_type",
    "withheld",
]));

const MEDIA_FIELDS: Shape = words(&Shape::Word(&[
    "alt_text",
    "duration_ms",
    "height",
    "media_key",
    "non_public_metrics",
    "organic_metrics",
    "preview_image_url",
    "promoted_metrics",
    "public_metrics",
    "type",
    "url",
    "variants",
    "width",
]));

const POLL_FIELDS: Shape =
    words(&Shape::Word(&["duration_minutes", "end_datetime", "id", "options", "voting_status"]));

const PLACE_FIELDS: Shape = words(&Shape::Word(&[
    "contained_within",
    "country",
    "country_code",
    "full_name",
    "geo",
    "id",
    "name",
    "place_type",
]));

/// No parameters at all.
pub(super) const NONE: &[Field] = &[];

/// `GET /2/users/me`.
pub(super) const ME: &[Field] = &[
    may("user.fields", USER_FIELDS),
    may("expansions", USER_EXPANSIONS),
    may("post.fields", POST_FIELDS),
    may("tweet.fields", TWEET_FIELDS),
];

/// `GET /2/tweets/{id}`.
pub(super) const GET_POST: &[Field] = &[
    may("post.fields", POST_FIELDS),
    may("tweet.fields", TWEET_FIELDS),
    may("expansions", POST_EXPANSIONS),
    may("user.fields", USER_FIELDS),
    may("media.fields", MEDIA_FIELDS),
    may("poll.fields", POLL_FIELDS),
    may("place.fields", PLACE_FIELDS),
];

/// `GET /2/tweets`.
pub(super) const GET_POSTS: &[Field] = &[
    needs("ids", Shape::List { min: 1, max: 100, unique: false, item: &Shape::Id }),
    may("post.fields", POST_FIELDS),
    may("tweet.fields", TWEET_FIELDS),
    may("expansions", POST_EXPANSIONS),
    may("user.fields", USER_FIELDS),
    may("media.fields", MEDIA_FIELDS),
    may("poll.fields", POLL_FIELDS),
    may("place.fields", PLACE_FIELDS),
];

/// `GET /2/users/{id}/tweets`.
pub(super) const USER_POSTS: &[Field] = &[
    may("max_results", Shape::Whole { min: 5, max: 100 }),
    may("pagination_token", Shape::Text { min: 1, max: USIZE_MAX }),
    may("start_time", Shape::Moment),
    may("end_time", Shape::Moment),
    may("since_id", Shape::Id),
    may("until_id", Shape::Id),
    may("exclude", words(&Shape::Word(&["replies", "retweets"]))),
    may("post.fields", POST_FIELDS),
    may("tweet.fields", TWEET_FIELDS),
    may("expansions", POST_EXPANSIONS),
    may("user.fields", USER_FIELDS),
    may("media.fields", MEDIA_FIELDS),
    may("poll.fields", POLL_FIELDS),
    may("place.fields", PLACE_FIELDS),
];

/// `GET /2/media/upload`.
pub(super) const UPLOAD_STATUS: &[Field] =
    &[needs("media_id", Shape::Id), may("command", Shape::Word(&["STATUS"]))];

const fn ids(max: usize) -> Shape {
    Shape::List { min: 0, max, unique: false, item: &Shape::Id }
}

const fn record(fields: &'static [Field]) -> Shape {
    Shape::Record { fields, closed: true }
}

const fn open(fields: &'static [Field]) -> Shape {
    Shape::Record { fields, closed: false }
}

const REPLY_SETTINGS: Shape =
    Shape::Word(&["following", "mentionedUsers", "subscribers", "verified"]);

/// The body of `POST /2/tweets`.
pub(super) const CREATE_POST: &[Field] = &[
    may("card_uri", TEXT),
    may("community_id", Shape::Id),
    may("direct_message_deep_link", TEXT),
    may("edit_options", record(&[needs("previous_post_id", Shape::Id)])),
    may("for_super_followers_only", Shape::Flag),
    may("geo", record(&[needs("place_id", TEXT)])),
    may("made_with_ai", Shape::Flag),
    may("media", record(CREATE_POST_MEDIA)),
    may("nullcast", Shape::Flag),
    may("paid_partnership", Shape::Flag),
    may("poll", record(CREATE_POST_POLL)),
    may("quote_tweet_id", Shape::Id),
    may("reply", record(CREATE_POST_REPLY)),
    may("reply_settings", REPLY_SETTINGS),
    may("share_with_followers", Shape::Flag),
    may("text", TEXT),
];

const CREATE_POST_MEDIA: &[Field] = &[
    may("call_to_actions", record(CALL_TO_ACTIONS)),
    may("description", TEXT),
    may("embeddable", Shape::Flag),
    needs("media_ids", Shape::List { min: 1, max: 4, unique: false, item: &Shape::Id }),
    may("preview_media_id", Shape::Id),
    may("tagged_user_ids", ids(10)),
    may("title", TEXT),
];

const CALL_TO_ACTIONS: &[Field] = &[
    may(
        "app_install",
        record(&[
            may("app_store_id", TEXT),
            may("ipad_app_store_id", TEXT),
            may("play_store_id", TEXT),
        ]),
    ),
    may("visit_site", record(&[needs("url", TEXT)])),
    may("watch_now", record(&[needs("url", TEXT)])),
];

const CREATE_POST_POLL: &[Field] = &[
    needs("duration_minutes", Shape::Whole { min: 5, max: 10_080 }),
    needs(
        "options",
        Shape::List { min: 2, max: 4, unique: false, item: &Shape::Text { min: 1, max: 25 } },
    ),
    may("reply_settings", REPLY_SETTINGS),
];

const CREATE_POST_REPLY: &[Field] = &[
    may("auto_populate_reply_metadata", Shape::Flag),
    may(
        "exclude_reply_user_ids",
        Shape::List { min: 0, max: USIZE_MAX, unique: false, item: &TEXT },
    ),
    needs("in_reply_to_tweet_id", Shape::Id),
];

/// The body of `POST /2/media/upload`; a file counts as a string.
pub(super) const UPLOAD: &[Field] = &[
    may("additional_owners", TEXT),
    needs("media", TEXT),
    needs(
        "media_category",
        Shape::Word(&[
            "tweet_image",
            "tweet_video",
            "tweet_gif",
            "dm_image",
            "dm_video",
            "dm_gif",
            "subtitles",
        ]),
    ),
];

/// The body of `POST /2/media/upload/initialize`.
pub(super) const INITIALIZE: &[Field] = &[
    may("additional_owners", ids(USIZE_MAX)),
    may(
        "media_category",
        Shape::Word(&[
            "amplify_video",
            "tweet_gif",
            "tweet_image",
            "tweet_video",
            "dm_gif",
            "dm_image",
            "dm_video",
            "subtitles",
        ]),
    ),
    may(
        "media_type",
        Shape::Word(&[
            "video/mp4",
            "video/webm",
            "video/mp2t",
            "video/quicktime",
            "text/srt",
            "text/vtt",
            "image/jpeg",
            "image/gif",
            "image/bmp",
            "image/png",
            "image/webp",
            "image/pjpeg",
            "image/tiff",
            "model/gltf-binary",
            "model/vnd.usdz+zip",
        ]),
    ),
    may("shared", Shape::Flag),
    may("total_bytes", Shape::Whole { min: 0, max: 17_179_869_184 }),
];

/// The body of `POST /2/media/upload/{id}/append`; a file counts as a string.
pub(super) const APPEND: &[Field] =
    &[needs("media", TEXT), needs("segment_index", Shape::Whole { min: 0, max: 999 })];

/// The body of `POST /2/media/metadata`.
pub(super) const METADATA: &[Field] =
    &[needs("id", Shape::Id), may("metadata", open(METADATA_METADATA))];

const METADATA_METADATA: &[Field] = &[
    may("allow_download_status", open(&[may("allow_download", Shape::Flag)])),
    may("alt_text", open(&[needs("text", Shape::Text { min: 0, max: 1000 })])),
    may("audience_policy", Shape::Anything),
    may("content_expiration", open(&[needs("timestamp_sec", Shape::Number)])),
    may(
        "domain_restrictions",
        open(&[needs(
            "whitelist",
            Shape::List { min: 0, max: USIZE_MAX, unique: false, item: &TEXT },
        )]),
    ),
    may("found_media_origin", open(&[needs("provider", TEXT), needs("id", TEXT)])),
    may("geo_restrictions", Shape::Anything),
    may("management_info", open(&[needs("managed", Shape::Flag)])),
    may("preview_image", open(&[needs("media_key", Shape::Anything)])),
    may("sensitive_media_warning", Shape::Anything),
    may("shared_info", open(&[needs("shared", Shape::Flag)])),
    may(
        "sticker_info",
        open(&[needs(
            "stickers",
            Shape::List { min: 0, max: USIZE_MAX, unique: false, item: &Shape::Anything },
        )]),
    ),
    may("upload_source", open(&[needs("upload_source", TEXT)])),
];
