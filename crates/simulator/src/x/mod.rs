//! X: its users, posts and uploads in memory, behind its own paths.
//!
//! A call goes through the same gates as at X: route, token, scopes, rate limit, shape, rules.
//! The order of the first four is observed of X, not in the contracts.
//!
//! **Invariant:** [`World::act`] either refuses and changes nothing but the rate limit's count, or
//! acts and reports each effect.

mod accounts;
mod activity;
mod authorize;
mod endpoint;
mod ids;
mod limits;
mod media;
mod oauth;
mod parameters;
mod posts;
mod problem;
mod reading;
mod render;
mod settings;
mod shape;
mod sniff;
mod text;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Payload};
use crate::journal::{What, Who};
use accounts::{Accounts, User};
use endpoint::{Endpoint, WINDOW};
use ids::Ids;
use limits::{Budget, Limit, Windows, whole_second};
use media::{Library, Terms};
use posts::{Making, Post, Posts};
use problem::{Outcome, Problem};
use shape::{check_query, is_id};

pub(crate) use accounts::SCOPES;
pub use activity::{Engaged, NewEngagement, Reaction};
pub use oauth::{ConsentAnswer, ControlGrant, NewApp, NewConsent};
pub use settings::{ControlMedia, ControlPost, LimitSetting, Metrics, Settings, SettingsPatch};

/// Everything that the simulated X knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    settings: Settings,
    accounts: Accounts,
    windows: Windows,
    media: Library,
    posts: Posts,
    ids: Ids,
    apps: oauth::Apps,
}

/// A token to be registered.
pub(crate) struct Grant {
    pub(crate) token: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// Whether a path belongs to the token endpoints, which refuse in a shape of their own.
pub(crate) fn is_oauth(path: &str) -> bool {
    path.starts_with("/2/oauth2/")
}

/// The problem that fits a status.
pub(crate) fn problem_for(call: &Call, status: u16) -> Answer {
    if is_oauth(&call.path) {
        return match status {
            400 => oauth::refusal(400, "invalid_request", oauth::DEAD_TOKEN),
            401 => oauth::refusal(401, "invalid_client", "Missing valid authorization header"),
            503 => oauth::refusal(503, "temporarily_unavailable", "Over capacity"),
            other => oauth::refusal(other, "server_error", "Something went wrong"),
        };
    }
    Answer { status, ..Problem::for_status(status).into() }
}

/// The answer to a body that is larger than is read.
pub(crate) fn body_too_large() -> Answer {
    Problem::too_large().into()
}

fn milliseconds(ms: u64) -> TimeDelta {
    // Longer than any test or demo runs, and far from overflow when added to a time.
    TimeDelta::milliseconds(ms.min(1 << 45) as i64)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Answers a call as X would.
    pub(crate) fn act(&mut self, call: &Call, now: DateTime<Utc>) -> Answer {
        if let Some(answer) = self.authorize(call, now) {
            return answer;
        }
        let (endpoint, id) = match Endpoint::find(&call.method, &call.path) {
            Ok(found) => found,
            Err(problem) => return problem.into(),
        };
        let bearer = call.bearer.as_deref();
        let Some(bearer) = bearer.and_then(|token| self.accounts.authenticate(token, now)) else {
            return Problem::unauthorized().into();
        };
        let has = |scope: &&&str| bearer.scopes.iter().any(|granted| granted == *scope);
        if let Some(missing) = endpoint.scopes().iter().find(|scope| !has(scope)) {
            return Problem::missing_scope(endpoint.name(), missing).into();
        }
        let limit = self.limit(endpoint);
        match self.windows.count(&bearer.user.id, endpoint, limit, now) {
            Err(budget) => budget.on(Problem::rate_limited().into()),
            Ok(budget) => {
                let answer = self.operate(endpoint, id, &bearer.user, call, now);
                budget.on(answer.unwrap_or_else(Answer::from))
            }
        }
    }

    fn limit(&self, endpoint: Endpoint) -> Limit {
        match self.settings.limits.get(endpoint.name()) {
            Some(set) => Limit { calls: set.limit, window: milliseconds_std(set.window_ms) },
            None => Limit { calls: endpoint.default_limit(), window: WINDOW },
        }
    }

    fn operate(
        &mut self,
        endpoint: Endpoint,
        id: &str,
        user: &User,
        call: &Call,
        now: DateTime<Utc>,
    ) -> Outcome<Answer> {
        let query = check_query(Self::parameters(endpoint), &call.query)?;
        match endpoint {
            Endpoint::Me => Ok(ok(&self.me(user, &query))),
            Endpoint::UserPosts => Ok(ok(&self.timeline(id, user, &query, now)?)),
            Endpoint::GetPosts => Ok(ok(&self.lookup(user, &query))),
            Endpoint::GetPost => Ok(ok(&self.single(id, user, &query)?)),
            Endpoint::CreatePost => self.create_post(user, call, now),
            Endpoint::DeletePost => {
                check_path_id(id)?;
                let mut answer = ok(&self.posts.delete(id, &user.id, now)?);
                let what = What::PostDeleted { post_id: id.to_owned() };
                answer.effects.push((now, user.who(), what));
                Ok(answer)
            }
            Endpoint::UploadStatus => {
                let id = query.get("media_id").and_then(Value::as_str).unwrap_or_default();
                Ok(ok(&self.media.status(id, &user.id, now)?))
            }
            Endpoint::MediaMetadata => {
                Ok(ok(&self.media.describe(object(call)?, &user.id, now)?))
            }
            Endpoint::UploadInitialize => {
                let (terms, id) = (self.terms(now), self.ids.next(now).to_string());
                Ok(ok(&self.media.initialize(id, &user.id, object(call)?, terms)?))
            }
            Endpoint::UploadAppend => {
                check_path_id(id)?;
                Ok(ok(&self.media.append(id, &user.id, &call.payload, now)?))
            }
            Endpoint::UploadMedia | Endpoint::UploadFinalize => self.upload(id, user, call, now),
        }
    }

    fn parameters(endpoint: Endpoint) -> &'static [shape::Field] {
        match endpoint {
            Endpoint::Me => parameters::ME,
            Endpoint::UserPosts => parameters::USER_POSTS,
            Endpoint::GetPosts => parameters::GET_POSTS,
            Endpoint::GetPost => parameters::GET_POST,
            Endpoint::UploadStatus => parameters::UPLOAD_STATUS,
            Endpoint::CreatePost
            | Endpoint::DeletePost
            | Endpoint::UploadMedia
            | Endpoint::UploadInitialize
            | Endpoint::UploadAppend
            | Endpoint::UploadFinalize
            | Endpoint::MediaMetadata => parameters::NONE,
        }
    }

    fn create_post(&mut self, user: &User, call: &Call, now: DateTime<Utc>) -> Outcome<Answer> {
        let body = object(call)?;
        let making = Making {
            author: user,
            media: &self.media,
            ids: &mut self.ids,
            duplicate_window: milliseconds(self.settings.duplicate_window_ms),
            now,
        };
        let post = self.posts.create(body, making)?;
        let id = post.id.to_string();
        let data = json!({ "id": id, "text": post.shown.text, "edit_history_post_ids": [id] });
        let mut answer = Answer::json(201, &json!({ "data": data }));
        let what = What::PostCreated {
            post_id: id,
            text: post.text.clone(),
            media_ids: post.media_ids.clone(),
        };
        answer.effects.push((now, user.who(), what));
        Ok(answer)
    }

    /// Both ways in which a file becomes whole.
    fn upload(
        &mut self,
        id: &str,
        user: &User,
        call: &Call,
        now: DateTime<Utc>,
    ) -> Outcome<Answer> {
        let terms = self.terms(now);
        let (media, body) = if id.is_empty() {
            let id = self.ids.next(now).to_string();
            self.media.upload(id, &user.id, &call.payload, terms)?
        } else {
            check_path_id(id)?;
            self.media.finalize(id, &user.id, terms)?
        };
        let what = What::MediaUploaded {
            media_id: media.id.clone(),
            mime: media.facts.mime.clone(),
            size_bytes: media.facts.size_bytes,
        };
        let mut answer = ok(&body);
        answer.effects.push((now, user.who(), what));
        Ok(answer)
    }

    fn terms(&self, now: DateTime<Utc>) -> Terms {
        Terms {
            now,
            expires_at: now + milliseconds(self.settings.media_lifetime_ms),
            processed_at: now + milliseconds(self.settings.media_processing_ms),
        }
    }
}

/// What the control and the exchange do to the world.
impl World {
    /// Whose token it is, also when it is good no longer.
    pub(crate) fn owner(&self, token: Option<&str>) -> Option<Who> {
        self.accounts.owner(token?).map(User::who)
    }

    /// Revokes a token.
    pub(crate) fn revoke_token(&mut self, token: Option<&str>) {
        if let Some(token) = token {
            self.accounts.revoke(token);
        }
    }

    /// Revokes the tokens of a user; `None` when there is no such user.
    pub(crate) fn revoke_user(&mut self, name: &str) -> Option<usize> {
        let id = self.accounts.find(name)?.id.clone();
        self.apps.end_all(&id);
        Some(self.accounts.revoke_all(&id))
    }

    /// The 429 of a fault, with the headers that the endpoint would have.
    pub(crate) fn forced_rate_limit(&self, call: &Call, reset: DateTime<Utc>) -> Answer {
        let endpoint = Endpoint::find(&call.method, &call.path).ok();
        let limit = endpoint.map_or(0, |(endpoint, _)| self.limit(endpoint).calls);
        let budget = Budget { limit, remaining: 0, reset: whole_second(reset) };
        budget.on(Problem::rate_limited().into())
    }

    /// Registers a user, or changes the one with this id or handle; adds the tokens.
    pub(crate) fn register(
        &mut self,
        username: String,
        name: String,
        id: Option<String>,
        grants: Vec<Grant>,
    ) -> Who {
        let now = crate::journal::now();
        let known = id.or_else(|| self.accounts.find(&username).map(|user| user.id.clone()));
        let id = known.unwrap_or_else(|| self.ids.next(now).to_string());
        let created_at = self.accounts.user(&id).map_or(now, |user| user.created_at);
        let user = User { id, username, name, created_at };
        let who = user.who();
        self.accounts.put(user);
        for Grant { token, scopes, expires_at } in grants {
            self.accounts.grant(token, &who.id, scopes, expires_at);
        }
        who
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes settings; `Err` names the field that is wrong.
    pub(crate) fn change(&mut self, patch: SettingsPatch) -> Result<(), String> {
        for endpoint in patch.endpoints()? {
            self.windows.forget(endpoint);
        }
        self.settings.change(patch);
        Ok(())
    }

    /// Sets a post's numbers; false when there is no such post.
    pub(crate) fn set_metrics(&mut self, id: &str, metrics: Metrics) -> bool {
        id.parse().is_ok_and(|id| self.posts.set_metrics(id, metrics))
    }

    /// The posts of a user or of all, oldest first, deleted ones included.
    pub(crate) fn control_posts(&self, user: Option<&str>) -> Vec<ControlPost> {
        let told = |post: &Post| {
            let user = self.accounts.user(&post.author)?.who();
            let media = post.media_ids.iter().filter_map(|id| self.media.get(id));
            Some(ControlPost {
                id: post.id.to_string(),
                user,
                text: post.text.clone(),
                shown_text: post.shown.text.clone(),
                created_at: post.created_at,
                deleted_at: post.deleted_at,
                reply_to: post.reply_to.map(|id| id.to_string()),
                media: media
                    .map(|media| ControlMedia {
                        id: media.id.clone(),
                        mime: media.facts.mime.clone(),
                        size_bytes: media.facts.size_bytes,
                        alt_text: media.alt_text.clone(),
                    })
                    .collect(),
            })
        };
        let posts = self.posts.all().filter_map(told);
        posts.filter(|post| user.is_none_or(|name| post.user.is(name))).collect()
    }
}

fn milliseconds_std(ms: u64) -> Duration {
    Duration::from_millis(ms.min(1 << 45))
}

fn ok(body: &Value) -> Answer {
    Answer::json(200, body)
}

fn check_path_id(id: &str) -> Outcome<()> {
    if is_id(id) {
        Ok(())
    } else {
        Err(Problem::invalid("id", id, "The `id` must match ^[0-9]{1,19}$"))
    }
}

/// The body as an object; the only kind that endpoints without a file take.
fn object(call: &Call) -> Outcome<&Map<String, Value>> {
    match &call.payload {
        Payload::Json(Value::Object(object)) => Ok(object),
        Payload::Json(_) => Err(Problem::invalid("body", "", "The body must be an object")),
        Payload::Empty => Err(Problem::invalid("body", "", "The body can not be empty")),
        Payload::Unreadable(reason) => Err(Problem::invalid("body", "", reason.as_str())),
        Payload::Form(_) => Err(Problem::unsupported_type("multipart/form-data")),
        Payload::Fields(_) => Err(Problem::unsupported_type("application/x-www-form-urlencoded")),
        Payload::Other(kind) => Err(Problem::unsupported_type(kind)),
    }
}
