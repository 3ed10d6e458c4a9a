//! Who calls, why, when: the first argument of every operation.

use std::sync::Arc;

use synod_domain::error::code;
use synod_domain::{Error, Result, Timestamp};

use crate::access::{Access, Person};
use crate::app::App;
use crate::authz::{self, Action, Resource};
use crate::config::StepUp;

/// By what a caller signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A session's token.
    Session,
    /// A session's cookie.
    Cookie,
    /// An API key.
    ApiKey,
}

/// Who calls. Made from a verified token only, never from a header that names somebody.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user: String,
    /// By what.
    pub via: Via,
    /// The session, when there is one.
    pub session: Option<String>,
    /// The API key, when it was one.
    pub api_key: Option<String>,
    /// When the session's second factor was last confirmed.
    pub stepped_up_at: Option<Timestamp>,
}

/// The circumstances of a call.
#[derive(Clone)]
pub struct Ctx {
    /// The server.
    pub app: Arc<App>,
    /// Who calls.
    pub caller: Caller,
    /// Under which the log has this call.
    pub request_id: String,
    /// When it began.
    pub now: Timestamp,
    /// Who may do what, as of the call's beginning.
    pub access: Arc<Access>,
}

impl Ctx {
    /// The caller as events name them.
    pub fn actor(&self) -> String {
        format!("user:{}", self.caller.user)
    }

    /// Whether the caller's second factor is fresh.
    pub fn is_fresh(&self) -> bool {
        self.stepped_up_until().is_some_and(|until| self.now < until)
    }

    /// Until when the caller's second factor counts as fresh.
    pub fn stepped_up_until(&self) -> Option<Timestamp> {
        self.caller.stepped_up_at.map(|at| at.after(self.app.config.security.step_up_for))
    }

    /// Whether the policies allow the caller an action.
    pub fn may(&self, action: Action, resource: &Resource) -> bool {
        authz::allowed(&self.access, &self.caller.user, action, resource, Some(self.is_fresh()), self.now)
    }

    /// Refuses unless the policies allow the caller an action; names the roles that would do.
    pub fn require(&self, action: Action, resource: &Resource) -> Result<()> {
        let (allowed, policies) = authz::decide(&self.access, &self.caller.user, action, resource, Some(self.is_fresh()), self.now);
        if allowed {
            return Ok(());
        }
        let what = format!("{} may not {} ({}) in {}", self.caller.user, action.words(), action.name(), resource.words());
        // Denied with a policy named means that it forbids; no role would help.
        let why = if policies.is_empty() {
            format!("the role {} would do", authz::roles_for(action).join(" or "))
        } else {
            format!("forbidden by policy {}", policies.join(", "))
        };
        Err(Error::new(code::FORBIDDEN, format!("{what}; {why}")))
    }

    /// Refuses unless the caller's second factor is fresh, where that is asked for.
    pub fn require_fresh(&self) -> Result<()> {
        let enrolled = self.access.people.get(&self.caller.user).is_some_and(Person::second_factor);
        let asked = enrolled || self.app.config.security.step_up == StepUp::Always;
        if !asked || self.is_fresh() {
            return Ok(());
        }
        let message = if self.caller.via == Via::ApiKey {
            "this changes who may do what or who must agree; it needs a person with a fresh second factor, an API key does not do"
        } else if enrolled {
            "this changes who may do what or who must agree; confirm with your second factor first"
        } else {
            "this changes who may do what or who must agree; enrol a second factor or a passkey first"
        };
        Err(Error::new(code::STEP_UP_REQUIRED, message))
    }

    /// The namespaces in which the caller may do something; `None` when in all.
    pub fn namespaces(&self, action: Action) -> Option<Vec<String>> {
        if self.may(action, &Resource::system()) {
            return None;
        }
        let allowed = |name: &&String| self.may(action, &Resource::namespace(name));
        Some(self.access.namespaces.keys().filter(allowed).cloned().collect())
    }

    /// The namespaces a listing covers: the one asked for when the caller may see it, else all they may see.
    pub fn scope(&self, action: Action, asked: Option<&str>) -> Result<Option<Vec<String>>> {
        match asked {
            Some(namespace) => {
                self.require(action, &Resource::namespace(namespace))?;
                Ok(Some(vec![namespace.to_owned()]))
            }
            None => Ok(self.namespaces(action)),
        }
    }
}
