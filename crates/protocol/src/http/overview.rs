//! The overview: how runs went lately.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;

/// `GET /api/v1/overview`
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OverviewQuery {
    /// Over so many days up to today, in UTC (1 to 90, default 14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// How runs went, as far as the caller may see them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The beginning of the first day.
    pub since: Timestamp,
    /// The days, oldest first; those without runs too.
    pub days: Vec<Day>,
    /// Of the runs that succeeded or failed, the part that succeeded (0 to 1); absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// How long it took from the request to the last approval; absent when nothing was approved by people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalTimes>,
    /// The templates with most runs, the busiest first; at most ten.
    pub templates: Vec<BusyTemplate>,
    /// The nodes; absent for who may not see nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeTotals>,
    /// Runs that await decisions now.
    pub pending: u32,
    /// Runs started by break-glass that await ratification now.
    pub unratified: u32,
}

/// One day: the runs requested on it, and the nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// `2026-11-23`, in UTC.
    pub day: String,
    /// How many stand in each phase now; phases without any are left out.
    pub phases: BTreeMap<String, u32>,
    /// How long approval of them took; absent when nothing was approved by people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalTimes>,
    /// The nodes on that day; absent for who may not see nodes, and where no server ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeDay>,
}

/// How long approval took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalTimes {
    /// Of so many runs.
    pub runs: u32,
    /// Half of them took at most so many seconds.
    pub p50_seconds: f64,
    /// Nine of ten took at most so many seconds.
    pub p90_seconds: f64,
}

/// A template and how often it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BusyTemplate {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub template: String,
    /// So many runs.
    pub runs: u32,
}

/// How many nodes were connected on a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeDay {
    /// The fewest at once, looked at each minute.
    pub least: u32,
    /// The most at once.
    pub most: u32,
    /// How many there were at the end of it, or are now.
    pub total: u32,
}

/// How many nodes there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeTotals {
    /// Connected to some server.
    pub connected: u32,
    /// All.
    pub total: u32,
}
