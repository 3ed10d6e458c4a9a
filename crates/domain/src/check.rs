//! What a step's outcome must look like, and whether it does.

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Checks on one step's exit code and output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// The exit code; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Checks on what was written to standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<TextCheck>,
    /// Checks on what was written to standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<TextCheck>,
    /// What a mismatch means.
    pub on_mismatch: OnMismatch,
}

/// Checks on a text. All that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TextCheck {
    /// Must occur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Must not occur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_contains: Option<String>,
    /// Regular expression that must match somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// Regular expression that must match nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_matches: Option<String>,
}

/// What a mismatch means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMismatch {
    /// The task fails and the rollout stops.
    #[default]
    Fail,
    /// The task carries a warning.
    Warn,
}

impl Expect {
    /// Defects of the checks themselves.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (stream, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let Some(text) = text else { continue };
            if *text == TextCheck::default() {
                problems.push(Problem::at(format!("/{stream}"), "checks nothing").hint("use contains, notContains, matches or notMatches"));
            }
            for (field, pattern) in [("matches", &text.matches), ("notMatches", &text.not_matches)] {
                if let Some(Err(error)) = pattern.as_deref().map(Regex::new) {
                    let reason = error.to_string();
                    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    problems.push(Problem::at(format!("/{stream}/{field}"), format!("not a regular expression: {reason}")));
                }
            }
        }
        problems
    }

    /// What does not hold of an outcome, each in words; empty when all is as expected.
    pub fn mismatches(&self, exit_code: Option<i32>, stdout: &str, stderr: &str) -> Vec<String> {
        let mut found = Vec::new();
        let wanted = self.exit_code.unwrap_or(0);
        match exit_code {
            Some(code) if code == wanted => {}
            Some(code) => found.push(format!("exit code {code}, expected {wanted}")),
            None => found.push(format!("ended by a signal, expected exit code {wanted}")),
        }
        for (name, check, text) in [("stdout", &self.stdout, stdout), ("stderr", &self.stderr, stderr)] {
            if let Some(check) = check {
                check.mismatches(name, text, &mut found);
            }
        }
        found
    }
}

impl TextCheck {
    fn mismatches(&self, name: &str, text: &str, found: &mut Vec<String>) {
        // A pattern that does not compile was refused at apply; here it counts as a mismatch, never as met.
        let matches = |pattern: &str| Regex::new(pattern).map(|regex| regex.is_match(text)).ok();
        if let Some(wanted) = &self.contains
            && !text.contains(wanted.as_str())
        {
            found.push(format!("{name} does not contain `{wanted}`"));
        }
        if let Some(unwanted) = &self.not_contains
            && text.contains(unwanted.as_str())
        {
            found.push(format!("{name} contains `{unwanted}`"));
        }
        if let Some(pattern) = &self.matches
            && matches(pattern) != Some(true)
        {
            found.push(format!("{name} does not match `{pattern}`"));
        }
        if let Some(pattern) = &self.not_matches
            && matches(pattern) != Some(false)
        {
            found.push(format!("{name} matches `{pattern}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mismatches_are_told_in_words() {
        let text = |contains: &str, not: &str, matches: &str, not_matches: &str| TextCheck {
            contains: Some(contains.into()),
            not_contains: Some(not.into()),
            matches: Some(matches.into()),
            not_matches: Some(not_matches.into()),
        };
        let expect = Expect { exit_code: None, stdout: Some(text("up", "panic", "since \\d+", "^err")), stderr: None, on_mismatch: OnMismatch::Fail };
        assert!(expect.mismatches(Some(0), "up since 9", "").is_empty());
        let all = expect.mismatches(Some(2), "error: panic", "");
        assert_eq!(all.len(), 5, "{all:?}");
        assert!(all[0].contains("exit code 2, expected 0"));
        assert!(expect.mismatches(None, "up since 9", "")[0].contains("signal"));
    }

    #[test]
    fn an_unreadable_pattern_is_never_met() {
        let check = TextCheck { matches: Some("(".into()), not_matches: Some("(".into()), ..TextCheck::default() };
        let expect = Expect { stdout: Some(check), ..Expect::default() };
        assert_eq!(expect.mismatches(Some(0), "(", "").len(), 2);
    }
}
