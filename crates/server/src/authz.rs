//! May somebody do something: Cedar policies, deny by default. The built-in roles are shipped policies.

use std::collections::{HashMap, HashSet};
use std::str::FromStr as _;
use std::sync::{Mutex, PoisonError};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression,
};
use miette::Diagnostic as _;
use synod_domain::access::Role;
use synod_domain::{Error, Problem, Result, Timestamp};

use crate::access::Access;

macro_rules! actions {
    ($($variant:ident = $name:literal, $global:literal, $what:literal;)*) => {
        /// Everything that is subject to authorization.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $(#[doc = $what] $variant,)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in policies and on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// In words, for refusals.
            pub fn words(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            /// Whether it is about the installation, not about one namespace.
            pub fn is_global(self) -> bool {
                match self { $(Self::$variant => $global,)* }
            }
        }
    };
}

actions! {
    NamespaceRead = "namespace.read", false, "see the namespace";
    NamespaceWrite = "namespace.write", true, "create and change namespaces";
    NamespaceDelete = "namespace.delete", false, "delete the namespace";
    TemplateRead = "template.read", false, "see templates";
    TemplateWrite = "template.write", false, "create and change templates";
    TemplateDelete = "template.delete", false, "delete templates";
    RoleBindingRead = "rolebinding.read", false, "see who has which role";
    RoleBindingWrite = "rolebinding.write", false, "give and take roles";
    GroupRead = "group.read", true, "see groups";
    GroupWrite = "group.write", true, "change groups";
    PolicyRead = "policy.read", true, "see policies";
    PolicyWrite = "policy.write", true, "change policies";
    RunRead = "run.read", false, "see runs";
    RunRequest = "run.request", false, "request runs";
    RunApprove = "run.approve", false, "approve and reject runs";
    RunCancel = "run.cancel", false, "cancel runs";
    RunProceed = "run.proceed", false, "let a run go on at its gate";
    EventRead = "event.read", false, "see events";
    EventReadAll = "event.read-all", true, "see events outside of namespaces";
    NodeRead = "node.read", true, "see nodes";
    NodeWrite = "node.write", true, "label and remove nodes";
    JoinTokenRead = "join-token.read", true, "see join tokens";
    JoinTokenWrite = "join-token.write", true, "make and revoke join tokens";
    UserRead = "user.read", true, "see users";
    UserWrite = "user.write", true, "create and change users";
    AccessRead = "access.read", false, "ask who may do what";
    RunBreakGlass = "run.break-glass", false, "start runs by break-glass, as far as the trust root lets them";
    TrustRead = "trust.read", true, "see the trust root";
    TrustWrite = "trust.write", true, "publish trust roots that enough holders signed";
    AuditRead = "audit.read", true, "read the audit log whole";
    BackupRead = "backup.read", true, "take a backup";
    ServerRead = "server.read", true, "see the servers";
}

impl Action {
    /// The action of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// What each built-in role may do, as Cedar. Roles are closed under inclusion before they get here.
const SHIPPED: &str = r#"
@id("role-viewer")
permit (principal, action in [
    Action::"namespace.read", Action::"template.read", Action::"run.read", Action::"event.read", Action::"node.read",
    Action::"rolebinding.read", Action::"group.read", Action::"access.read", Action::"server.read", Action::"trust.read"
], resource) when { context.roles.contains("viewer") };

@id("role-approver")
permit (principal, action in [Action::"run.approve", Action::"run.break-glass"], resource) when { context.roles.contains("approver") };

@id("role-requester")
permit (principal, action in [Action::"run.request", Action::"run.cancel", Action::"run.proceed", Action::"run.break-glass"], resource)
when { context.roles.contains("requester") };

@id("role-administrator")
permit (principal, action in [
    Action::"namespace.write", Action::"template.write", Action::"template.delete", Action::"node.write",
    Action::"join-token.read", Action::"join-token.write", Action::"user.read", Action::"policy.read", Action::"event.read-all",
    Action::"audit.read"
], resource) when { context.roles.contains("administrator") };

@id("role-owner")
permit (principal, action in [
    Action::"namespace.write", Action::"namespace.delete", Action::"template.delete", Action::"rolebinding.write", Action::"group.write",
    Action::"policy.read", Action::"policy.write", Action::"user.read", Action::"user.write", Action::"join-token.read",
    Action::"event.read-all", Action::"backup.read", Action::"trust.write", Action::"audit.read"
], resource) when { context.roles.contains("owner") };

@id("service-accounts-never-approve")
forbid (principal, action in [Action::"run.approve", Action::"run.break-glass"], resource) when { principal.serviceAccount };
"#;

/// The shipped policies.
pub fn shipped() -> Result<PolicySet> {
    let mut set = PolicySet::new();
    add_policies(&mut set, "synod", SHIPPED).map_err(|problems| Error::internal(format!("{problems:?}")))?;
    Ok(set)
}

/// Adds the policies of a text under names of their own, and tells whether one may ask for the time; what is wrong with them
/// comes with line and column.
pub fn add_policies(set: &mut PolicySet, name: &str, source: &str) -> Result<bool, Vec<Problem>> {
    let parsed: PolicySet = source.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors
            .iter()
            .map(|error| {
                let help = error.help().map(|help| help.to_string());
                let label = error.labels().and_then(|mut labels| labels.next());
                let mut problem = Problem::at("", error.to_string());
                if let Some(label) = label {
                    problem = place(problem, source, label.offset());
                    if let Some(text) = label.label() {
                        problem = problem.hint(text.to_owned());
                    }
                }
                match help {
                    Some(help) if problem.hint.is_none() => problem.hint(help),
                    _ => problem,
                }
            })
            .collect::<Vec<_>>()
    })?;
    let mut asks = false;
    for (n, policy) in parsed.policies().enumerate() {
        check_actions(policy, source)?;
        asks |= policy.to_json().map_or(true, |json| asks_for_time(&json));
        let id = match policy.annotation("id") {
            Some(id) => format!("{name}/{id}"),
            None => format!("{name}/{n}"),
        };
        set.add(policy.new_id(PolicyId::new(&id))).map_err(|e| vec![Problem::at("", e.to_string())])?;
    }
    Ok(asks)
}

/// Whether a policy, in Cedar's JSON form, may look at the time: at `now` of its context, or at the context as a whole.
fn asks_for_time(json: &serde_json::Value) -> bool {
    let Some(map) = json.as_object() else { return json.as_array().is_some_and(|all| all.iter().any(asks_for_time)) };
    let is_context = |value: &serde_json::Value| value["Var"] == "context";
    map.iter().any(|(name, value)| match name.as_str() {
        "." | "has" if is_context(&value["left"]) => value["attr"].as_str().is_none_or(|attribute| attribute == "now"),
        "Var" => value == "context",
        // A literal, whatever it looks like.
        "Value" => false,
        _ => asks_for_time(value),
    })
}

fn place(problem: Problem, source: &str, offset: usize) -> Problem {
    let before = source.get(..offset).unwrap_or(source);
    let line = u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX);
    let column = u32::try_from(before.rsplit('\n').next().unwrap_or_default().chars().count() + 1).unwrap_or(u32::MAX);
    problem.place(line, column)
}

/// A policy about an action there is not would silently never apply.
fn check_actions(policy: &Policy, source: &str) -> Result<(), Vec<Problem>> {
    let named: Vec<EntityUid> = match policy.action_constraint() {
        cedar_policy::ActionConstraint::Any => Vec::new(),
        cedar_policy::ActionConstraint::Eq(one) => vec![one],
        cedar_policy::ActionConstraint::In(many) => many,
    };
    let problems: Vec<Problem> = named
        .iter()
        .map(|uid| uid.id().unescaped().to_owned())
        .filter(|name| Action::parse(name).is_none())
        .map(|name| {
            let near = synod_domain::problem::nearest(&name, Action::ALL.iter().map(|a| a.name()));
            let problem = place(Problem::at("", format!("there is no action `{name}`")), source, source.find(&format!("\"{name}\"")).unwrap_or(0));
            match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("known are {}", Action::ALL.iter().map(|a| a.name()).collect::<Vec<_>>().join(", "))),
            }
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What an action is done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    kind: &'static str,
    id: String,
    namespace: Option<String>,
}

impl Resource {
    /// The installation as a whole.
    pub fn system() -> Self {
        Self { kind: "System", id: "synod".into(), namespace: None }
    }

    /// A namespace.
    pub fn namespace(name: &str) -> Self {
        Self { kind: "Namespace", id: name.to_owned(), namespace: Some(name.to_owned()) }
    }

    /// A template and the runs of it.
    pub fn template(namespace: &str, name: &str) -> Self {
        Self { kind: "Template", id: format!("{namespace}/{name}"), namespace: Some(namespace.to_owned()) }
    }

    /// In words, for refusals.
    pub fn words(&self) -> String {
        match (self.kind, &self.namespace) {
            ("Template", _) => format!("template {}", self.id),
            (_, Some(namespace)) => format!("namespace {namespace}"),
            _ => "this installation".to_owned(),
        }
    }
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind).ok()?, EntityId::new(id)))
}

/// What an answer depends on, besides the state of [`Access`] it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    user: String,
    action: Action,
    resource: Resource,
    roles: Vec<Role>,
    mfa: bool,
    /// Absent where no policy asks for the time.
    now: Option<Timestamp>,
}

/// Answers of one state of [`Access`], so that the same question is put to the policies once.
#[derive(Default)]
pub struct Answers(Mutex<HashMap<Question, (bool, Vec<String>)>>);

/// So many answers are kept; then they are forgotten all together.
const ANSWERS: usize = 20_000;

/// The answer of the policies, with the names of those that decided.
pub fn decide(access: &Access, user: &str, action: Action, resource: &Resource, mfa: Option<bool>, now: Timestamp) -> (bool, Vec<String>) {
    let roles: Vec<Role> = access.roles(user, resource.namespace.as_deref(), now).into_iter().collect();
    let mfa = mfa.unwrap_or(false);
    let question = Question { user: user.to_owned(), action, resource: resource.clone(), roles, mfa, now: access.asks_for_time.then_some(now) };
    let answers = || access.answers.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = answers().get(&question) {
        return known.clone();
    }
    let answer = ask(access, user, action, resource, &question.roles, mfa, now);
    let mut kept = answers();
    if kept.len() >= ANSWERS {
        kept.clear();
    }
    kept.insert(question, answer.clone());
    answer
}

fn ask(access: &Access, user: &str, action: Action, resource: &Resource, roles: &[Role], mfa: bool, now: Timestamp) -> (bool, Vec<String>) {
    let decided = (|| {
        let person = access.people.get(user).filter(|p| p.enabled)?;
        let groups = access.groups_of(user);
        let parents: HashSet<EntityUid> = groups.iter().filter_map(|g| uid("Group", g)).collect();
        let principal = uid("User", user)?;
        let target = uid(resource.kind, &resource.id)?;
        let user_entity = Entity::new(
            principal.clone(),
            HashMap::from([("serviceAccount".to_owned(), RestrictedExpression::new_bool(person.service_account))]),
            parents.clone(),
        )
        .ok()?;
        let mut entities = vec![user_entity];
        entities.extend(parents.into_iter().map(|group| Entity::new_no_attrs(group, HashSet::new())));
        let parent = resource.namespace.as_deref().filter(|_| resource.kind != "Namespace").and_then(|n| uid("Namespace", n));
        entities.push(Entity::new_no_attrs(target.clone(), parent.iter().cloned().collect()));
        entities.extend(parent.map(|p| Entity::new_no_attrs(p, HashSet::new())));
        let context = Context::from_json_value(
            serde_json::json!({
                "roles": roles.iter().map(|r: &Role| r.name()).collect::<Vec<_>>(),
                "groups": groups,
                "now": now.0,
                "mfa": mfa,
            }),
            None,
        )
        .ok()?;
        let request = Request::new(principal, uid("Action", action.name())?, target, context, None).ok()?;
        let entities = Entities::from_entities(entities, None).ok()?;
        let response = Authorizer::new().is_authorized(&request, &access.policies, &entities);
        // A policy that cannot be evaluated is skipped by Cedar; were it a `forbid`, skipping it would permit.
        let broken: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
            .collect();
        if !broken.is_empty() {
            return Some((false, broken));
        }
        let names = response.diagnostics().reason().map(ToString::to_string).collect();
        Some((response.decision() == Decision::Allow, names))
    })();
    decided.unwrap_or((false, Vec::new()))
}

/// Whether the policies allow it.
pub fn allowed(access: &Access, user: &str, action: Action, resource: &Resource, mfa: Option<bool>, now: Timestamp) -> bool {
    decide(access, user, action, resource, mfa, now).0
}

/// The built-in roles that would do.
pub fn roles_for(action: Action) -> Vec<&'static str> {
    let needle = format!("Action::\"{}\"", action.name());
    let mut roles: Vec<&'static str> = Role::ALL
        .into_iter()
        .filter(|role| {
            role.includes()
                .iter()
                .any(|included| SHIPPED.split("@id(").any(|policy| policy.starts_with(&format!("\"role-{included}\"")) && policy.contains(&needle)))
        })
        .map(Role::name)
        .collect();
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_policies_parse_and_name_real_actions() {
        shipped().unwrap();
        assert_eq!(roles_for(Action::RunApprove), ["approver", "requester", "administrator"]);
        assert_eq!(roles_for(Action::PolicyWrite), ["owner"]);
        for action in Action::ALL {
            assert!(!roles_for(*action).is_empty(), "no role may {}", action.words());
            assert_eq!(Action::parse(action.name()), Some(*action));
        }
    }

    #[test]
    fn the_guide_lists_every_action_with_its_roles() {
        let guide = include_str!("../../../docs/roles-and-policies.md");
        let columns = ["viewer", "approver", "requester", "administrator", "owner"];
        let mut listed = Vec::new();
        for row in guide.lines().filter(|line| line.starts_with("| `") && line.split('|').count() == columns.len() + 3) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let ticked: Vec<&str> = columns.iter().zip(&cells[2..]).filter(|(_, cell)| **cell == "✓").map(|(role, _)| *role).collect();
            for action in cells[1].split('`').skip(1).step_by(2) {
                let action = Action::parse(action).unwrap_or_else(|| panic!("the guide lists `{action}`, which is no action"));
                let mut roles = roles_for(action);
                roles.sort_by_key(|role| columns.iter().position(|column| column == role));
                assert_eq!(ticked, roles, "{}", action.name());
                listed.push(action);
            }
        }
        listed.sort();
        assert_eq!(listed, Action::ALL, "each action stands in the guide's table once");
    }

    #[test]
    fn defects_of_policies_have_a_place() {
        let mut set = PolicySet::new();
        let problems = add_policies(&mut set, "x", "permit (principal, action, resource)\nwhen { context.roles.contains( };").unwrap_err();
        assert_eq!(problems[0].line, Some(2), "{problems:?}");
        let problems = add_policies(&mut set, "x", "permit (principal, action == Action::\"run.aprove\", resource);").unwrap_err();
        assert!(problems[0].to_string().contains("run.approve"), "{problems:?}");
    }

    #[test]
    fn policies_that_ask_for_the_time_are_known() {
        let asks = |when: &str| add_policies(&mut shipped().unwrap(), "x", &format!("forbid (principal, action, resource) when {{ {when} }};")).unwrap();
        for when in [
            "context.now > 5",
            "context[\"n\\u{6f}w\"] > 5",
            "context has now",
            "if context has now then true else false",
            "context == {a: 1}",
            "[context].isEmpty()",
        ] {
            assert!(asks(when), "{when}");
        }
        for when in ["context.mfa", "principal has now", "resource.name == \"now\"", "context.roles.contains(\"now\")", "context has mfa && context.mfa"] {
            assert!(!asks(when), "{when}");
        }
    }
}
