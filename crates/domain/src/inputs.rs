//! The typed inputs of a template: JSON Schema 2020-12, checked when declared and when given.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Map, Value, json};

use crate::canonical::check_numbers;
use crate::problem::{Problem, nearest, segment};

/// The schema of a template without inputs.
pub fn none() -> Value {
    json!({"type": "object", "additionalProperties": false})
}

/// The largest inputs of one request, in bytes of JSON.
pub const MAX_BYTES: usize = 256 * 1024;

/// Compiles a schema of inputs, or tells everything that is wrong with it.
pub fn compile(schema: &Value) -> Result<jsonschema::Validator, Vec<Problem>> {
    let mut problems = Vec::new();
    if let Ok(meta) = std::panic::catch_unwind(jsonschema::draft202012::meta::validator) {
        problems.extend(meta.iter_errors(schema).map(|error| explain(&error, false)));
    }
    if schema.get("type") != Some(&json!("object")) && problems.is_empty() {
        problems.push(Problem::at("/type", "inputs are an object").hint("write `type: object`"));
    }
    for secret in secrets(schema) {
        let kind = &schema["properties"][&secret]["type"];
        if kind != "string" && problems.is_empty() {
            problems
                .push(Problem::at(format!("/properties{}/type", segment(&secret)), "a secret (`writeOnly: true`) is a string").hint("write `type: string`"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(1 << 20))
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| vec![explain(&error, false)])
}

/// The input names a schema lists, when it allows no others.
pub fn names(schema: &Value) -> Option<BTreeSet<String>> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    closed.then(|| properties.map(|p| p.keys().cloned().collect()).unwrap_or_default())
}

/// The names of the secret inputs: top-level properties with `writeOnly: true`.
pub fn secrets(schema: &Value) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.get("writeOnly") == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Inputs that fit their template: defaults filled in, secrets taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// What goes into the manifest.
    pub plain: Map<String, Value>,
    /// What is sealed to the nodes and never stored in the clear.
    pub secrets: BTreeMap<String, String>,
}

/// A schema ready to be used many times; compiling one takes far longer than checking inputs against it.
#[derive(Debug)]
pub struct Schema {
    schema: Value,
    validator: jsonschema::Validator,
}

impl Schema {
    /// Compiles a schema, or tells everything that is wrong with it.
    pub fn new(schema: Value) -> Result<Self, Vec<Problem>> {
        Ok(Self { validator: compile(&schema)?, schema })
    }

    /// Checks inputs and completes them with the defaults of absent top-level properties.
    pub fn accept(&self, given: Value) -> Result<Accepted, Vec<Problem>> {
        accept(&self.schema, &self.validator, given)
    }
}

fn accept(schema: &Value, validator: &jsonschema::Validator, given: Value) -> Result<Accepted, Vec<Problem>> {
    let Value::Object(mut inputs) = given else {
        return Err(vec![Problem::at("", "inputs are an object")]);
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(default) = property.get("default")
            && !inputs.contains_key(name)
        {
            inputs.insert(name.clone(), default.clone());
        }
    }
    let mut problems = Vec::new();
    let whole = Value::Object(inputs);
    check_numbers(&whole, "", &mut problems);
    let size = whole.to_string().len();
    if size > MAX_BYTES {
        problems.push(Problem::at("", format!("the inputs are {size} bytes long, at most {MAX_BYTES} are taken")));
    }
    let secret_names = secrets(schema);
    let given_secret = secret_names.iter().any(|name| whole.get(name).is_some());
    problems.extend(validator.iter_errors(&whole).map(|error| {
        let pointer = error.instance_path().as_str().to_owned();
        // What is wrong with the inputs as a whole (`anyOf`, `not`, `minProperties`) would be told with all of them.
        let secret = secret_names.iter().any(|name| pointer.starts_with(&segment(name))) || pointer.is_empty() && given_secret;
        let problem = explain(&error, secret);
        let unknown = matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. });
        match names(schema).filter(|_| unknown) {
            Some(known) => with_known(problem, &known),
            None => problem,
        }
    }));
    if !problems.is_empty() {
        return Err(problems);
    }
    let Value::Object(mut plain) = whole else { return Err(vec![Problem::at("", "inputs are an object")]) };
    let mut taken = BTreeMap::new();
    for name in secret_names {
        if let Some(Value::String(secret)) = plain.remove(&name) {
            taken.insert(name, secret);
        }
    }
    Ok(Accepted { plain, secrets: taken })
}

fn with_known(problem: Problem, known: &BTreeSet<String>) -> Problem {
    let name = problem.pointer.rsplit('/').next().unwrap_or_default().to_owned();
    match nearest(&name, known.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => problem.hint("the template takes no inputs"),
        None => problem.hint(format!("known are {}", known.iter().cloned().collect::<Vec<_>>().join(", "))),
    }
}

/// A schema error in words, without the offending value when it is secret.
pub fn explain(error: &jsonschema::ValidationError<'_>, secret: bool) -> Problem {
    let pointer = error.instance_path().as_str().to_owned();
    let text = if secret { error.masked().to_string() } else { error.to_string() };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let name = unexpected.first().cloned().unwrap_or_default();
            Problem::at(format!("{pointer}{}", segment(&name)), format!("there is no field `{name}`"))
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            Problem::at(pointer, format!("the field `{name}` is missing"))
        }
        ValidationErrorKind::Enum { options } => {
            let known: Vec<String> = options.as_array().into_iter().flatten().map(ToString::to_string).collect();
            let near = error.instance().as_str().filter(|_| !secret).and_then(|given| {
                let names: Vec<&str> = options.as_array()?.iter().filter_map(Value::as_str).collect();
                nearest(given, names).map(str::to_owned)
            });
            let hint = near.map_or_else(|| format!("one of {}", known.join(", ")), |n| format!("did you mean `{n}`? one of {}", known.join(", ")));
            Problem::at(pointer, text).hint(hint)
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            // Of an optional value, "or null" is no form anybody meant.
            let is_null = |branch: &&Vec<jsonschema::ValidationError<'static>>| matches!(branch.as_slice(), [one] if matches!(one.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(t) } if t.to_string() == "null"));
            let meant: Vec<_> = context.iter().filter(|branch| !is_null(branch)).collect();
            if let [only] = meant.as_slice()
                && let Some(first) = only.first()
            {
                return explain(first, secret);
            }
            // The branch that got furthest into the document is the one that was meant.
            let deepest = context.iter().flatten().max_by_key(|inner| inner.instance_path().as_str().len());
            match deepest.filter(|inner| inner.instance_path().as_str().len() > pointer.len()) {
                Some(inner) => explain(inner, secret),
                None => {
                    let branches: BTreeSet<String> = context.iter().flatten().map(|inner| explain(inner, secret).message).collect();
                    Problem::at(pointer, format!("fits none of the forms it may take: {}", branches.into_iter().collect::<Vec<_>>().join("; or ")))
                }
            }
        }
        _ => Problem::at(pointer, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["service"], "additionalProperties": false,
            "properties": {
                "service": {"type": "string", "enum": ["web", "worker"]},
                "grace_s": {"type": "integer", "minimum": 0, "maximum": 60, "default": 5},
                "token": {"type": "string", "minLength": 8, "writeOnly": true}
            }
        })
    }

    #[test]
    fn defaults_are_filled_in_and_secrets_taken_apart() {
        let accepted = Schema::new(schema()).unwrap().accept(json!({"service": "web", "token": "correct horse"})).unwrap();
        assert_eq!(Value::Object(accepted.plain), json!({"service": "web", "grace_s": 5}));
        assert_eq!(accepted.secrets["token"], "correct horse");
    }

    #[test]
    fn refusals_name_the_place_and_never_a_secret() {
        for (given, pointer, word) in [
            (json!({}), "", "service"),
            (json!({"service": "webb"}), "/service", "did you mean `web`"),
            (json!({"service": "web", "grace_s": 61}), "/grace_s", "60"),
            (json!({"service": "web", "grace_s": "5"}), "/grace_s", "integer"),
            (json!({"service": "web", "grase_s": 5}), "/grase_s", "did you mean `grace_s`"),
            (json!([]), "", "object"),
        ] {
            let problems = Schema::new(schema()).unwrap().accept(given.clone()).unwrap_err();
            assert_eq!(problems[0].pointer, pointer, "{given}");
            assert!(problems[0].to_string().contains(word), "{given}: {}", problems[0]);
        }
        let problems = Schema::new(schema()).unwrap().accept(json!({"service": "web", "token": "hunter2"})).unwrap_err();
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[test]
    fn a_complaint_about_all_inputs_shows_no_secret() {
        let token = json!({"type": "string", "writeOnly": true});
        let short = json!({"properties": {"token": {"maxLength": 3}}});
        let other = json!({"properties": {"token": {"pattern": "^x"}}});
        for (keyword, value) in [
            ("anyOf", json!([short, other])),
            ("oneOf", json!([short, other])),
            ("anyOf", json!([short])),
            ("not", json!({"properties": {"token": {"minLength": 3}}})),
            ("minProperties", json!(2)),
            ("allOf", json!([{"anyOf": [short, other]}])),
            ("if", json!(true)),
            ("enum", json!([{"token": "x"}])),
            ("const", json!({"token": "x"})),
            ("dependentSchemas", json!({"token": {"anyOf": [short, other]}})),
        ] {
            let mut schema = json!({"type": "object", "properties": {"token": token}, keyword: value});
            if keyword == "if" {
                schema["then"] = json!({"not": {"required": ["token"]}});
            }
            let problems = Schema::new(schema).unwrap().accept(json!({"token": "hunter2"})).unwrap_err();
            assert!(!format!("{problems:?}").contains("hunter2"), "{keyword}: {problems:?}");
        }
    }

    #[test]
    fn unsound_schemas_are_refused() {
        for bad in [
            json!({"type": "array"}),
            json!({"type": "object", "properties": 5}),
            json!({"type": "object", "properties": {"a": {"pattern": "("}}}),
            json!({"type": "object", "properties": {"s": {"type": "integer", "writeOnly": true}}}),
            json!({"type": "object", "$ref": "https://example.com/schema"}),
        ] {
            assert!(compile(&bad).is_err(), "{bad}");
        }
        assert!(compile(&schema()).is_ok());
    }
}
