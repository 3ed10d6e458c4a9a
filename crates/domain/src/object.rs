//! Declared things: one shape for all kinds, checked whole before anything is stored.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::access::{GroupSpec, NamespaceSpec, PolicySpec, RoleBindingSpec};
use crate::error::{Error, Result, code};
use crate::problem::{Problem, nearest};
use crate::template::TemplateSpec;
use crate::time::Timestamp;
use crate::{canonical, inputs};

/// The version declared things carry.
pub const API_VERSION: &str = "synod/v1";

/// The kinds of declared things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Kind {
    /// A tenancy boundary.
    Namespace,
    /// Named people.
    Group,
    /// A role for users and groups.
    RoleBinding,
    /// Extra Cedar policies.
    Policy,
    /// Something that may be requested.
    Template,
}

impl Kind {
    /// Every kind, in the order in which a set of them can be applied.
    pub const ALL: [Self; 5] = [Self::Namespace, Self::Group, Self::RoleBinding, Self::Policy, Self::Template];

    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Group => "Group",
            Self::RoleBinding => "RoleBinding",
            Self::Policy => "Policy",
            Self::Template => "Template",
        }
    }

    /// The name in paths and on the command line.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Group => "groups",
            Self::RoleBinding => "rolebindings",
            Self::Policy => "policies",
            Self::Template => "templates",
        }
    }

    /// Whether one must, may or must not say a namespace.
    pub fn scope(self) -> KindScope {
        match self {
            Self::Template => KindScope::Namespaced,
            Self::RoleBinding => KindScope::Either,
            Self::Namespace | Self::Group | Self::Policy => KindScope::Global,
        }
    }

    /// Whether it decides who may do what, so that changing it needs a fresh second factor.
    pub fn is_access(self) -> bool {
        matches!(self, Self::Group | Self::RoleBinding | Self::Policy)
    }
}

/// Where things of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindScope {
    /// Outside of all namespaces.
    Global,
    /// In a namespace.
    Namespaced,
    /// In a namespace or outside.
    Either,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    /// Reads singular, plural and any case.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let lower = text.to_lowercase();
        Self::ALL.into_iter().find(|kind| lower == kind.name().to_lowercase() || lower == kind.plural()).ok_or_else(|| {
            let near = nearest(text, Self::ALL.map(Self::name)).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            format!("there is no kind `{text}`{near}")
        })
    }
}

/// A declared thing as people write and read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Always `synod/v1`.
    pub api_version: String,
    /// What it is.
    pub kind: Kind,
    /// Where it stands and how it is called.
    pub metadata: Metadata,
    /// What it says.
    #[schema(value_type = Object)]
    pub spec: Value,
}

/// Name, place and history of a declared thing. What the server fills in is ignored when applied.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The namespace, for kinds that live in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// Labels for finding it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The revision, from 1; filled in by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Who wrote this revision; filled in by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When; filled in by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// The typed content of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// Of a [`Kind::Namespace`].
    Namespace(NamespaceSpec),
    /// Of a [`Kind::Group`].
    Group(GroupSpec),
    /// Of a [`Kind::RoleBinding`].
    RoleBinding(RoleBindingSpec),
    /// Of a [`Kind::Policy`].
    Policy(PolicySpec),
    /// Of a [`Kind::Template`].
    Template(Box<TemplateSpec>),
}

/// A checked document: its typed content and its normal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// The namespace it lives in.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Labels for finding it.
    pub labels: BTreeMap<String, String>,
    /// The typed content.
    pub spec: Spec,
    /// The content with defaults filled in, as it is stored.
    pub normal: Value,
}

impl Object {
    /// SHA-256 of the canonical content.
    pub fn digest(&self) -> Result<String> {
        Ok(canonical::digest(&canonical::canonical(&json!({"labels": self.labels, "spec": self.normal}))?))
    }

    /// `Template shop/restart-service`.
    pub fn title(&self) -> String {
        title(self.kind, self.namespace.as_deref(), &self.name)
    }
}

/// `Template shop/restart-service`, as messages call a declared thing.
pub fn title(kind: Kind, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Checks a name: lower-case letters, digits and `-`, at most 63 characters.
pub fn check_name(name: &str) -> std::result::Result<(), String> {
    let fine = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    fine.then_some(()).ok_or_else(|| format!("`{name}` is not a name; use lower-case letters, digits and `-`, at most 63"))
}

/// Reads and checks a document whole; every defect is told with its place.
pub fn read(value: &Value) -> Result<Object> {
    let refuse = |problems: Vec<Problem>| Error::problems(code::INVALID_DOCUMENT, problems);
    if value.get("kind").is_none() || value.get("apiVersion").is_none() {
        return Err(refuse(vec![Problem::at("", "a document says `apiVersion` and `kind`").hint("begin with `apiVersion: synod/v1` and `kind: Template`")]));
    }
    if value["apiVersion"] != API_VERSION {
        return Err(refuse(vec![Problem::at("/apiVersion", format!("{} is not a version of ours", value["apiVersion"])).hint("write `synod/v1`")]));
    }
    let kind = value["kind"].as_str().unwrap_or_default();
    let kind = Kind::ALL.into_iter().find(|k| k.name() == kind).ok_or_else(|| {
        let near = nearest(kind, Kind::ALL.map(Kind::name)).map_or_else(|| Kind::ALL.map(Kind::name).join(", "), |n| format!("did you mean `{n}`?"));
        refuse(vec![Problem::at("/kind", format!("there is no kind `{kind}`")).hint(near)])
    })?;
    let mut problems: Vec<Problem> = validator(kind).iter_errors(value).map(|error| with_nearest(kind, inputs::explain(&error, false))).collect();
    if problems.is_empty() {
        canonical::check_numbers(value, "", &mut problems);
    }
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    let document: Document = serde_json::from_value(value.clone()).map_err(|e| refuse(vec![Problem::at("", e.to_string())]))?;
    let (spec, normal) = typed(kind, document.spec).map_err(|problem| refuse(vec![problem]))?;
    problems.extend(check_metadata(kind, &document.metadata));
    problems.extend(match &spec {
        Spec::Template(template) => template.check(),
        Spec::RoleBinding(binding) => binding.check(),
        Spec::Namespace(_) | Spec::Group(_) | Spec::Policy(_) => Vec::new(),
    });
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    let Metadata { namespace, name, labels, .. } = document.metadata;
    Ok(Object { kind, namespace, name, labels, spec, normal })
}

/// Reads the stored content of a kind.
pub fn typed(kind: Kind, spec: Value) -> std::result::Result<(Spec, Value), Problem> {
    fn parse<T: serde::de::DeserializeOwned + Serialize>(spec: &Value) -> std::result::Result<(T, Value), Problem> {
        let found = |e: serde_json::Error| locate_serde::<T>(spec, &e);
        let typed: T = T::deserialize(spec).map_err(found)?;
        let normal = serde_json::to_value(&typed).map_err(|e| Problem::at("/spec", e.to_string()))?;
        Ok((typed, normal))
    }
    Ok(match kind {
        Kind::Namespace => parse(&spec).map(|(s, n)| (Spec::Namespace(s), n))?,
        Kind::Group => parse(&spec).map(|(s, n)| (Spec::Group(s), n))?,
        Kind::RoleBinding => parse(&spec).map(|(s, n)| (Spec::RoleBinding(s), n))?,
        Kind::Policy => parse(&spec).map(|(s, n)| (Spec::Policy(s), n))?,
        Kind::Template => parse(&spec).map(|(s, n)| (Spec::Template(Box::new(s)), n))?,
    })
}

/// Finds the place of a value that has the right shape but cannot be read, such as a selector: serde
/// does not say where, so each text of the document is blanked in turn until the complaint goes away.
fn locate_serde<T: serde::de::DeserializeOwned>(spec: &Value, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let mut pointers = Vec::new();
    texts(spec, String::new(), &mut pointers);
    for pointer in pointers {
        let mut probe = spec.clone();
        let replacements = [json!(""), json!("1s"), json!("1%")];
        for replacement in replacements {
            if let Some(at) = probe.pointer_mut(&pointer) {
                *at = replacement;
            }
            let gone = T::deserialize(&probe).map_or_else(|e| e.to_string() != message, |_| true);
            if gone {
                return Problem::at(format!("/spec{pointer}"), message);
            }
        }
    }
    Problem::at("/spec", message)
}

fn texts(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(k, v)| texts(v, format!("{pointer}{}", crate::problem::segment(k)), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, v)| texts(v, format!("{pointer}/{n}"), found)),
        Value::String(_) => found.push(pointer),
        _ => {}
    }
}

fn check_metadata(kind: Kind, metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Err(message) = check_name(&metadata.name) {
        problems.push(Problem::at("/metadata/name", message));
    }
    for (key, value) in &metadata.labels {
        if let Err(message) = crate::selector::check_key(key).and_then(|()| crate::selector::check_value(value)) {
            problems.push(Problem::at(format!("/metadata/labels{}", crate::problem::segment(key)), message));
        }
    }
    match (&metadata.namespace, kind.scope()) {
        (None, KindScope::Namespaced) => {
            problems.push(Problem::at("/metadata", format!("a {kind} lives in a namespace")).hint("add `namespace:`, or pass `-n NAMESPACE`"))
        }
        (Some(_), KindScope::Global) => {
            problems.push(Problem::at("/metadata/namespace", format!("a {kind} lives in no namespace")).hint("leave `namespace` out"))
        }
        (Some(namespace), _) => {
            if let Err(message) = check_name(namespace) {
                problems.push(Problem::at("/metadata/namespace", message));
            }
        }
        (None, _) => {}
    }
    problems
}

/// The JSON Schema of documents of a kind, for validation and for editors.
pub fn schema(kind: Kind) -> Value {
    fn collect<T: utoipa::ToSchema>(name: &str) -> Value {
        let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
        <T as utoipa::ToSchema>::schemas(&mut all);
        Metadata::schemas(&mut all);
        all.push(("Metadata".into(), <Metadata as utoipa::PartialSchema>::schema()));
        all.push((name.into(), <T as utoipa::PartialSchema>::schema()));
        let schemas: BTreeMap<String, RefOr<Schema>> = all.into_iter().collect();
        json!(schemas)
    }
    use utoipa::ToSchema as _;
    let schemas = match kind {
        Kind::Namespace => collect::<NamespaceSpec>("Spec"),
        Kind::Group => collect::<GroupSpec>("Spec"),
        Kind::RoleBinding => collect::<RoleBindingSpec>("Spec"),
        Kind::Policy => collect::<PolicySpec>("Spec"),
        Kind::Template => collect::<TemplateSpec>("Spec"),
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.name(), "type": "object", "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": API_VERSION}, "kind": {"const": kind.name()},
            "metadata": {"$ref": "#/components/schemas/Metadata"}, "spec": {"$ref": "#/components/schemas/Spec"}
        },
        "components": {"schemas": schemas}
    })
}

fn validator(kind: Kind) -> &'static jsonschema::Validator {
    static ALL: OnceLock<BTreeMap<Kind, jsonschema::Validator>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let build = |kind| jsonschema::draft202012::options().build(&schema(kind)).expect("the schema of our own types compiles; a test builds each");
        Kind::ALL.into_iter().map(|kind| (kind, build(kind))).collect()
    });
    &all[&kind]
}

/// Adds the nearest known field to a complaint about an unknown one.
fn with_nearest(kind: Kind, problem: Problem) -> Problem {
    let Some((parent, name)) = problem.pointer.rsplit_once('/') else { return problem };
    if !problem.message.starts_with("there is no field") || problem.hint.is_some() {
        return problem;
    }
    let schema = schema(kind);
    let mut at = &schema;
    for part in parent.split('/').skip(1) {
        let resolved = resolve(&schema, at);
        let next = &resolved["properties"][part];
        at = if next.is_null() { &resolved["items"] } else { next };
    }
    let known: Vec<String> = resolve(&schema, at)["properties"].as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    if known.is_empty() { problem } else { problem.hint(hint) }
}

fn resolve<'a>(root: &'a Value, at: &'a Value) -> &'a Value {
    let reference = at["$ref"]
        .as_str()
        .or_else(|| at["oneOf"].as_array().or(at["allOf"].as_array()).into_iter().flatten().find_map(|branch| branch["$ref"].as_str()));
    match reference.and_then(|r| r.strip_prefix('#')).and_then(|pointer| root.pointer(pointer)) {
        Some(target) => target,
        None => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(spec: Value) -> Value {
        json!({"apiVersion": "synod/v1", "kind": "Template", "metadata": {"namespace": "shop", "name": "restart"}, "spec": spec})
    }

    fn sound() -> Value {
        json!({"title": "Restart", "approval": {"rules": []}, "steps": [{"name": "a", "run": "true"}]})
    }

    #[test]
    fn defaults_are_filled_into_the_normal_form() {
        let object = read(&template(sound())).unwrap();
        assert_eq!(object.normal["enabled"], true);
        assert_eq!(object.normal["approval"]["expiresAfter"], "1d");
        let again = read(&template(object.normal.clone())).unwrap();
        assert_eq!(again.digest().unwrap(), object.digest().unwrap());
    }

    #[test]
    fn each_kind_has_a_schema_that_takes_its_own_normal_form() {
        for (kind, spec) in [
            (Kind::Namespace, json!({"nodes": "env=prod"})),
            (Kind::Group, json!({"members": ["alice"]})),
            (Kind::RoleBinding, json!({"role": "approver", "subjects": [{"user": "bob"}, {"group": "oncall"}], "expires": "2027-01-01T00:00:00Z"})),
            (Kind::Policy, json!({"cedar": "forbid(principal, action, resource);"})),
        ] {
            let document = json!({"apiVersion": "synod/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
            let object = read(&document).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert!(typed(kind, object.normal).is_ok());
        }
    }

    #[test]
    fn refusals_name_place_and_remedy() {
        let change = |pointer: &str, value: Value| {
            let mut document = template(sound());
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[name] = value;
            read(&document).unwrap_err()
        };
        for (pointer, value, place, words) in [
            ("/spec/titel", json!("x"), "/spec/titel", "did you mean `title`"),
            ("/spec/enabled", json!("yes"), "/spec/enabled", "boolean"),
            ("/spec/timeout", json!("5 weeks"), "/spec/timeout", ""),
            ("/spec/targets", json!({"selector": "role=web,,"}), "/spec/targets/selector", "column 10"),
            ("/spec/targets", json!({"selecter": "a"}), "/spec/targets/selecter", "did you mean `selector`"),
            ("/spec/strategy", json!({"type": "rollin"}), "/spec/strategy/type", "did you mean `rolling`"),
            ("/spec/approval", json!({"rules": [{"count": 1, "from": {"role": "aprover"}}]}), "/spec/approval/rules/0/from/role", "approver"),
            ("/spec/steps", json!([{"name": "a", "runn": "x"}]), "/spec/steps/0/runn", "did you mean `run`"),
            ("/metadata/name", json!("Bad Name"), "/metadata/name", "lower-case"),
            ("/metadata/namespace", json!(null), "/metadata", "namespace"),
            ("/kind", json!("Templat"), "/kind", "did you mean `Template`"),
            ("/apiVersion", json!("v2"), "/apiVersion", "synod/v1"),
        ] {
            let error = change(pointer, value);
            let found = error.details();
            assert!(found.iter().any(|p| p.pointer == place && p.to_string().contains(words)), "{pointer}: wanted {place} {words}, got {found:?}");
        }
    }
}
