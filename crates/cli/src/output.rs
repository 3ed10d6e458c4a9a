//! Everything that is written to the standard output goes through here.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use crate::exit::{Exit, Fault, Result};

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// More columns, nothing shortened.
    Wide,
    /// JSON.
    Json,
    /// YAML; declared things as documents that `apply` takes back.
    Yaml,
    /// Comma-separated values with a header.
    Csv,
    /// Only names, one a line.
    Name,
}

/// A colour of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Wrong.
    Red,
    /// Well.
    Green,
    /// Mind.
    Yellow,
    /// Under way.
    Blue,
    /// By the way.
    Dim,
    /// A heading.
    Bold,
    /// One of six, for telling nodes apart.
    Node(u8),
}

impl Colour {
    fn code(self) -> u8 {
        match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Dim => 2,
            Self::Bold => 1,
            Self::Node(n) => [36, 35, 33, 32, 34, 96][usize::from(n) % 6],
        }
    }
}

/// Where and how to write.
#[derive(Debug, Clone)]
pub struct Out {
    format: Option<Format>,
    /// Whether the standard output is a terminal.
    pub terminal: bool,
    colour: bool,
}

impl Out {
    /// As asked for, and as the standard output is.
    pub fn new(format: Option<Format>) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { format, terminal, colour: terminal && may_colour() }
    }

    /// Without a terminal, for tests.
    pub fn plain(format: Format) -> Self {
        Self { format: Some(format), terminal: false, colour: false }
    }

    /// The format, a table unless another was asked for.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Table)
    }

    /// Whether the answer is for programs: JSON or YAML.
    pub fn structured(&self) -> bool {
        matches!(self.format(), Format::Json | Format::Yaml)
    }

    /// The text in a colour, when the output takes colours.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        paint(self.colour, colour, text)
    }

    /// Writes a text as it is. When nobody reads any more, the program ends quietly.
    pub fn text(&self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
            std::io::ErrorKind::BrokenPipe => Fault::Silent(Exit::Ok),
            _ => Fault::new(Exit::Internal, format!("cannot write to the standard output: {e}")),
        })
    }

    /// Writes a line.
    pub fn line(&self, text: &str) -> Result<()> {
        self.text(&format!("{text}\n"))
    }

    /// Writes a value as JSON or YAML, as asked for.
    pub fn value<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        match self.format() {
            Format::Yaml => self.text(&yaml(value)?),
            _ => self.line(&json(value)?),
        }
    }

    /// Writes one value a line, as streams do.
    pub fn value_line<T: Serialize>(&self, value: &T) -> Result<()> {
        match self.format() {
            Format::Yaml => self.text(&format!("---\n{}", yaml(value)?)),
            _ => self.line(&serde_json::to_string(value).map_err(broken)?),
        }
    }

    /// Writes a value for programs, or else a line for people.
    pub fn either<T: Serialize + ?Sized>(&self, value: &T, line: impl FnOnce() -> String) -> Result<()> {
        if self.structured() { self.value(value) } else { self.line(&line()) }
    }
}

fn broken(e: impl std::fmt::Display) -> Fault {
    Fault::new(Exit::Internal, format!("cannot write the answer: {e}"))
}

/// A value as indented JSON.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(broken)
}

/// A value as YAML, scripts as blocks, nothing folded.
pub fn yaml<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let value = serde_json::to_value(value).map_err(broken)?;
    let text =
        serde_saphyr::to_string_with_options(&value, serde_saphyr::ser_options! { indent_step: 2, folded_wrap_chars: usize::MAX, compact_list_indent: false });
    let mut text = text.map_err(broken)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Whether the environment allows colours.
pub fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// The text in a colour, when `on`.
pub fn paint(on: bool, colour: Colour, text: &str) -> String {
    if on && !text.is_empty() { format!("\x1b[{}m{text}\x1b[0m", colour.code()) } else { text.to_owned() }
}

/// Writes a note for people to the standard error; losing it is no failure.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A text of foreign origin, safe to show: control and direction characters become visible.
pub fn clean(text: &str) -> String {
    clean_keeping(text, &[])
}

/// As [`clean`], but line breaks and tabs stay: for scripts and output.
pub fn clean_lines(text: &str) -> String {
    clean_keeping(text, &['\n', '\t'])
}

fn clean_keeping(text: &str, keep: &[char]) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if !text.chars().any(|c| hidden(c) && !keep.contains(&c)) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut all, c| {
        if hidden(c) && !keep.contains(&c) {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
        all
    })
}

/// So many of something: `1 node`, `2 nodes`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A text cut to so many characters, with a mark where it was cut.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\n");
        assert_eq!(clean_lines("a\tb\nc"), "a\tb\nc");
        assert_eq!(clean("größe ⟨x⟩"), "größe ⟨x⟩");
    }

    #[test]
    fn yaml_reads_back_as_it_was() {
        let value = json!({"on": "yes", "n": "1", "f": 1.5, "empty": "", "script": "set -e\n\necho \"$X\" # no comment\n", "tail": "a  \nb\n\n", "list": [{"a": null, "b": [1, "2"]}, []],
            "long": "word ".repeat(60), "colon": "a: b", "tilde": "~", "dash": "- x", "lead": "  x\ny", "crlf": "a\r\nb", "null": "null", "date": "2026-01-01", "tpl": "{{ inputs.x }}", "pct": "%x", "at": "@x", "tick": "`x`", "uni": "é\u{85}x"});
        let text = yaml(&value).unwrap();
        let back = crate::positions::parse_yaml("x.yaml", &text).unwrap();
        assert_eq!(back.len(), 1, "{text}");
        assert_eq!(back[0].value, value, "{text}");
    }
}
