//! Who calls, and what they may do.
//!
//! Made by [`crate::auth`] from the bearer token, asked by every handler.
//!
//! **Invariant:** a key acts for its own organization alone.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::{Problem, Result};
use jobs::{ApiKeyId, Code, OrganizationId, Origin, Scope};

/// Longest name of whoever is behind a job, in characters.
const LONGEST_ACTOR: usize = 200;

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    /// A frontend, with an organization's key.
    Key {
        /// The key.
        id: ApiKeyId,
        /// For whom it acts.
        organization: OrganizationId,
        /// What it may do.
        scopes: Vec<Scope>,
    },
    /// A person who comes back from a consent page, by the state that was sealed for them.
    Person {
        /// For whom the account is connected.
        organization: OrganizationId,
        /// Who connects it.
        actor: String,
    },
    /// An operator, for all organizations or for the one that a header names.
    Operator {
        /// The organization named.
        organization: Option<OrganizationId>,
    },
}

impl Principal {
    /// The one organization acted for; `None` for an operator who acts for all.
    pub(crate) fn organization(&self) -> Option<OrganizationId> {
        match self {
            Principal::Key { organization, .. } | Principal::Person { organization, .. } => {
                Some(*organization)
            }
            Principal::Operator { organization } => *organization,
        }
    }

    /// The organization of which the caller is; operators are of none, whichever they name.
    pub(crate) fn own_organization(&self) -> Option<OrganizationId> {
        match self {
            Principal::Key { organization, .. } | Principal::Person { organization, .. } => {
                Some(*organization)
            }
            Principal::Operator { .. } => None,
        }
    }

    /// How jobs of this caller are marked.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Principal::Key { .. } | Principal::Person { .. } => Origin::Api,
            Principal::Operator { .. } => Origin::Operator,
        }
    }

    /// Who is behind a job when the caller names nobody.
    fn default_actor(&self) -> String {
        match self {
            Principal::Key { id, .. } => format!("key:{id}"),
            Principal::Person { actor, .. } => actor.clone(),
            Principal::Operator { .. } => "operator".to_owned(),
        }
    }

    /// Who is behind a job: whom the caller names, or the caller itself.
    ///
    /// # Errors
    /// 422 when the name is empty or too long.
    pub(crate) fn actor(&self, named: Option<String>) -> Result<String> {
        match named {
            None => Ok(self.default_actor()),
            Some(actor) if actor.trim().is_empty() || actor.chars().count() > LONGEST_ACTOR => {
                let detail = format!("expected 1 to {LONGEST_ACTOR} characters");
                Err(Problem::invalid("actor", detail))
            }
            Some(actor) => Ok(actor),
        }
    }

    /// Refuses a key without the scope. `admin` includes every scope, and operators need none.
    ///
    /// # Errors
    /// 403, naming the scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<()> {
        match self {
            Principal::Operator { .. } => Ok(()),
            // The key that began it had the scope.
            Principal::Person { .. } if scope == Scope::ConnectionsWrite => Ok(()),
            Principal::Key { scopes, .. }
                if scopes.contains(&scope) || scopes.contains(&Scope::Admin) =>
            {
                Ok(())
            }
            Principal::Key { .. } | Principal::Person { .. } => Err(Problem::new(
                Code::Forbidden,
                format!("this key lacks the scope {}", scope.as_str()),
            )),
        }
    }

    /// Refuses everybody but operators.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_operator(&self) -> Result<()> {
        match self {
            Principal::Operator { .. } => Ok(()),
            Principal::Key { .. } | Principal::Person { .. } => {
                Err(Problem::new(Code::Forbidden, "this needs the operators' token"))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // Absent only when a route was mounted without the layer that authenticates.
        parts.extensions.get::<Principal>().cloned().ok_or_else(Problem::broken)
    }
}
