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

    /// What does not hold of an outcome, each in words; empty when all is as expected. The streams were looked at as they came.
    pub fn mismatches(&self, exit_code: Option<i32>, stdout: &Looker, stderr: &Looker) -> Vec<String> {
        let mut found = Vec::new();
        let wanted = self.exit_code.unwrap_or(0);
        match exit_code {
            Some(code) if code == wanted => {}
            Some(code) => found.push(format!("exit code {code}, expected {wanted}")),
            None => found.push(format!("ended by a signal, expected exit code {wanted}")),
        }
        stdout.mismatches("stdout", &mut found);
        stderr.mismatches("stderr", &mut found);
        found
    }
}

/// Looks in a stream for what a check names, piece by piece: all of it is seen, however much there is, and none is kept.
#[derive(Debug, Clone, Default)]
pub struct Looker(Vec<Look>);

#[derive(Debug, Clone)]
struct Look {
    what: What,
    wanted: bool,
    found: bool,
}

#[derive(Debug, Clone)]
enum What {
    Text(String),
    Pattern(Regex),
    /// A pattern that does not compile was refused at apply; here it counts as a mismatch, never as met.
    Unreadable(String),
}

/// A piece of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Its text, from a character on that was seen before, when there was one, so that `^` and `\b` see what stands before them.
    pub text: &'a str,
    /// How long that character is; 0 at the beginning of the stream.
    pub seen: usize,
    /// How much of its end will be seen again at the beginning of the next piece; nothing when this is the last.
    pub again: Option<usize>,
}

impl Looker {
    /// What there is to look for.
    pub fn new(check: Option<&TextCheck>) -> Self {
        let Some(check) = check else { return Self::default() };
        let text = |text: &String| What::Text(text.clone());
        let pattern = |pattern: &String| Regex::new(pattern).map_or_else(|_| What::Unreadable(pattern.clone()), What::Pattern);
        let looks = [
            (check.contains.as_ref().map(text), true),
            (check.not_contains.as_ref().map(text), false),
            (check.matches.as_ref().map(pattern), true),
            (check.not_matches.as_ref().map(pattern), false),
        ];
        Self(looks.into_iter().filter_map(|(what, wanted)| Some(Look { what: what?, wanted, found: false })).collect())
    }

    /// Looks at the next piece.
    pub fn look(&mut self, piece: Piece<'_>) {
        for look in self.0.iter_mut().filter(|look| !look.found) {
            look.found = match &look.what {
                What::Text(text) => piece.text.contains(text.as_str()),
                What::Pattern(regex) => piece.holds(regex),
                What::Unreadable(_) => false,
            };
        }
    }

    fn mismatches(&self, name: &str, found: &mut Vec<String>) {
        for look in &self.0 {
            let (words, what) = match (&look.what, look.wanted) {
                (What::Text(text), true) => ("does not contain", text.as_str()),
                (What::Text(text), false) => ("contains", text.as_str()),
                (What::Pattern(regex), true) => ("does not match", regex.as_str()),
                (What::Pattern(regex), false) => ("matches", regex.as_str()),
                (What::Unreadable(pattern), _) => ("cannot be matched with", pattern.as_str()),
            };
            if look.found != look.wanted || matches!(look.what, What::Unreadable(_)) {
                found.push(format!("{name} {words} `{what}`"));
            }
        }
    }
}

impl Piece<'_> {
    fn holds(&self, regex: &Regex) -> bool {
        let Some(found) = regex.find_at(self.text, self.seen) else { return false };
        let Some(again) = self.again else { return true };
        if found.end() < self.text.len() {
            return true;
        }
        // It reaches the end, where `$` and `\b` took the end of the piece for that of the stream. What begins in the part that
        // comes again is looked at then; of all else it is known now whether it needs that end.
        let longer = format!("{}\u{10ffff}", self.text);
        regex.find_at(&longer, self.seen).is_some_and(|found| found.start() + again < self.text.len())
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
        let mismatches = |code, stdout: &str| expect.mismatches(code, &looked(expect.stdout.as_ref(), stdout), &Looker::default());
        assert!(mismatches(Some(0), "up since 9").is_empty());
        let all = mismatches(Some(2), "error: panic");
        assert_eq!(all.len(), 5, "{all:?}");
        assert!(all[0].contains("exit code 2, expected 0"));
        assert!(mismatches(None, "up since 9")[0].contains("signal"));
    }

    fn looked(check: Option<&TextCheck>, text: &str) -> Looker {
        let mut looker = Looker::new(check);
        looker.look(Piece { text, seen: 0, again: None });
        looker
    }

    /// In pieces of 8 characters that share 4 each, as an agent would see a long stream.
    fn in_pieces(pattern: &str, text: &str) -> bool {
        let check = TextCheck { matches: Some(pattern.into()), ..TextCheck::default() };
        let mut looker = Looker::new(Some(&check));
        let mut start = 0;
        loop {
            let (from, seen) = if start == 0 { (0, 0) } else { (start - 1, 1) };
            let last = start + 8 >= text.len();
            let end = if last { text.len() } else { start + 8 };
            looker.look(Piece { text: &text[from..end], seen, again: (!last).then_some(4) });
            if last {
                return looker.0[0].found;
            }
            start += 4;
        }
    }

    #[test]
    fn a_long_stream_is_seen_whole() {
        let long = format!("panic{}\nerr 1\n{}done", "x".repeat(30), "y".repeat(30));
        for (pattern, holds) in [
            ("panic", true),
            ("^panic", true),
            ("^xx", false),
            ("xx$", false),
            ("(?m)x$", true),
            ("(?m)^err", true),
            ("^err", false),
            (r"err \d", true),
            (r"\bdone", false),
            ("done$", true),
            (r"x\b", true),
            (r"y\b", false),
            ("(?s)panic.*done", false),
            ("(?s)^.*$", true),
            ("z", false),
        ] {
            // Only what is longer than two pieces share is not found.
            assert_eq!(in_pieces(pattern, &long), holds, "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_find_what_the_whole_holds(text in "[ab\n]{0,40}", pattern in "(\\^|\\(\\?m\\)\\^)?[ab]{1,3}(\\$)?") {
            let whole = Regex::new(&pattern).unwrap().is_match(&text);
            proptest::prop_assert_eq!(in_pieces(&pattern, &text), whole);
        }
    }

    #[test]
    fn an_unreadable_pattern_is_never_met() {
        let check = TextCheck { matches: Some("(".into()), not_matches: Some("(".into()), ..TextCheck::default() };
        let expect = Expect { stdout: Some(check), ..Expect::default() };
        assert_eq!(expect.mismatches(Some(0), &looked(expect.stdout.as_ref(), "("), &Looker::default()).len(), 2);
    }
}
