//! Everything that decides about access, in memory, with the version of the database it was read at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedar_policy::PolicySet;
use synod_db::{Query, account_key, object, user};
use synod_domain::access::{GroupSpec, NamespaceSpec, Role, RoleBindingSpec, Subject, closure};
use synod_domain::approval::Standing;
use synod_domain::object::{Kind, Spec, typed};
use synod_domain::{Error, Result, Timestamp};
use synod_protocol::http::auth::HeldRole;

use crate::authz;
use crate::signing::Published;

/// A user as far as access goes.
#[derive(Debug, Clone)]
pub struct Person {
    /// The name.
    pub name: String,
    /// Whether it is a machine's.
    pub service_account: bool,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Whether codes of an authenticator are in force as second factor.
    pub totp: bool,
    /// How many passkeys they have; one is a second factor as well.
    pub passkeys: u32,
}

impl Person {
    /// Whether there is a second factor of either kind.
    pub fn second_factor(&self) -> bool {
        self.totp || self.passkeys > 0
    }
}

/// A role binding.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Where it holds; everywhere when absent.
    pub namespace: Option<String>,
    /// What it says.
    pub spec: RoleBindingSpec,
}

/// One state of everything that decides about access.
pub struct Access {
    /// The version of the database it was read at.
    pub version: i64,
    /// Users by name.
    pub people: BTreeMap<String, Person>,
    /// Groups by name.
    pub groups: BTreeMap<String, GroupSpec>,
    /// Role bindings.
    pub bindings: Vec<Binding>,
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, NamespaceSpec>,
    /// Shipped and custom policies.
    pub policies: PolicySet,
    /// Whether a policy may ask for the time, so that an answer holds for its moment only.
    pub asks_for_time: bool,
    /// The newest trust root that was published.
    pub trust: Option<Arc<Published>>,
    /// What was asked of this state before.
    pub answers: authz::Answers,
}

impl Access {
    /// Reads the present state.
    pub async fn read(db: &mut impl Query) -> Result<Self> {
        // The version first: should anything change in between, the state is merely read again later.
        let version = synod_db::access::version(db).await?;
        let passkeys: BTreeMap<String, u32> = account_key::passkeys(db).await?.into_iter().collect();
        let person = |u: user::User| Person {
            passkeys: passkeys.get(&u.name).copied().unwrap_or_default(),
            name: u.name,
            service_account: u.service_account,
            enabled: u.enabled,
            totp: u.totp_confirmed,
        };
        let people = user::list(db).await?.into_iter().map(|u| (u.name.clone(), person(u))).collect();
        let mut access = Self {
            version,
            people,
            groups: BTreeMap::new(),
            bindings: Vec::new(),
            namespaces: BTreeMap::new(),
            policies: authz::shipped()?,
            asks_for_time: false,
            trust: synod_db::trust::newest(db).await?.map(Published::read).transpose()?.map(Arc::new),
            answers: authz::Answers::default(),
        };
        for kind in [Kind::Group, Kind::RoleBinding, Kind::Namespace, Kind::Policy] {
            for stored in object::list(db, kind).await? {
                let (spec, _) = typed(kind, stored.spec).map_err(|e| Error::internal(format!("{kind} {}: {e}", stored.name)))?;
                match spec {
                    Spec::Group(group) => {
                        access.groups.insert(stored.name, group);
                    }
                    Spec::RoleBinding(spec) => access.bindings.push(Binding { name: stored.name, namespace: stored.namespace, spec }),
                    Spec::Namespace(namespace) => {
                        access.namespaces.insert(stored.name, namespace);
                    }
                    Spec::Policy(policy) => {
                        let added = authz::add_policies(&mut access.policies, &stored.name, &policy.cedar);
                        access.asks_for_time |= added.map_err(|problems| Error::internal(format!("policy {}: {problems:?}", stored.name)))?;
                    }
                    Spec::Template(_) => {}
                }
            }
        }
        Ok(access)
    }

    /// The groups somebody belongs to.
    pub fn groups_of(&self, user: &str) -> BTreeSet<String> {
        self.groups.iter().filter(|(_, group)| group.members.contains(user)).map(|(name, _)| name.clone()).collect()
    }

    /// The roles somebody was given that hold now: those of one namespace and those of everywhere, or all of them.
    pub fn held(&self, user: &str, namespace: Option<&str>, all: bool, now: Timestamp) -> Vec<HeldRole> {
        let groups = self.groups_of(user);
        let names = |subject: &Subject| match subject {
            Subject::User(name) => name == user,
            Subject::Group(name) => groups.contains(name),
        };
        let mut held: Vec<HeldRole> = self
            .bindings
            .iter()
            .filter(|b| b.spec.holds(now) && b.spec.subjects.iter().any(names))
            .filter(|b| all || b.namespace.is_none() || b.namespace.as_deref() == namespace)
            .map(|b| HeldRole { role: b.spec.role, namespace: b.namespace.clone(), expires: b.spec.expires, binding: b.name.clone() })
            .collect();
        held.sort();
        held
    }

    /// The roles somebody has in a namespace (or outside of all), closed under inclusion.
    pub fn roles(&self, user: &str, namespace: Option<&str>, now: Timestamp) -> BTreeSet<Role> {
        closure(self.held(user, namespace, false, now).into_iter().map(|held| held.role))
    }

    /// Somebody's standing as approver of runs of a template, at this moment. A policy that asks for a fresh second
    /// factor is judged when the vote is cast; a vote that was taken then counts later too.
    pub fn standing(&self, name: &str, namespace: &str, template: &str, now: Timestamp) -> Standing {
        let person = self.people.get(name);
        let able = person.is_some_and(|p| p.enabled && !p.service_account);
        let may_approve = able && authz::allowed(self, name, authz::Action::RunApprove, &authz::Resource::template(namespace, template), Some(true), now);
        Standing { name: name.to_owned(), may_approve, roles: self.roles(name, Some(namespace), now), groups: self.groups_of(name) }
    }

    /// The standing of everyone who may approve runs of a template.
    pub fn approvers(&self, namespace: &str, template: &str, now: Timestamp) -> Vec<Standing> {
        self.people.keys().map(|name| self.standing(name, namespace, template, now)).filter(|s| s.may_approve).collect()
    }
}

/// The newest state anybody here has read.
pub struct AccessCache(ArcSwap<Access>);

impl AccessCache {
    /// Starts with a state.
    pub fn new(access: Access) -> Self {
        Self(ArcSwap::from_pointee(access))
    }

    /// The state last read, which may be a moment old: for what asks nobody's rights.
    pub fn latest(&self) -> Arc<Access> {
        self.0.load_full()
    }

    /// The state at a version just read, from memory or anew.
    pub async fn at(&self, version: i64, db: &mut impl Query) -> Result<Arc<Access>> {
        let known = self.0.load_full();
        if known.version == version {
            return Ok(known);
        }
        let fresh = Arc::new(Access::read(db).await?);
        self.0.store(fresh.clone());
        Ok(fresh)
    }

    /// The state as a transaction (or a reader) sees it.
    pub async fn current(&self, db: &mut impl Query) -> Result<Arc<Access>> {
        let version = synod_db::access::version(db).await?;
        self.at(version, db).await
    }
}
