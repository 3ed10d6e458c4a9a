//! Listings: pages fetched and shown in every format.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_protocol::http::client::{Client, escape};

use crate::exit::Result;
use crate::output::{Format, note};
use crate::session::App;
use crate::table::Table;

/// How much of a listing is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paging {
    /// Everything.
    pub all: bool,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What a listing found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The most items of one page.
const PAGE: u32 = 500;

/// Fetches one page, so many items, or all.
pub async fn pages<T: DeserializeOwned>(client: &Client, path: &str, paging: &Paging) -> Result<Found<T>> {
    let mut found = Found { items: Vec::new(), next: None };
    loop {
        let have = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
        let left = paging.limit.map(|limit| limit.saturating_sub(have));
        let size = match (left, paging.all) {
            (Some(left), _) => Some(left.min(PAGE)),
            (None, true) => Some(PAGE),
            (None, false) => None,
        };
        let page: Found<T> = client.get(&page_path(path, size, found.next.as_deref())).await?;
        let came = !page.items.is_empty();
        found.items.extend(page.items);
        found.next = page.next;
        let enough = paging.limit.map_or(!paging.all, |limit| found.items.len() >= limit as usize);
        if enough || found.next.is_none() || !came {
            return Ok(found);
        }
    }
}

fn page_path(path: &str, size: Option<u32>, cursor: Option<&str>) -> String {
    // Small listings have neither pages nor these parameters; there is no cursor without a first page.
    let size = size.filter(|_| path.contains('?') || paged(path)).map(|size| format!("limit={size}"));
    let cursor = cursor.map(|cursor| format!("cursor={}", escape(cursor)));
    let query: Vec<String> = size.into_iter().chain(cursor).collect();
    match (query.is_empty(), path.contains('?')) {
        (true, _) => path.to_owned(),
        (false, true) => format!("{path}&{}", query.join("&")),
        (false, false) => format!("{path}?{}", query.join("&")),
    }
}

fn paged(path: &str) -> bool {
    ["runs", "tasks", "nodes", "events"].iter().any(|noun| path.ends_with(&format!("/{noun}")))
}

impl<T: Serialize> Found<T> {
    /// Shows what was found in the format asked for.
    pub fn print(&self, app: &App<'_>, name: impl Fn(&T) -> String, table: impl FnOnce() -> Table, nothing: &str) -> Result<()> {
        match app.out.format() {
            Format::Json | Format::Yaml => app.out.value(self)?,
            Format::Name => {
                let names: String = self.items.iter().map(|item| name(item) + "\n").collect();
                app.out.text(&names)?;
            }
            Format::Table | Format::Wide | Format::Csv => table().print(app.out, nothing)?,
        }
        if self.next.is_some() && !app.out.structured() {
            note(&format!("{} shown, there are more: --all-pages, or --limit N", self.items.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_where_there_are_some() {
        assert_eq!(page_path("/api/v1/runs", Some(5), None), "/api/v1/runs?limit=5");
        assert_eq!(page_path("/api/v1/runs?phase=a", Some(5), Some("x y")), "/api/v1/runs?phase=a&limit=5&cursor=x%20y");
        assert_eq!(page_path("/api/v1/users", Some(500), None), "/api/v1/users");
        assert_eq!(page_path("/api/v1/runs", None, None), "/api/v1/runs");
    }
}
