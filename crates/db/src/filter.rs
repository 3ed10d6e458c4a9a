//! Puts a SELECT together from the filters that were given.

use crate::Param;

/// A SELECT with its conditions and their values.
pub(crate) struct Select {
    sql: String,
    values: Vec<Param>,
}

impl Select {
    /// Begins with `SELECT … FROM …`, without conditions.
    pub fn from(text: &str) -> Self {
        Self { sql: format!("{text} WHERE 1 = 1"), values: Vec::new() }
    }

    /// Binds a value and returns its mark.
    pub fn bind(&mut self, value: impl Into<Param>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds a condition such as `run_id =`, when there is a value for it.
    pub fn and(&mut self, condition: &str, value: Option<impl Into<Param>>) {
        if let Some(value) = value {
            let mark = self.bind(value);
            self.sql.push_str(&format!(" AND {condition} {mark}"));
        }
    }

    /// Adds a condition that is complete in itself.
    pub fn and_text(&mut self, condition: &str) {
        self.sql.push_str(&format!(" AND ({condition})"));
    }

    /// Only rows whose column is among the names; an empty list lets none pass, `None` all. With `or_null` those
    /// without a name pass too.
    pub fn and_among(&mut self, column: &str, names: Option<&[String]>, or_null: bool) {
        let Some(names) = names else { return };
        let marks: Vec<String> = names.iter().map(|name| self.bind(name)).collect();
        let inside = if marks.is_empty() { "1 = 0".to_owned() } else { format!("{column} IN ({})", marks.join(", ")) };
        let outside = if or_null { format!(" OR {column} IS NULL") } else { String::new() };
        self.and_text(&format!("{inside}{outside}"));
    }

    /// Only rows whose column is one of these words of ours; no words let all pass.
    pub fn and_words(&mut self, column: &str, words: &[&'static str]) {
        if !words.is_empty() {
            let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            self.and_text(&format!("{column} IN ({})", quoted.join(", ")));
        }
    }

    /// Only rows after a place in an order by these columns; the flag says that a column goes down.
    pub fn and_after(&mut self, order: &[(&str, bool, Param)]) {
        let mut text = "1 = 0".to_owned();
        for (column, down, value) in order.iter().rev() {
            let (beyond, same) = (self.bind(value.clone()), self.bind(value.clone()));
            let sign = if *down { '<' } else { '>' };
            text = format!("{column} {sign} {beyond} OR {column} = {same} AND ({text})");
        }
        self.and_text(&text);
    }

    /// Ends with order and bounds.
    pub fn end(mut self, rest: &str) -> (String, Vec<Param>) {
        self.sql.push_str(rest);
        (self.sql, self.values)
    }
}
