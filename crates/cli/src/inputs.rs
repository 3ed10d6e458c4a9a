//! Inputs from the command line, typed by the template's schema.

use std::path::PathBuf;

use serde_json::{Map, Value};
use synod_domain::inputs::secrets;

use crate::exit::{Fault, Result};
use crate::output::note;

/// One `--input`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The input's name.
    pub name: String,
    /// What it is given.
    pub given: Given,
}

/// What an input is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// `k=v`: a text, read as the type the schema asks for.
    Text(String),
    /// `k:=JSON`
    Json(Value),
    /// `k=@FILE`
    File(PathBuf),
    /// `k=-`: asked for, when the input is a secret.
    Asked,
}

impl std::str::FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an input; write NAME=VALUE, NAME=@FILE or NAME:=JSON");
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, given) = match name.strip_suffix(':') {
            Some(name) => (name, Given::Json(serde_json::from_str(value).map_err(|e| format!("`{name}:=` takes JSON: {e}"))?)),
            None if value == "-" => (name, Given::Asked),
            None => (name, value.strip_prefix('@').map_or_else(|| Given::Text(value.to_owned()), |file| Given::File(file.into()))),
        };
        if name.is_empty() { Err(wrong()) } else { Ok(Self { name: name.to_owned(), given }) }
    }
}

/// Whether the schema is needed to understand these.
pub fn need_schema(all: &[Assignment]) -> bool {
    all.iter().any(|one| !matches!(one.given, Given::Json(_)))
}

/// Puts the inputs together; `ask` yields the secret that was left to be asked for.
pub fn build(schema: &Value, mut inputs: Map<String, Value>, all: &[Assignment], mut ask: impl FnMut(&str) -> Result<String>) -> Result<Map<String, Value>> {
    let secret = secrets(schema);
    let mut seen: Vec<&str> = Vec::new();
    for Assignment { name, given } in all {
        let is_secret = secret.contains(name);
        let property = resolve(schema, &schema["properties"][name]);
        let again = seen.contains(&name.as_str());
        seen.push(name);
        let value = match given {
            Given::Json(value) => value.clone(),
            Given::Asked if is_secret => Value::String(ask(name)?),
            Given::Asked => typed(schema, property, "-"),
            Given::Text(text) => {
                if is_secret {
                    note(&format!("warning: `{name}` is a secret and now stands in the shell's history; `--input {name}=-` asks for it"));
                }
                typed(schema, property, text)
            }
            Given::File(path) => {
                let text = if path.as_os_str() == "-" { crate::documents::read_stdin()? } else { crate::documents::read_file(path)? };
                // The last line break belongs to the file, hardly to the secret or the number.
                let is_text = is_type(property, "string") && !is_secret;
                typed(schema, property, if is_text { &text } else { text.strip_suffix('\n').unwrap_or(&text) })
            }
        };
        match (again.then(|| inputs.get_mut(name)).flatten(), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (Some(_), _) => return Err(Fault::usage(format!("the input `{name}` is given twice"))),
            (None, value) => {
                inputs.insert(name.clone(), value);
            }
        }
    }
    Ok(inputs)
}

fn resolve<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    property["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| root.pointer(pointer))
        .unwrap_or(property)
}

fn is_type(property: &Value, wanted: &str) -> bool {
    match &property["type"] {
        Value::String(kind) => kind == wanted,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

/// A text as the type the schema asks for. What does not fit stays text, and the server says what is wrong.
fn typed(schema: &Value, property: &Value, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    if let Some(options) = property["enum"].as_array() {
        let shown = |option: &Value| option.as_str().map_or_else(|| option.to_string(), str::to_owned);
        return options.iter().find(|option| shown(option) == text).cloned().unwrap_or_else(as_text);
    }
    let parsed = || serde_json::from_str::<Value>(text).ok();
    if is_type(property, "null") && text == "null" {
        return Value::Null;
    }
    if is_type(property, "integer")
        && let Ok(number) = text.parse::<i64>()
    {
        return number.into();
    }
    if is_type(property, "number")
        && let Some(number) = parsed().filter(Value::is_number)
    {
        return number;
    }
    if is_type(property, "boolean")
        && let Ok(flag) = text.parse::<bool>()
    {
        return flag.into();
    }
    if is_type(property, "object")
        && let Some(object) = parsed().filter(Value::is_object)
    {
        return object;
    }
    if is_type(property, "array") {
        let item = resolve(schema, &property["items"]);
        return parsed().filter(Value::is_array).unwrap_or_else(|| {
            if text.is_empty() { Value::Array(Vec::new()) } else { text.split(',').map(|part| typed(schema, item, part.trim())).collect() }
        });
    }
    as_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "$defs": {"port": {"type": "integer"}}, "properties": {
            "service": {"type": "string"}, "grace": {"type": "integer"}, "share": {"type": "number"}, "force": {"type": "boolean"},
            "hosts": {"type": "array", "items": {"type": "string"}}, "ports": {"type": "array", "items": {"$ref": "#/$defs/port"}},
            "level": {"enum": [1, "high"]}, "extra": {"type": "object"}, "maybe": {"type": ["integer", "null"]},
            "token": {"type": "string", "writeOnly": true}, "port": {"$ref": "#/$defs/port"}
        }})
    }

    fn read(lines: &[&str]) -> Result<Value> {
        let all: Vec<Assignment> = lines.iter().map(|line| line.parse().unwrap()).collect();
        build(&schema(), Map::new(), &all, |name| Ok(format!("asked {name}"))).map(Value::Object)
    }

    #[test]
    fn values_take_the_type_of_the_schema() {
        let inputs = read(&[
            "service=5",
            "grace=5",
            "share=0.5",
            "force=true",
            "hosts=a,b",
            "ports=1",
            "ports=2",
            "level=1",
            "extra={\"a\":1}",
            "maybe=null",
            "port=80",
            "token=-",
            "other:=[1]",
        ]);
        assert_eq!(
            inputs.unwrap(),
            json!({"service": "5", "grace": 5, "share": 0.5, "force": true, "hosts": ["a", "b"], "ports": [1, 2], "level": 1, "extra": {"a": 1}, "maybe": null, "port": 80, "token": "asked token", "other": [1]})
        );
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_server() {
        assert_eq!(
            read(&["grace=abc", "unknown=1", "service=a=b", "service2=-"]).unwrap(),
            json!({"grace": "abc", "unknown": "1", "service": "a=b", "service2": "-"})
        );
    }

    #[test]
    fn files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "7\n").unwrap();
        let file = file.display();
        assert_eq!(
            read(&[&format!("grace=@{file}"), &format!("token=@{file}"), &format!("service=@{file}")]).unwrap(),
            json!({"grace": 7, "token": "7", "service": "7\n"})
        );
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in ["service", "=x", "a:={", ":=1"] {
            assert!(wrong.parse::<Assignment>().is_err(), "{wrong}");
        }
        assert_eq!(read(&["grace=1", "grace=2"]).unwrap_err().exit(), Exit::Usage);
    }
}
