//! Figures: medians of samples, the targets they are held against, the table and the JSON document.

use serde::Serialize;

/// Which side of the target is good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
    /// Only for information.
    None,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// The scenario.
    pub scenario: String,
    /// `sqlite`, `postgres`, or `-` where it does not matter.
    pub database: String,
    /// What was measured.
    pub name: String,
    /// The unit.
    pub unit: &'static str,
    /// The median, or the one value.
    pub value: f64,
    /// 95 % of the samples are at most this, where there are at least 20.
    pub p95: Option<f64>,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
    /// What to reach.
    pub goal: Goal,
    /// Whether it is reached.
    pub met: Option<bool>,
    /// The samples in the order they were taken.
    pub samples: Vec<f64>,
}

/// The middle of some numbers.
pub fn quantile(samples: &[f64], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = q * sorted.len().saturating_sub(1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(a), Some(b)) => a + (b - a) * at.fract(),
        _ => f64::NAN,
    }
}

/// Makes a figure of samples; the scenario and database are filled in by the caller of the scenario.
pub fn figure(name: &str, unit: &'static str, goal: Goal, samples: Vec<f64>) -> Figure {
    let value = quantile(&samples, 0.5);
    let met = match goal {
        Goal::AtMost(limit) => Some(value <= limit),
        Goal::AtLeast(limit) => Some(value >= limit),
        Goal::None => None,
    };
    Figure {
        scenario: String::new(),
        database: String::new(),
        name: name.to_owned(),
        unit,
        value,
        p95: (samples.len() >= 20).then(|| quantile(&samples, 0.95)),
        min: quantile(&samples, 0.0),
        max: quantile(&samples, 1.0),
        goal,
        met,
        samples,
    }
}

/// A number with about three digits that matter.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The table, as text.
pub fn table(figures: &[Figure]) -> String {
    let head = ["scenario", "database", "figure", "median", "p95", "unit", "n", "target", ""].map(str::to_owned);
    let mut rows = vec![head];
    for f in figures {
        let (target, verdict) = match (f.goal, f.met) {
            (Goal::AtMost(limit), met) => (format!("<= {}", short(limit)), met),
            (Goal::AtLeast(limit), met) => (format!(">= {}", short(limit)), met),
            (Goal::None, _) => (String::new(), None),
        };
        rows.push([
            f.scenario.clone(),
            f.database.clone(),
            f.name.clone(),
            short(f.value),
            f.p95.map(short).unwrap_or_default(),
            f.unit.to_owned(),
            f.samples.len().to_string(),
            target,
            verdict.map_or("", |met| if met { "reached" } else { "MISSED" }).to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..9).map(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(n, (cell, width))| {
                let pad = " ".repeat(width - cell.chars().count());
                if (3..=4).contains(&n) || n == 6 { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
