//! The overview: how runs went lately.

use std::collections::BTreeMap;

use synod_db::overview::{self, DayPhase, NodeDay};
use synod_domain::error::code;
use synod_domain::run::Phase;
use synod_domain::{Error, Result, Span, Timestamp};
use synod_protocol::http::overview::{self as view, BusyTemplate, Day, NodeTotals, Overview, OverviewQuery};

use crate::authz::{Action, Resource};
use crate::ctx::Ctx;

const DAY: Span = Span::secs(86_400);
const MOST_DAYS: u32 = 90;
const TEMPLATES: u32 = 10;

/// How runs went in the last days, in the namespaces whose runs the caller may see.
pub async fn overview(ctx: &Ctx, query: &OverviewQuery) -> Result<Overview> {
    let days = query.days.unwrap_or(14);
    if days == 0 || days > MOST_DAYS {
        return Err(Error::new(code::UNKNOWN_PARAMETER, format!("`days` is {days}; it is 1 to {MOST_DAYS}")));
    }
    let since = Timestamp(ctx.now.day_begins().0 - i64::from(days - 1) * DAY.as_millis());
    let namespaces = ctx.namespaces(Action::RunRead);
    let among = namespaces.as_deref();
    // Figures that are shown side by side are of one moment.
    let mut tx = ctx.app.db.snapshot().await?;
    let counted = overview::days(&mut tx, among, since).await?;
    let times = overview::approval_times(&mut tx, among, since).await?;
    let approvals = overview::approval_days(&mut tx, among, since).await?;
    let templates = overview::busiest(&mut tx, among, since, TEMPLATES).await?;
    let pending = overview::pending(&mut tx, among).await?;
    let unratified = overview::unratified(&mut tx, among).await?;
    let nodes = match ctx.may(Action::NodeRead, &Resource::system()) {
        true => Some((overview::nodes(&mut tx).await?, overview::node_days(&mut tx, since).await?)),
        false => None,
    };
    tx.rollback().await?;
    let mut by_day = by_day(&counted, since, days);
    for (day, times) in approvals {
        if let Some(shown) = of_day(&mut by_day, since, day) {
            shown.approval = Some(approval(times));
        }
    }
    if let Some(((connected, total), noted)) = &nodes {
        for seen in with_now(noted, ctx.now, *connected, *total) {
            if let Some(shown) = of_day(&mut by_day, since, seen.day) {
                shown.nodes = Some(view::NodeDay { least: seen.least, most: seen.most, total: seen.total });
            }
        }
    }
    Ok(Overview {
        since,
        success_rate: success_rate(&counted),
        days: by_day,
        approval: times.map(approval),
        templates: templates.into_iter().map(|(namespace, template, runs)| BusyTemplate { namespace, template, runs }).collect(),
        nodes: nodes.map(|((connected, total), _)| NodeTotals { connected, total }),
        pending,
        unratified,
    })
}

fn approval(times: overview::ApprovalTimes) -> view::ApprovalTimes {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    view::ApprovalTimes { runs: times.runs, p50_seconds: seconds(times.p50_ms), p90_seconds: seconds(times.p90_ms) }
}

/// The days that begin with `since`, one of them.
fn of_day(days: &mut [Day], since: Timestamp, day: i64) -> Option<&mut Day> {
    days.get_mut(usize::try_from(day - since.0 / DAY.as_millis()).ok()?)
}

/// What was noted of the nodes, and what is seen now.
fn with_now(noted: &[NodeDay], now: Timestamp, connected: u32, total: u32) -> Vec<NodeDay> {
    let today = now.day_begins().0 / DAY.as_millis();
    let (before, noted) = noted.split_at(noted.partition_point(|seen| seen.day < today));
    let (least, most) = noted.first().map_or((connected, connected), |seen| (seen.least.min(connected), seen.most.max(connected)));
    before.iter().copied().chain([NodeDay { day: today, least, most, total }]).collect()
}

fn success_rate(counted: &[DayPhase]) -> Option<f64> {
    let of = |phase: Phase| counted.iter().filter(|c| c.phase == phase).map(|c| f64::from(c.runs)).sum::<f64>();
    let (good, bad) = (of(Phase::Succeeded), of(Phase::Failed));
    (good + bad > 0.0).then(|| good / (good + bad))
}

fn by_day(counted: &[DayPhase], since: Timestamp, days: u32) -> Vec<Day> {
    let first = since.0 / DAY.as_millis();
    (first..first + i64::from(days))
        .map(|day| {
            let phases: BTreeMap<String, u32> = counted.iter().filter(|c| c.day == day).map(|c| (c.phase.name().to_owned(), c.runs)).collect();
            // A time is written as RFC 3339: the date comes first.
            Day { day: Timestamp(day * DAY.as_millis()).to_string().chars().take(10).collect(), phases, approval: None, nodes: None }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_without_runs_are_there_too() {
        let since = Timestamp(1_767_225_600_000);
        let day = since.0 / 86_400_000;
        let counted = [
            DayPhase { day, phase: Phase::Succeeded, runs: 3 },
            DayPhase { day, phase: Phase::Failed, runs: 1 },
            DayPhase { day: day + 2, phase: Phase::Rejected, runs: 2 },
        ];
        let days = by_day(&counted, since, 3);
        assert_eq!(days.iter().map(|d| d.day.as_str()).collect::<Vec<_>>(), ["2026-01-01", "2026-01-02", "2026-01-03"]);
        assert_eq!(days.iter().map(|d| d.phases.values().sum::<u32>()).collect::<Vec<_>>(), [4, 0, 2]);
        assert_eq!(success_rate(&counted), Some(0.75));
        assert_eq!(success_rate(&counted[2..]), None);
    }

    #[test]
    fn today_is_what_was_noted_and_what_is_seen_now() {
        let now = Timestamp(1_767_225_600_000 + 3_600_000);
        let today = now.0 / 86_400_000;
        let of = |day, least, most, total| NodeDay { day, least, most, total };
        assert_eq!(with_now(&[], now, 2, 3), [of(today, 2, 2, 3)]);
        let yesterday = of(today - 1, 1, 5, 6);
        for (noted, connected, expected) in [((3, 4), 2, (2, 4)), ((3, 4), 5, (3, 5)), ((1, 6), 3, (1, 6))] {
            let noted = [yesterday, of(today, noted.0, noted.1, 9)];
            assert_eq!(with_now(&noted, now, connected, 8), [yesterday, of(today, expected.0, expected.1, 8)]);
        }
    }

    #[test]
    fn figures_stand_at_their_day() {
        let since = Timestamp(1_767_225_600_000);
        let first = since.0 / 86_400_000;
        let mut days = by_day(&[], since, 2);
        assert_eq!(of_day(&mut days, since, first + 1).map(|day| day.day.clone()).as_deref(), Some("2026-01-02"));
        assert!(of_day(&mut days, since, first - 1).is_none() && of_day(&mut days, since, first + 2).is_none());
    }
}
