//! Who may do what: roles, who holds them where and until when, groups and custom policies.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::{Problem, nearest};
use crate::time::Timestamp;

/// A built-in role. What each may do is said by the shipped Cedar policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Approves.
    Approver,
    /// Requests and approves.
    Requester,
    /// Manages templates, requests and approves.
    Administrator,
    /// Decides about members and deletion.
    Owner,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Approver, Self::Requester, Self::Administrator, Self::Owner];

    /// The roles whose rights this one has too, itself among them. An owner decides about members
    /// and sees, but does not thereby approve: whoever picks the approvers is not one of them.
    pub fn includes(self) -> &'static [Self] {
        match self {
            Self::Viewer => &[Self::Viewer],
            Self::Approver => &[Self::Approver, Self::Viewer],
            Self::Requester => &[Self::Requester, Self::Approver, Self::Viewer],
            Self::Administrator => &[Self::Administrator, Self::Requester, Self::Approver, Self::Viewer],
            Self::Owner => &[Self::Owner, Self::Viewer],
        }
    }

    /// The role's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Requester => "requester",
            Self::Administrator => "administrator",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| {
            let hint = nearest(text, Self::ALL.map(Self::name)).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            format!("there is no role `{text}`{hint}")
        })
    }
}

/// Closes a set of held roles under inclusion.
pub fn closure(held: impl IntoIterator<Item = Role>) -> BTreeSet<Role> {
    held.into_iter().flat_map(|role| role.includes().iter().copied()).collect()
}

/// A user or a group, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A person or a service account.
    User(String),
    /// Everyone in a group.
    Group(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// Gives a role to users and groups: in the namespace of the binding, or everywhere when it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleBindingSpec {
    /// The role given.
    pub role: Role,
    /// Who gets it.
    pub subjects: Vec<Subject>,
    /// Until when; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl RoleBindingSpec {
    /// Whether the binding holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// What serde cannot see.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.subjects.is_empty() {
            problems.push(Problem::at("/spec/subjects", "nobody is named").hint("list `user: NAME` or `group: NAME`"));
        }
        problems
    }
}

/// Named people, for role bindings and approval rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    /// What the group is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// User names.
    #[serde(default)]
    pub members: BTreeSet<String>,
}

/// Extra Cedar policies; they add to the shipped ones, and `forbid` wins over every `permit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// Why it is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Cedar source, one or more policies.
    pub cedar: String,
}

/// A tenancy boundary.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceSpec {
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The nodes its templates may reach at all; the empty selector is every node.
    #[serde(default)]
    pub nodes: crate::selector::Selector,
    /// Whether everything in it stands still: nothing is changed, requested or started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_include_what_the_words_say() {
        assert!(closure([Role::Administrator]).contains(&Role::Approver));
        assert!(closure([Role::Requester]).contains(&Role::Approver));
        assert!(!closure([Role::Approver]).contains(&Role::Requester));
        assert!(!closure([Role::Owner]).contains(&Role::Approver));
        for role in Role::ALL {
            assert!(closure([role]).contains(&Role::Viewer), "{role} sees");
            assert_eq!(role.name().parse::<Role>(), Ok(role));
        }
        assert!("aprover".parse::<Role>().unwrap_err().contains("approver"));
    }

    #[test]
    fn a_binding_ends_at_its_time() {
        let binding = RoleBindingSpec { role: Role::Viewer, subjects: vec![], expires: Some(Timestamp(10)) };
        assert!(binding.holds(Timestamp(9)));
        assert!(!binding.holds(Timestamp(10)));
    }
}
