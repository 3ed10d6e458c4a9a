//! Files of declared things: read from files, folders and the standard input, and complaints about them
//! translated back to file, line and column.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use synod_domain::Problem;
use synod_domain::object::{Kind, KindScope};
use synod_protocol::http::client::ClientError;
use synod_protocol::http::problem::ProblemDocument;

use crate::exit::{Exit, Fault, Result};
use crate::positions::{Parsed, Positions, excerpt, parse_json, parse_yaml};

/// The largest file read.
const MAX_BYTES: u64 = 16 << 20;

/// Documents with the files they came from.
#[derive(Debug, Default)]
pub struct Documents {
    sources: Vec<Source>,
    /// The documents, in order.
    pub all: Vec<Found>,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
}

/// One document and where it stands.
#[derive(Debug)]
pub struct Found {
    /// What it says.
    pub value: Value,
    positions: Positions,
    /// Where it stands within its text, when that is a list.
    prefix: String,
    source: usize,
}

/// Reads files, folders (their `.yaml`, `.yml` and `.json` files, in order of name) and `-`.
pub fn load(paths: &[PathBuf]) -> Result<Documents> {
    let mut documents = Documents::default();
    for path in paths {
        if path.as_os_str() == "-" {
            documents.add("(standard input)", read_stdin()?, None)?;
        } else {
            let mut files = Vec::new();
            collect(path, true, &mut files)?;
            if files.is_empty() {
                return Err(Fault::usage(format!("{} has no .yaml, .yml or .json file", path.display())));
            }
            for file in files {
                let text = read_file(&file)?;
                documents.add(&file.display().to_string(), text, file.extension().and_then(|e| e.to_str()))?;
            }
        }
    }
    if documents.all.is_empty() {
        let names: Vec<&str> = documents.sources.iter().map(|source| source.name.as_str()).collect();
        return Err(Fault::usage(format!("there is no document in {}", names.join(", "))));
    }
    Ok(documents)
}

/// Reads a text file of bounded size.
pub fn read_file(path: &Path) -> Result<String> {
    let failed = |e: std::io::Error| Fault::file("read", path, &e);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let taken = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    bounded(taken, &path.display().to_string())?;
    Ok(text)
}

/// Reads the standard input, of bounded size.
pub fn read_stdin() -> Result<String> {
    let mut text = String::new();
    let taken = std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text);
    let taken = taken.map_err(|e| Fault::usage(format!("cannot read the standard input: {e}")))?;
    bounded(taken, "the standard input")?;
    Ok(text)
}

fn bounded(bytes: usize, name: &str) -> Result<()> {
    if bytes as u64 > MAX_BYTES { Err(Fault::usage(format!("{name} is larger than {} MiB", MAX_BYTES >> 20))) } else { Ok(()) }
}

fn collect(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e: std::io::Error| Fault::file("read", path, &e);
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        let known = path.extension().and_then(|e| e.to_str()).is_some_and(|e| matches!(e, "yaml" | "yml" | "json"));
        if named || known {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(failed)?;
    let mut entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    entries.retain(|entry| entry.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, false, files))
}

impl Documents {
    /// Adds the documents of a text.
    pub fn add(&mut self, name: &str, text: String, extension: Option<&str>) -> Result<()> {
        let looks_like_json = extension.is_none() && text.trim_start().starts_with(['{', '[']);
        let parsed = match extension {
            Some("json") => vec![parse_json(name, &text)?],
            _ if looks_like_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => vec![parse_json(name, &text)?],
            _ => parse_yaml(name, &text)?,
        };
        let source = self.sources.len();
        for document in parsed {
            self.expand(document, source);
        }
        self.sources.push(Source { name: name.to_owned(), text });
        Ok(())
    }

    /// A list, as `get -o json` writes it, counts as its items.
    fn expand(&mut self, parsed: Parsed, source: usize) {
        let Parsed { value, positions } = parsed;
        let (items, prefix) = match value {
            Value::Array(items) => (items, ""),
            Value::Object(mut map) if !map.contains_key("kind") && map.get("items").is_some_and(Value::is_array) => match map.remove("items") {
                Some(Value::Array(items)) => (items, "/items"),
                _ => return,
            },
            value => return self.all.push(Found { value, positions, prefix: String::new(), source }),
        };
        for (n, value) in items.into_iter().enumerate() {
            self.all.push(Found { value, positions: positions.clone(), prefix: format!("{prefix}/{n}"), source });
        }
    }

    /// Gives documents of kinds that may live in a namespace this one, when they name none.
    pub fn default_namespace(&mut self, namespace: &str) {
        for found in &mut self.all {
            let kind = found.value["kind"].as_str().and_then(|kind| kind.parse::<Kind>().ok());
            if kind.is_none_or(|kind| kind.scope() == KindScope::Global) {
                continue;
            }
            if let Some(metadata) = found.value.get_mut("metadata").and_then(Value::as_object_mut)
                && metadata.get("namespace").is_none_or(Value::is_null)
            {
                let rest = std::mem::take(metadata);
                *metadata = Map::from_iter([("namespace".to_owned(), json!(namespace))]);
                metadata.extend(rest.into_iter().filter(|(name, _)| name != "namespace"));
            }
        }
    }

    /// What is sent.
    pub fn values(&self) -> Vec<Value> {
        self.all.iter().map(|found| found.value.clone()).collect()
    }

    /// Kind, namespace and name of each document.
    pub fn names(&self) -> Result<Vec<(Kind, Option<String>, String)>> {
        self.all
            .iter()
            .map(|found| {
                let wrong = |pointer: &str, message: String| Fault::new(Exit::Usage, self.describe(found, &Problem::at(pointer, message)));
                let kind = found.value["kind"].as_str().ok_or_else(|| wrong("", "a document says its `kind`".into()))?;
                let kind = kind.parse::<Kind>().map_err(|e| wrong("/kind", e))?;
                let name = found.value["metadata"]["name"].as_str().ok_or_else(|| wrong("/metadata", "a document says its `name`".into()))?;
                Ok((kind, found.value["metadata"]["namespace"].as_str().map(str::to_owned), name.to_owned()))
            })
            .collect()
    }

    fn describe(&self, found: &Found, problem: &Problem) -> String {
        let source = &self.sources[found.source];
        let problem = problem.clone().under(&found.prefix);
        let place = found.positions.locate(&source.text, &problem);
        let hint = problem.hint.as_ref().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
        format!("{}:{}:{}: {}{}{hint}", source.name, place.line, place.column, problem.message, excerpt(&source.text, place))
    }

    /// Translates the places of a refusal to those of the files.
    pub fn locate(&self, error: ClientError) -> Fault {
        match error {
            ClientError::Problem(problem) if !problem.problems.is_empty() => {
                let places = problem.problems.iter().map(|p| self.place(p)).collect();
                Fault::Located { problem, places }
            }
            other => Fault::Client(other),
        }
    }

    fn place(&self, problem: &Problem) -> String {
        match split_index(&problem.pointer).and_then(|(n, rest)| Some((self.all.get(n)?, rest))) {
            Some((found, rest)) => self.describe(found, &Problem { pointer: rest.to_owned(), ..problem.clone() }),
            None if self.all.len() == 1 => self.describe(&self.all[0], problem),
            None => problem.to_string(),
        }
    }
}

/// `/documents/3/spec/title` as 3 and `/spec/title`.
fn split_index(pointer: &str) -> Option<(usize, &str)> {
    let rest = pointer.strip_prefix("/documents/")?;
    let (index, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Some((index.parse().ok()?, rest))
}

/// Shows problems of one file that is not a declared thing, such as inputs, at their places.
pub fn locate_in(name: &str, text: &str, positions: &Positions, problem: Box<ProblemDocument>, prefix: &str, mine: impl Fn(&str) -> bool) -> Fault {
    let places = problem
        .problems
        .iter()
        .map(|p| {
            let pointer = p.pointer.strip_prefix(prefix).unwrap_or(&p.pointer);
            if !mine(pointer) {
                return Problem { pointer: pointer.to_owned(), ..p.clone() }.to_string();
            }
            let place = positions.locate(text, &Problem { pointer: pointer.to_owned(), ..p.clone() });
            let hint = p.hint.as_ref().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
            format!("{name}:{}:{}: {}{}{hint}", place.line, place.column, p.message, excerpt(text, place))
        })
        .collect();
    Fault::Located { problem, places }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(problems: Vec<Problem>) -> ClientError {
        let error = synod_domain::Error::problems(synod_domain::error::code::INVALID_DOCUMENT, problems);
        ClientError::Problem(Box::new(ProblemDocument::from_error(&error, None)))
    }

    #[test]
    fn complaints_name_file_line_and_column() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(
            folder.path().join("a.yaml"),
            "kind: Namespace\nmetadata: { name: shop }\nspec: {}\n---\nkind: Template\nmetadata:\n  name: x\nspec:\n  titel: a\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("sub/b.json"), "{\"items\": [{\"kind\": \"Group\",\n \"metadata\": {\"name\": \"g\"}, \"spec\": {\"members\": 5}}]}")
            .unwrap();
        std::fs::write(folder.path().join("readme.txt"), "no").unwrap();
        let mut documents = load(&[folder.path().to_owned()]).unwrap();
        assert_eq!(documents.all.len(), 3);
        documents.default_namespace("shop");
        assert_eq!(documents.names().unwrap()[1], (Kind::Template, Some("shop".into()), "x".into()));
        assert_eq!(documents.names().unwrap()[2], (Kind::Group, None, "g".into()));
        let fault = documents.locate(refusal(vec![
            Problem::at("/documents/1/spec/titel", "there is no field `titel`").hint("did you mean `title`?"),
            Problem::at("/documents/2/spec/members", "5 is not an array"),
            Problem::at("/documents/9", "elsewhere"),
        ]));
        let Fault::Located { places, .. } = fault else { panic!() };
        assert!(places[0].contains("a.yaml:9:3: there is no field `titel`\n 9 |   titel: a\n   |   ^\nhelp: did you mean `title`?"), "{}", places[0]);
        assert!(places[1].contains("b.json:2:49: 5 is not an array"), "{}", places[1]);
        assert_eq!(places[2], "/documents/9: elsewhere");
    }

    #[test]
    fn standard_input_may_be_json_or_yaml() {
        let mut documents = Documents::default();
        documents.add("-", "[{\"kind\": \"Group\"}, {\"kind\": \"Policy\"}]".into(), None).unwrap();
        documents.add("-", "{kind: Group, metadata: {name: x}}".into(), None).unwrap();
        assert_eq!(documents.all.len(), 3);
        assert_eq!(documents.all[1].prefix, "/1");
    }

    #[test]
    fn nothing_to_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(&[folder.path().to_owned()]).is_err());
        let empty = folder.path().join("e.yaml");
        std::fs::write(&empty, "---\n# nothing\n").unwrap();
        assert!(matches!(load(&[empty]), Err(Fault::Plain { exit: Exit::Usage, .. })));
    }
}
