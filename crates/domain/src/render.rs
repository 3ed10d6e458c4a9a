//! The one template language: MiniJinja, in scripts, texts and conditions.
//!
//! In a script every `{{ … }}` is quoted for the shell; `| raw` opts out and is reported, so that
//! people who approve see where an input becomes code. Rendering is bounded by fuel and depth.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::value::{Object, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use crate::problem::{Problem, nearest};

/// The names a template may use at its top level.
const ROOTS: [&str; 5] = ["inputs", "steps", "facts", "node", "run"];
const FIELDS: [&str; 6] = ["exit_code", "stdout", "stderr", "attempts", "ok", "skipped"];
const FUEL: u64 = 200_000;

/// What one finished step offers to later ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
pub struct StepResult {
    /// The exit code; absent when the step was skipped or ended by a signal.
    pub exit_code: Option<i32>,
    /// What it wrote to standard output, trailing line breaks removed.
    pub stdout: String,
    /// What it wrote to standard error, trailing line breaks removed.
    pub stderr: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether all checks held.
    pub ok: bool,
    /// Whether its `when` kept it from running.
    pub skipped: bool,
}

/// What a template or expression sees on the node.
#[derive(Debug, Clone, Serialize)]
pub struct Context {
    /// The request's inputs, secrets opened.
    pub inputs: serde_json::Value,
    /// What the agent found about its machine.
    pub facts: serde_json::Value,
    /// `name` and `id` of the node.
    pub node: serde_json::Value,
    /// `id`, `namespace`, `requester` and `reason` of the run.
    pub run: serde_json::Value,
    /// Results of earlier steps by name.
    pub steps: std::collections::BTreeMap<String, StepResult>,
    /// The result of the attempt just made, in `retry.until`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<StepResult>,
}

/// Quotes a text so that a POSIX shell reads it as one word.
pub fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn environment(quote: bool) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_debug(true);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(50);
    env.remove_filter("safe");
    env.remove_filter("escape");
    env.remove_filter("e");
    env.add_filter("raw", |value: Value| Value::from_safe_string(value.to_string()));
    env.add_filter("quote", |value: Value| Value::from_safe_string(shell_quote(&plain(&value))));
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(move |out, _state, value| {
        if value.is_undefined() {
            return Err(Error::new(ErrorKind::UndefinedError, "this value does not exist"));
        }
        let text = plain(value);
        let text = if quote && !value.is_safe() { shell_quote(&text) } else { text };
        out.write_str(&text).map_err(Error::from)
    });
    env
}

/// A value as it appears in a script: lists as their items side by side would be ambiguous, so they stay JSON-like.
fn plain(value: &Value) -> String {
    match value.kind() {
        minijinja::value::ValueKind::None => String::new(),
        // As JSON and shells write it; MiniJinja would print `True`.
        minijinja::value::ValueKind::Bool => value.is_true().to_string(),
        _ => value.to_string(),
    }
}

/// Fills in a script; values are quoted for the shell unless marked `| raw`.
pub fn script(source: &str, context: &Context) -> Result<String, String> {
    render(source, context, true)
}

/// Fills in a text that is no script, such as an environment value.
pub fn text(source: &str, context: &Context) -> Result<String, String> {
    render(source, context, false)
}

fn render(source: &str, context: &Context, quote: bool) -> Result<String, String> {
    environment(quote).render_str(source, Value::from(Serde(context))).map_err(|e| describe(&e))
}

/// Whether a condition holds.
pub fn condition(source: &str, context: &Context) -> Result<bool, String> {
    let env = environment(false);
    let expression = env.compile_expression(source).map_err(|e| describe(&e))?;
    expression.eval(Value::from(Serde(context))).map(|v| v.is_true()).map_err(|e| describe(&e))
}

fn describe(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

/// The script as approvers read it: inputs filled in, everything only the node knows left as `⟨…⟩`.
pub fn preview(source: &str, inputs: &serde_json::Value) -> String {
    let seen = Arc::new(Seen::default());
    let context = Value::from_pairs([
        ("inputs", Value::from(Serde(inputs))),
        ("steps", unknown("steps", &seen)),
        ("facts", unknown("facts", &seen)),
        ("node", unknown("node", &seen)),
        ("run", unknown("run", &seen)),
    ]);
    environment(true).render_str(source, context).unwrap_or_else(|_| source.to_owned())
}

/// Whether a template holds nothing but text and plain names, such as `{{ inputs.service }}`: then what people are shown
/// before the start differs from what nodes run in nothing but the values of these names.
pub fn is_plain(source: &str) -> bool {
    if source.contains("{%") || source.contains("{#") {
        return false;
    }
    let name = |inside: &str| !inside.trim().is_empty() && inside.trim().chars().all(|c| c.is_alphanumeric() || "_.-[]'\"".contains(c));
    source.split("{{").skip(1).all(|rest| rest.split_once("}}").is_some_and(|(inside, _)| name(inside)))
}

/// Whether a script uses `raw`, so that a value of the request becomes code.
pub fn uses_raw(source: &str) -> bool {
    let mut env = environment(true);
    let used = Arc::new(Mutex::new(false));
    let mark = used.clone();
    env.add_filter("raw", move |value: Value| {
        *mark.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        value
    });
    let seen = Arc::new(Seen::default());
    let context = Value::from_pairs(ROOTS.map(|root| (root, unknown(root, &seen))));
    let _ = env.render_str(source, context);
    // A branch not taken hides its filters from a dry run; the text itself decides then.
    *used.lock().unwrap_or_else(std::sync::PoisonError::into_inner) || source.split('|').skip(1).any(|rest| rest.trim_start().starts_with("raw"))
}

/// A stand-in for what is not known yet: any attribute exists, and it prints its own path.
#[derive(Debug)]
struct Unknown {
    path: String,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Vec<String>>>);

fn unknown(root: &str, seen: &Arc<Seen>) -> Value {
    Value::from_object(Unknown { path: root.to_owned(), seen: seen.clone() })
}

impl Object for Unknown {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.to_string();
        let path = format!("{}.{key}", self.path);
        let mut parts: Vec<String> = self.path.split('.').map(str::to_owned).collect();
        parts.push(key);
        self.seen.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(parts);
        Some(Value::from_object(Self { path, seen: self.seen.clone() }))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "⟨{}⟩", self.path)
    }
}

/// What a script or expression of a template may refer to.
pub struct Scope<'a> {
    /// Names of the inputs; `None` when the schema does not list them all.
    pub inputs: &'a Option<BTreeSet<String>>,
    /// Names of the steps before this one.
    pub steps: &'a [&'a str],
}

impl Scope<'_> {
    /// Defects of a script.
    pub fn check_script(&self, source: &str) -> Vec<Problem> {
        self.check_source(source, true)
    }

    /// Defects of a text with `{{ … }}`.
    pub fn check_text(&self, source: &str) -> Vec<Problem> {
        self.check_source(source, false)
    }

    fn check_source(&self, source: &str, quote: bool) -> Vec<Problem> {
        let env = environment(quote);
        let template = match env.template_from_str(source) {
            Ok(template) => template,
            Err(error) => return vec![locate(source, &error)],
        };
        let mut problems = self.check_roots(source, &template.undeclared_variables(false), false);
        if problems.is_empty() {
            let seen = Arc::new(Seen::default());
            let dry = template.render(Value::from_pairs(ROOTS.map(|root| (root, unknown(root, &seen)))));
            problems.extend(self.check_paths(source, &seen, &template.undeclared_variables(true)));
            if let Err(error) = dry
                && problems.is_empty()
                && is_certain(&error)
            {
                problems.push(locate(source, &error));
            }
        }
        problems
    }

    /// Defects of a condition; `with_result` in `retry.until`.
    pub fn check_expression(&self, source: &str, with_result: bool) -> Vec<Problem> {
        let env = environment(false);
        let expression = match env.compile_expression(source) {
            Ok(expression) => expression,
            Err(error) => return vec![locate(source, &error)],
        };
        let mut problems = self.check_roots(source, &expression.undeclared_variables(false), with_result);
        if problems.is_empty() {
            let seen = Arc::new(Seen::default());
            let mut roots: Vec<(&str, Value)> = ROOTS.iter().map(|root| (*root, unknown(root, &seen))).collect();
            if with_result {
                roots.push(("result", unknown("result", &seen)));
            }
            let dry = expression.eval(Value::from_pairs(roots));
            problems.extend(self.check_paths(source, &seen, &expression.undeclared_variables(true)));
            if let Err(error) = dry
                && problems.is_empty()
                && is_certain(&error)
            {
                problems.push(locate(source, &error));
            }
        }
        problems
    }

    fn check_roots(&self, source: &str, used: &std::collections::HashSet<String>, with_result: bool) -> Vec<Problem> {
        let known = |name: &str| ROOTS.contains(&name) || (with_result && name == "result");
        let mut unknown: Vec<&String> = used.iter().filter(|name| !known(name)).collect();
        unknown.sort();
        unknown
            .into_iter()
            .map(|name| {
                let problem = place(source, name, format!("`{name}` is not known here"));
                let hint = if name == "result" {
                    "`result` is only known in `retry.until`; elsewhere use steps['NAME']".to_owned()
                } else {
                    nearest(name, ROOTS).map_or_else(|| format!("known are {}", ROOTS.join(", ")), |near| format!("did you mean `{near}`?"))
                };
                problem.hint(hint)
            })
            .collect()
    }

    fn check_paths(&self, source: &str, seen: &Seen, declared: &std::collections::HashSet<String>) -> Vec<Problem> {
        let mut paths = seen.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        paths.extend(declared.iter().map(|path| path.split('.').map(str::to_owned).collect()));
        paths.sort();
        paths.dedup();
        let mut problems = Vec::new();
        let mut named = BTreeSet::new();
        for path in paths {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            let (what, name, hint) = match parts.as_slice() {
                ["inputs", name, ..] => match self.inputs {
                    Some(names) if !names.contains(*name) => {
                        let near = nearest(name, names.iter().map(String::as_str));
                        ("input", *name, near.map(|n| format!("did you mean `{n}`?")).unwrap_or_else(|| "declare it under `inputs.properties`".into()))
                    }
                    _ => continue,
                },
                ["steps", name, rest @ ..] => {
                    if !self.steps.contains(name) {
                        let near = nearest(name, self.steps.iter().copied());
                        ("earlier step", *name, near.map(|n| format!("did you mean `{n}`?")).unwrap_or_else(|| "a step sees only the steps before it".into()))
                    } else if let Some(field) = rest.first().filter(|field| !FIELDS.contains(field)) {
                        ("field of a step's result", *field, format!("known are {}", FIELDS.join(", ")))
                    } else {
                        continue;
                    }
                }
                ["result", field, ..] if !FIELDS.contains(field) => ("field of a result", *field, format!("known are {}", FIELDS.join(", "))),
                _ => continue,
            };
            if named.insert(name.to_owned()) {
                problems.push(place(source, name, format!("there is no {what} `{name}`")).hint(hint));
            }
        }
        problems
    }
}

/// Errors of a dry run that would also occur on a node, whatever its values.
fn is_certain(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::SyntaxError)
}

fn locate(source: &str, error: &Error) -> Problem {
    let what = error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    let problem = Problem::at("", what);
    match error.range() {
        Some(range) => at_offset(problem, source, range.start),
        None => problem.place(error.line().and_then(|l| u32::try_from(l).ok()).unwrap_or(1), 1),
    }
}

fn place(source: &str, word: &str, message: String) -> Problem {
    at_offset(Problem::at("", message), source, source.find(word).unwrap_or(0))
}

fn at_offset(problem: Problem, source: &str, offset: usize) -> Problem {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    problem.place(u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn context() -> Context {
        Context {
            inputs: json!({"service": "web", "evil": "a; rm -rf /", "n": 5, "flag": true, "quote": "it's"}),
            facts: json!({"os": "debian"}),
            node: json!({"name": "web-1"}),
            run: json!({"id": "r"}),
            steps: [("check".to_owned(), StepResult { stdout: "up".into(), attempts: 2, exit_code: Some(0), ok: true, ..StepResult::default() })].into(),
            result: None,
        }
    }

    #[test]
    fn values_are_quoted_for_the_shell() {
        for (source, wanted) in [
            ("restart {{ inputs.service }}", "restart web"),
            ("echo {{ inputs.evil }}", "echo 'a; rm -rf /'"),
            ("echo {{ inputs.evil | raw }}", "echo a; rm -rf /"),
            ("echo {{ inputs.quote }}", r"echo 'it'\''s'"),
            ("sleep {{ inputs.n }}", "sleep 5"),
            ("x {{ inputs.flag }}", "x true"),
            ("{% if inputs.flag %}yes{% endif %}", "yes"),
            ("{{ steps['check'].stdout }}", "up"),
            ("{{ steps.check.attempts + 1 }}", "3"),
        ] {
            assert_eq!(script(source, &context()).as_deref(), Ok(wanted), "{source}");
        }
        assert_eq!(text("{{ inputs.evil }}", &context()).as_deref(), Ok("a; rm -rf /"));
    }

    #[test]
    fn conditions_and_their_failures() {
        assert_eq!(condition("steps['check'].attempts > 1 and facts.os == 'debian'", &context()), Ok(true));
        assert!(condition("inputs.missing == 1", &context()).is_err() || condition("inputs.missing == 1", &context()) == Ok(false));
        assert!(script("{{ inputs.missing }}", &context()).is_err());
        assert!(script("{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}", &context()).is_err());
    }

    #[test]
    fn previews_show_what_only_the_node_knows() {
        let shown = preview("a {{ inputs.x }} {{ steps['check'].stdout }} {{ facts.os }}", &json!({"x": "1 2"}));
        assert_eq!(shown, "a '1 2' '⟨steps.check.stdout⟩' '⟨facts.os⟩'");
        assert!(uses_raw("{{ inputs.x | raw }}") && !uses_raw("{{ inputs.raw }}"));
        assert!(uses_raw("{% if false %}{{ inputs.x|raw }}{% endif %}"));
    }

    #[test]
    fn defects_are_found_with_their_place() {
        let inputs = Some(["service".to_owned()].into());
        let scope = Scope { inputs: &inputs, steps: &["check"] };
        for (source, line, column, word) in [
            ("a\nb {{ inputs.servise }}", 2, 13, "servise"),
            ("{{ steps['chek'].stdout }}", 1, 11, "chek"),
            ("{{ steps['check'].out }}", 1, 19, "out"),
            ("x {{ input.service }}", 1, 6, "input"),
            ("x {{ inputs.service | shout }}", 1, 23, "shout"),
            ("x {% if inputs.service %}", 1, 25, "syntax"),
        ] {
            let problems = scope.check_script(source);
            assert_eq!(problems.len(), 1, "{source}: {problems:?}");
            assert!(problems[0].to_string().contains(word), "{source}: {}", problems[0]);
            assert_eq!(problems[0].line, Some(line), "{source}: {}", problems[0]);
            assert!(problems[0].column.is_some_and(|c| c.abs_diff(column) <= 2), "{source}: {}", problems[0]);
        }
        assert!(scope.check_expression("result.exit_code == 0", true).is_empty());
        assert!(!scope.check_expression("result.exit_code == 0", false).is_empty());
        assert!(!scope.check_expression("steps['check'].attempts >", false).is_empty());
    }

    proptest! {
        /// A quoted word, read by a real shell's rules, is the word again.
        #[test]
        fn quoting_is_undone_by_the_shell(word in "[^\u{0}]{0,40}") {
            let quoted = shell_quote(&word);
            let read = if quoted.starts_with('\'') {
                quoted[1..quoted.len() - 1].replace(r"'\''", "'")
            } else {
                quoted.clone()
            };
            prop_assert_eq!(read, word);
        }
    }

    #[test]
    fn plain_templates_choose_nothing() {
        for plain in ["true", "restart {{ inputs.service }} --at {{steps['check'].stdout}}", "a } b { c"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in
            ["{% if facts.os is string %}x{% endif %}", "{{ 'a' if facts.os else 'b' }}", "{{ inputs.x | raw }}", "{{ a + b }}", "{# hidden #}", "{{", "{{ }}"]
        {
            assert!(!is_plain(other), "{other}");
        }
    }
}
