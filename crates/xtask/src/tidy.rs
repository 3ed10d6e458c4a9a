//! The rules of the house that a compiler does not check. Each complaint names file, line and remedy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;

/// Who may use whom, of our own crates. Everything else is refused.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["trust", "domain"]),
    ("trust", &["domain"]),
    ("db", &["domain"]),
    ("worker", &["protocol", "trust", "domain"]),
    ("server", &["db", "protocol", "trust", "domain"]),
    ("agent", &["worker", "protocol", "trust", "domain"]),
    ("cli", &["server", "agent", "worker", "db", "protocol", "trust", "domain"]),
    ("e2e", &["server", "agent", "worker", "db", "protocol", "trust", "domain"]),
    ("bench", &["worker", "agent", "server", "db", "protocol", "trust", "domain"]),
    ("xtask", &["server", "domain"]),
];

/// A file with more lines than this is hard to hold in one's head.
const MOST_LINES: usize = 600;

/// A text that may stand in some places only.
struct Rule {
    pattern: &'static str,
    /// Files it is about, by the beginning of their paths.
    within: &'static [&'static str],
    /// Files in which it may stand.
    except: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        pattern: r"SystemTime::now|Timestamp::now\(|thread_rng|rand::random",
        within: &["crates/domain/src", "crates/db/src"],
        except: &[],
        why: "the domain and the database take time and chance from their callers",
    },
    Rule {
        pattern: "Instant::now",
        within: &["crates/domain/src", "crates/db/src"],
        except: &["crates/db/src/postgres.rs", "crates/db/src/sqlite.rs"],
        why: "only a connection measures time: how long it lay idle, how long a commit took",
    },
    Rule {
        pattern: r"SystemTime::now|jiff::Timestamp::now",
        within: &["crates/server/src"],
        except: &["crates/server/src/clock.rs"],
        why: "the server asks its clock, so that tests can set it",
    },
    Rule {
        pattern: r#""\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE) "#,
        within: &["crates"],
        except: &["crates/db/", "crates/e2e/", "crates/xtask/"],
        why: "SQL stands in crates/db only",
    },
    Rule {
        pattern: r"Dialect::(Sqlite|Postgres)",
        within: &["crates"],
        except: &["crates/db/src/dialect.rs", "crates/db/tests/", "crates/xtask/"],
        why: "SQLite and PostgreSQL differ in dialect.rs only; ask it what you need to know",
    },
    Rule {
        pattern: r"\btodo!\(|\bunimplemented!\(|\bFIXME\b|\bXXX\b",
        within: &["crates", "bench"],
        except: &["crates/xtask/"],
        why: "nothing is left half done: a part that is missing says so to its user",
    },
    Rule {
        pattern: r"registry\.npmjs|pypi\.org|deb\.debian\.org|static\.crates\.io|index\.crates\.io",
        within: &[""],
        except: &["Cargo.lock", "crates/xtask/"],
        why: "package registries are the user's choice; name none",
    },
    Rule { pattern: r"(^|[^a-zA-Z])/(root|work)/", within: &[""], except: &["crates/xtask/"], why: "no path of any one machine" },
];

/// Checks every rule and tells all that is wrong.
pub fn tidy(root: &Path) -> Result<()> {
    let mut complaints = Vec::new();
    edges(root, &mut complaints)?;
    for file in tracked(root)? {
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        let name = file.display().to_string();
        if name.ends_with(".rs") {
            if !text.starts_with("//!") {
                complaints.push(format!("{name}:1: begin the file with a `//!` line that says what it is"));
            }
            let lines = text.lines().count();
            if lines > MOST_LINES {
                complaints.push(format!("{name}: {lines} lines; split it where its subject splits (at most {MOST_LINES})"));
            }
        }
        for rule in RULES {
            apply(rule, &name, &text, &mut complaints)?;
        }
    }
    unused(root, "crates/domain/src/error.rs", r#"(?m)^\s+([A-Z_]+) = "SYN-"#, "code::", &mut complaints)?;
    unused(root, "crates/domain/src/event.rs", r#"(?m)^\s+([A-Z_]+) = "synod\."#, "types::", &mut complaints)?;
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    ensure!(complaints.is_empty(), "{} rules of the house are broken", complaints.len());
    Ok(())
}

fn apply(rule: &Rule, name: &str, text: &str, complaints: &mut Vec<String>) -> Result<()> {
    let inside = rule.within.iter().any(|prefix| name.starts_with(prefix)) && !rule.except.iter().any(|prefix| name.starts_with(prefix));
    if !inside || name.ends_with(".lock") {
        return Ok(());
    }
    let regex = Regex::new(rule.pattern)?;
    for (n, line) in text.lines().enumerate() {
        // Tests may look at a clock to wait; the rules are about the product.
        if line.trim() == "mod tests {" {
            break;
        }
        if regex.is_match(line) {
            complaints.push(format!("{name}:{}: {}", n + 1, rule.why));
        }
    }
    Ok(())
}

/// A code or event type that nothing in the product uses is a promise nobody keeps.
fn unused(root: &Path, table: &str, entries: &str, prefix: &str, complaints: &mut Vec<String>) -> Result<()> {
    let mut code = String::new();
    for file in tracked(root)?.iter().filter(|f| f.starts_with("crates") && f.extension().is_some_and(|e| e == "rs") && !f.ends_with(table)) {
        code.push_str(&std::fs::read_to_string(root.join(file)).unwrap_or_default());
    }
    let text = std::fs::read_to_string(root.join(table))?;
    for entry in Regex::new(entries)?.captures_iter(&text) {
        if !Regex::new(&format!(r"{prefix}{}\b", &entry[1]))?.is_match(&code) {
            complaints.push(format!("{table}: {} is used nowhere; use it or take it out", &entry[1]));
        }
    }
    Ok(())
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git is needed to list the files")?;
    ensure!(output.status.success(), "git ls-files failed");
    Ok(String::from_utf8(output.stdout)?.lines().map(PathBuf::from).collect())
}

fn edges(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    for entry in std::fs::read_dir(root.join("crates"))?.chain(std::fs::read_dir(root)?) {
        let path = entry?.path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let manifest: toml::Table = text.parse()?;
        let Some(name) = manifest.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()).and_then(|n| n.strip_prefix("synod-")) else { continue };
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!("{}: the crate `{name}` is not in EDGES of crates/xtask/src/tidy.rs; say whom it may use", path.display()));
            continue;
        };
        let used = manifest.get("dependencies").and_then(|d| d.as_table()).into_iter().flatten();
        for (dependency, _) in used {
            if let Some(other) = dependency.strip_prefix("synod-")
                && !allowed.contains(&other)
            {
                complaints.push(format!("{}: {name} may not use {other}", path.display()));
            }
        }
    }
    Ok(())
}
