//! YAML and JSON texts with the place of every value, so that complaints can name line and column.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};
use synod_domain::problem::{Problem, segment};

use crate::exit::{Exit, Fault, Result};

/// A place in a text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    key: Option<Place>,
    value: Place,
    is_container: bool,
}

/// Where each value of a document stands, by JSON Pointer.
#[derive(Debug, Clone, Default)]
pub struct Positions(BTreeMap<String, Spot>);

/// One document of a text.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub value: Value,
    /// Where it says it.
    pub positions: Positions,
}

/// Where a text is wrong, shown with its line.
pub fn syntax(name: &str, text: &str, place: Place, message: &str) -> Fault {
    Fault::new(Exit::Usage, format!("{name}:{}:{}: {message}{}", place.line, place.column, excerpt(text, place)))
}

/// The line of a place with a caret under it; empty when there is no such line.
pub fn excerpt(text: &str, place: Place) -> String {
    let Some(line) = text.lines().nth(place.line.saturating_sub(1)) else { return String::new() };
    // Long lines are shown around the place.
    let skip = if place.column > 90 { place.column - 60 } else { 0 };
    let shown: String = line.chars().skip(skip).take(110).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    let pad = " ".repeat(place.column.saturating_sub(1).saturating_sub(skip));
    format!("\n {number} | {}\n {gutter} | {pad}^", crate::output::clean(&shown))
}

/// Reads all documents of a YAML text; empty ones are left out.
pub fn parse_yaml(name: &str, text: &str) -> Result<Vec<Parsed>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let nodes = MarkedYaml::load_from_str(text).map_err(|e| {
        let place = Place { line: e.marker().line().max(1), column: e.marker().col() + 1 };
        syntax(name, text, place, e.info())
    })?;
    let mut all = Vec::new();
    for node in &nodes {
        if matches!(node.data, YamlData::BadValue | YamlData::Value(Scalar::Null)) {
            continue;
        }
        let mut positions = Positions::default();
        let value = convert(node, None, String::new(), &mut positions).map_err(|(place, message)| syntax(name, text, place, &message))?;
        all.push(Parsed { value, positions });
    }
    Ok(all)
}

/// Reads a JSON text.
pub fn parse_json(name: &str, text: &str) -> Result<Parsed> {
    let value: Value = serde_json::from_str(text).map_err(|e| {
        let whole = e.to_string();
        let message = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(message, _)| message);
        syntax(name, text, Place { line: e.line().max(1), column: e.column().max(1) }, message)
    })?;
    // JSON is YAML but for tabs between its tokens; strings hold none, so the places stay the same.
    let spaced = text.replace('\t', " ");
    let mut positions = Positions::default();
    if let Ok(nodes) = MarkedYaml::load_from_str(&spaced)
        && let Some(node) = nodes.first()
        && convert(node, None, String::new(), &mut positions).is_err()
    {
        positions = Positions::default();
    }
    Ok(Parsed { value, positions })
}

fn start(node: &MarkedYaml<'_>) -> Place {
    Place { line: node.span.start.line().max(1), column: node.span.start.col() + 1 }
}

fn convert(node: &MarkedYaml<'_>, key: Option<Place>, pointer: String, positions: &mut Positions) -> Result<Value, (Place, String)> {
    let here = start(node);
    let is_container = matches!(node.data, YamlData::Sequence(_) | YamlData::Mapping(_));
    positions.0.insert(pointer.clone(), Spot { key, value: here, is_container });
    match &node.data {
        YamlData::Value(scalar) => Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(b) => Value::Bool(*b),
            Scalar::Integer(n) => Value::from(*n),
            Scalar::FloatingPoint(n) => {
                let number = serde_json::Number::from_f64(n.into_inner());
                number.map(Value::Number).ok_or((here, "numbers here are finite".to_owned()))?
            }
            Scalar::String(text) => Value::String(text.to_string()),
        }),
        YamlData::Sequence(items) => {
            let items = items.iter().enumerate().map(|(n, item)| convert(item, None, format!("{pointer}/{n}"), positions));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        YamlData::Mapping(fields) => {
            let mut map = Map::new();
            for (name, value) in fields {
                let at = start(name);
                let text = match &name.data {
                    YamlData::Value(Scalar::String(text)) => text.to_string(),
                    YamlData::Value(Scalar::Integer(n)) => n.to_string(),
                    YamlData::Value(Scalar::Boolean(b)) => b.to_string(),
                    _ => return Err((at, "field names are text".into())),
                };
                let value = convert(value, Some(at), format!("{pointer}{}", segment(&text)), positions)?;
                map.insert(text, value);
            }
            Ok(Value::Object(map))
        }
        YamlData::Tagged(..) => Err((here, "tags (`!…`) are not understood here".into())),
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => Err((here, "this value cannot be read".into())),
    }
}

impl Positions {
    /// The place a problem is about, as exact as it can be told.
    pub fn locate(&self, text: &str, problem: &Problem) -> Place {
        let mut pointer = problem.pointer.as_str();
        let mut exact = true;
        let spot = loop {
            if let Some(spot) = self.0.get(pointer) {
                break *spot;
            }
            exact = false;
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => return Place { line: 1, column: 1 },
            }
        };
        let about_key = problem.message.starts_with("there is no field") || problem.message.starts_with("unknown field");
        match (spot.key, problem.line) {
            (Some(key), None) if about_key || spot.is_container => key,
            (_, Some(line)) if exact && !spot.is_container => inside(text, spot.value, line as usize, problem.column.unwrap_or(1) as usize),
            _ => spot.value,
        }
    }
}

/// The place of a line and column of a text value that begins at `start`.
fn inside(text: &str, start: Place, line: usize, column: usize) -> Place {
    let lines: Vec<&str> = text.lines().collect();
    let Some(first) = lines.get(start.line - 1) else { return start };
    // A block's place is its header (`|`, `>-`) or, as the parser sees it, its first line.
    let header = [start.line, start.line.saturating_sub(1)].into_iter().find_map(|n| {
        let source = lines.get(n.checked_sub(1)?)?;
        let from = if n == start.line { source.chars().skip(start.column - 1).collect::<String>() } else { last_word(source)?.to_owned() };
        is_block_header(&from).then(|| (n, from.starts_with('>')))
    });
    if let Some((header, folded)) = header {
        return in_block(&lines, header, folded, line, column).unwrap_or(start);
    }
    if line > 1 {
        return start;
    }
    let quoted = first.chars().nth(start.column - 1).is_some_and(|c| c == '"' || c == '\'');
    let at = start.column - 1 + column + usize::from(quoted);
    Place { line: start.line, column: at.min(first.chars().count().max(1)) }
}

/// What follows the last `: ` or `- ` of a line, its comment taken off.
fn last_word(line: &str) -> Option<&str> {
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    line.rsplit_once([' ', '\t']).map(|(_, word)| word)
}

fn is_block_header(text: &str) -> bool {
    let mut chars = text.chars();
    matches!(chars.next(), Some('|' | '>')) && chars.take_while(|c| !c.is_whitespace()).all(|c| matches!(c, '+' | '-' | '1'..='9'))
}

fn in_block(lines: &[&str], header: usize, folded: bool, line: usize, column: usize) -> Option<Place> {
    let body = lines.get(header..)?;
    let leading = |text: &str| text.chars().take_while(|c| *c == ' ').count();
    let indent = body.iter().find(|text| !text.trim().is_empty()).map(|text| leading(text))?;
    let place = |n: usize, column: usize| {
        let width = body.get(n).map_or(1, |text| text.chars().count().max(1));
        Place { line: header + 1 + n, column: (indent + column).min(width + 1) }
    };
    if !folded {
        return (line >= 1 && line <= body.len()).then(|| place(line - 1, column));
    }
    // A folded block: a break between two plain lines became a space.
    let (mut at_line, mut at_column) = (1, 1);
    for (n, text) in body.iter().enumerate() {
        let own: String = text.chars().skip(indent).collect();
        let length = own.chars().count();
        if at_line == line && column <= at_column + length {
            return Some(place(n, column + 1 - at_column));
        }
        let plain = |text: &str| !text.trim().is_empty() && leading(text) == indent;
        if plain(text) && body.get(n + 1).is_some_and(|next| plain(next)) {
            at_column += length + 1;
        } else if !(plain(text) && body.get(n + 1).is_some_and(|next| next.trim().is_empty())) {
            at_line += 1;
            at_column = 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\napiVersion: synod/v1\nspec:\n  titel: Restart\n  steps:\n    - name: go\n      run: |\n        set -e\n        echo {{ inputs.x\n\n        true\n    - name: quoted\n      run: \"echo {{ y\"\n      when: steps[\n    - name: folded\n      run: >-\n        one two\n        three\n\n        four\n---\nkind: Group\n...\n---\n";

    fn place(parsed: &Parsed, pointer: &str, message: &str, inner: Option<(u32, u32)>) -> (usize, usize) {
        let mut problem = Problem::at(pointer, message);
        if let Some((line, column)) = inner {
            problem = problem.place(line, column);
        }
        let place = parsed.positions.locate(TEXT, &problem);
        (place.line, place.column)
    }

    #[test]
    fn places_are_those_of_the_file() {
        let all = parse_yaml("x", TEXT).unwrap();
        assert_eq!(all.len(), 2);
        let first = &all[0];
        assert_eq!(place(first, "/apiVersion", "wrong", None), (2, 13));
        assert_eq!(place(first, "/spec/titel", "there is no field `titel`", None), (4, 3));
        assert_eq!(place(first, "/spec/titel", "too short", None), (4, 10));
        assert_eq!(place(first, "/spec", "`title` is missing", None), (3, 1));
        assert_eq!(place(first, "/spec/steps/0/timeout", "missing", None), (6, 7), "the nearest that is there");
        assert_eq!(place(first, "/spec/steps/0/run", "unclosed", Some((2, 6))), (9, 14));
        assert_eq!(place(first, "/spec/steps/0/run", "x", Some((4, 1))), (11, 9));
        assert_eq!(place(first, "/spec/steps/1/run", "unclosed", Some((1, 6))), (13, 18));
        assert_eq!(place(first, "/spec/steps/1/when", "unclosed", Some((1, 6))), (14, 18));
        assert_eq!(place(first, "/spec/steps/2/run", "x", Some((1, 5))), (17, 13));
        assert_eq!(place(first, "/spec/steps/2/run", "x", Some((1, 9))), (18, 9));
        assert_eq!(place(first, "/spec/steps/2/run", "x", Some((2, 2))), (20, 10));
        assert_eq!(place(&all[1], "/kind", "wrong", None), (22, 7));
    }

    #[test]
    fn json_files_have_places_too() {
        let text = "{\n\t\"kind\": \"Group\",\n\t\"spec\": {\"members\": [\"a\",\n\t\t5]}\n}\n";
        let parsed = parse_json("x.json", text).unwrap();
        assert_eq!(parsed.value["spec"]["members"][1], 5);
        let at = |pointer: &str| parsed.positions.locate(text, &Problem::at(pointer, "wrong"));
        assert_eq!(at("/spec/members/1"), Place { line: 4, column: 3 });
        assert_eq!(at("/kind"), Place { line: 2, column: 10 });
        let Fault::Plain { message, exit, .. } = parse_json("x.json", "{\n  \"a\": 1,,\n}").unwrap_err() else { panic!() };
        assert!(message.starts_with("x.json:2:10: ") && message.contains("\n 2 |   \"a\": 1,,\n"), "{message}");
        assert_eq!(exit, Exit::Usage);
    }

    #[test]
    fn broken_yaml_names_its_place() {
        for (text, line) in [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\na: 2\n", 2), ("a: !x 1\n", 1), ("a:\n\t- b\n", 2), ("? [a]\n: b\n", 1)] {
            let Err(Fault::Plain { message, .. }) = parse_yaml("x.yaml", text) else { panic!("{text}") };
            assert!(message.starts_with(&format!("x.yaml:{line}:")), "{text}: {message}");
        }
    }

    #[test]
    fn a_caret_stands_under_the_place() {
        let text = excerpt("x\n  titel: 1\n", Place { line: 2, column: 3 });
        assert_eq!(text, "\n 2 |   titel: 1\n   |   ^");
        assert_eq!(excerpt("x", Place { line: 9, column: 1 }), "");
    }
}
