//! Tables for people, and the same rows as CSV.

use crate::exit::Result;
use crate::output::{Colour, Format, Out, clean, shorten};

/// One place of a table.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    /// A text in a colour.
    pub fn coloured(text: impl Into<String>, colour: Option<Colour>) -> Self {
        Self { text: clean(&text.into()), colour }
    }
}

impl<T: std::fmt::Display> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::coloured(text.to_string(), None)
    }
}

/// Columns, each with a heading; some only when asked for more.
#[derive(Debug, Default)]
pub struct Table {
    heads: Vec<(&'static str, Show)>,
    rows: Vec<Vec<Cell>>,
}

/// When a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Always.
    Always,
    /// In tables only: a short form.
    Short,
    /// In wide tables and CSV only.
    Wide,
}

impl Table {
    /// A table with these columns.
    pub fn new(heads: &[(&'static str, Show)]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// A table whose columns always show.
    pub fn simple(heads: &[&'static str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head, Show::Always)).collect(), rows: Vec::new() }
    }

    /// Adds a row, a cell for every column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text.
    pub fn render(&self, out: &Out, format: Format) -> String {
        let wide = format != Format::Table;
        let shown: Vec<usize> = (0..self.heads.len())
            .filter(|n| match self.heads[*n].1 {
                Show::Always => true,
                Show::Short => !wide,
                Show::Wide => wide,
            })
            .collect();
        if format == Format::Csv {
            return self.csv(&shown);
        }
        // Only a screen is too narrow: what goes into a pipe or a file is whole.
        let whole = |cell: &Cell| wide || !out.terminal || cell.colour.is_some();
        let text = |cell: &Cell| if whole(cell) { cell.text.clone() } else { shorten(&cell.text, 48) };
        let widths: Vec<usize> = shown
            .iter()
            .map(|n| {
                let cells = self.rows.iter().filter_map(|row| row.get(*n)).map(|cell| text(cell).chars().count());
                cells.chain([self.heads[*n].0.len()]).max().unwrap_or(0)
            })
            .collect();
        let mut all = String::new();
        let mut line = |cells: Vec<(String, Option<Colour>)>| {
            let mut row = String::new();
            for (n, (text, colour)) in cells.iter().enumerate() {
                let pad = if n + 1 == cells.len() { 0 } else { widths[n] + 2 - text.chars().count() };
                row.push_str(&colour.map_or_else(|| text.clone(), |colour| out.paint(colour, text)));
                row.push_str(&" ".repeat(pad));
            }
            all.push_str(row.trim_end());
            all.push('\n');
        };
        line(shown.iter().map(|n| (self.heads[*n].0.to_owned(), Some(Colour::Dim))).collect());
        for row in &self.rows {
            line(shown.iter().map(|n| row.get(*n).map_or((String::new(), None), |cell| (text(cell), cell.colour))).collect());
        }
        all
    }

    fn csv(&self, shown: &[usize]) -> String {
        let quote = |text: &str| {
            if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
        };
        let mut lines = vec![shown.iter().map(|n| quote(&self.heads[*n].0.to_lowercase())).collect::<Vec<_>>().join(",")];
        for row in &self.rows {
            lines.push(shown.iter().map(|n| row.get(*n).map_or_else(String::new, |cell| quote(&cell.text))).collect::<Vec<_>>().join(","));
        }
        lines.join("\n") + "\n"
    }

    /// Writes the table, or says in a note that there is nothing.
    pub fn print(&self, out: &Out, nothing: &str) -> Result<()> {
        if self.is_empty() && out.format() != Format::Csv {
            crate::output::note(nothing);
            return Ok(());
        }
        out.text(&self.render(out, out.format()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("NAME", Show::Always), ("AGE", Show::Short), ("CREATED", Show::Wide), ("REASON", Show::Always)]);
        table.row(vec!["web-1".into(), "5m".into(), "2026-01-01".into(), "a, \"b\"".into()]);
        table.row(vec!["x".into(), "10d".into(), "2025-01-01".into(), "long ".repeat(20).into()]);
        table
    }

    #[test]
    fn columns_line_up() {
        let piped = Out::plain(Format::Table);
        let mut out = piped.clone();
        out.terminal = true;
        let text = table().render(&out, Format::Table);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME   AGE  REASON");
        assert_eq!(lines[1], "web-1  5m   a, \"b\"");
        assert!(lines[2].starts_with("x      10d  long long") && lines[2].ends_with('…'));
        let wide = table().render(&out, Format::Wide);
        assert!(wide.starts_with("NAME   CREATED     REASON") && !wide.contains('…'));
        let whole = table().render(&piped, Format::Table);
        assert!(whole.starts_with("NAME   AGE  REASON") && whole.contains(&"long ".repeat(19)) && !whole.contains('…'), "{whole}");
    }

    #[test]
    fn csv_quotes_what_it_must() {
        let text = table().render(&Out::plain(Format::Csv), Format::Csv);
        assert!(text.starts_with("name,created,reason\nweb-1,2026-01-01,\"a, \"\"b\"\"\"\n"), "{text}");
    }
}
