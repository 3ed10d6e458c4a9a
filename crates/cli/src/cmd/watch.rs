//! `synod watch`: follow a run to its end by server-sent events, never by polling.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use synod_domain::event::{Event, types};
use synod_domain::run::Phase;
use synod_domain::task;
use synod_protocol::http::client::{Client, ClientError, escape, with_query};
use synod_protocol::http::event::EventQuery;
use synod_protocol::http::run::Run;
use synod_protocol::http::task::{OutputChunk, OutputQuery};

use super::API;
use super::describe::failed_tasks;
use super::describe_run::counts;
use super::events::{read, words};
use super::logs::Printer;
use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, Format, clean, note};
use crate::session::App;
use crate::stream::Follow;
use crate::when;

/// How often the counts of a progress bar are read, and only after something happened.
const REFRESH: Duration = Duration::from_millis(300);
/// Without any event for so long, the run is looked at once.
const QUIET: Duration = Duration::from_secs(60);
/// How long the last output is waited for after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The run, by id or a unique beginning of it
    run: String,
}

/// Follows a run; the exit code tells how it ended.
pub async fn watch(args: WatchArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let run: Run = client.get(&format!("{API}/runs/{}", escape(&args.run))).await?;
    if app.out.format() == Format::Name {
        app.out.line(&run.summary.id)?;
        return wait(&client, &run, app).await;
    }
    if run.summary.phase.ended() {
        return ended(&client, &run, app).await;
    }
    follow(&client, &run, app).await
}

fn event_path(run: &str) -> impl Fn(Option<i64>) -> String + use<> {
    let run = run.to_owned();
    move |last| {
        // From the beginning, so that nothing between request and subscription is missed.
        let after = Some(last.and_then(|position| u64::try_from(position).ok()).unwrap_or(0));
        with_query(&format!("{API}/events"), &EventQuery { run: Some(run.clone()), follow: true, after, ..EventQuery::default() })
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event.kind.as_str(), types::RUN_SUCCEEDED | types::RUN_FAILED | types::RUN_CANCELLED | types::RUN_REJECTED | types::RUN_EXPIRED)
}

async fn fetch(client: &Client, id: &str) -> Result<Run> {
    Ok(client.get(&format!("{API}/runs/{}", escape(id))).await?)
}

/// Waits for a run's end without a word, then sums it up.
pub async fn wait(client: &Client, run: &Run, app: &App<'_>) -> Result {
    let id = &run.summary.id;
    if run.summary.phase.ended() {
        return ended(client, run, app).await;
    }
    let mut events = Follow::new(client, event_path(id));
    loop {
        match tokio::time::timeout(QUIET, events.next()).await {
            Ok(event) => {
                if is_end(&read(&event?.data)?) {
                    break;
                }
            }
            Err(_) if fetch(client, id).await.is_ok_and(|run| run.summary.phase.ended()) => break,
            Err(_) => {}
        }
    }
    let run = fetch(client, id).await?;
    ended(client, &run, app).await
}

/// Sums up a run that has ended.
async fn ended(client: &Client, run: &Run, app: &App<'_>) -> Result {
    let summary = &run.summary;
    let exit = Exit::of_run(summary.phase);
    if app.out.structured() {
        return app.out.value(run).map(|()| exit);
    }
    // Whoever wants the name has it already, and the exit code tells the rest.
    if app.out.format() == Format::Name {
        return Ok(exit);
    }
    let colour = match summary.phase {
        Phase::Succeeded => Colour::Green,
        Phase::Failed | Phase::Rejected => Colour::Red,
        _ => Colour::Yellow,
    };
    let took = summary.started_at.zip(summary.finished_at).map(|(from, to)| format!(" in {}", when::took(to.since(from)))).unwrap_or_default();
    let message = if summary.message.is_empty() { String::new() } else { format!(" — {}", clean(&summary.message)) };
    let tasks = if summary.started_at.is_some() { format!(": {}", counts(&run.tasks)) } else { String::new() };
    app.out.line(&format!("run {} {}{took}{tasks}{message}", clean(&summary.id), app.out.paint(colour, summary.phase.name())))?;
    if run.tasks.failed + run.tasks.timed_out + run.tasks.lost + run.tasks.refused > 0 {
        for task in failed_tasks(client, &summary.id).await? {
            app.out.line(&app.out.paint(Colour::Red, &clean(&format!("  {}: {} {}", task.node, task.phase, task.reason))))?;
        }
    }
    Ok(exit)
}

/// Shows progress and output until the run's end.
pub async fn follow(client: &Client, run: &Run, app: &App<'_>) -> Result {
    let id = run.summary.id.clone();
    let mut events = Follow::new(client, event_path(&id));
    let output_path = format!("{API}/runs/{}/output", escape(&id));
    let mut output = Follow::new(client, |after| with_query(&output_path, &OutputQuery { follow: true, after, ..OutputQuery::default() }));
    let mut view = View::new(run, app);
    let (mut over, mut output_over, mut stale) = (false, app.out.structured(), false);
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let quiet = tokio::time::sleep(QUIET);
    tokio::pin!(quiet);
    if output_over {
        events.open().await;
    } else {
        tokio::join!(events.open(), output.open());
    }
    while !(over && output_over) {
        tokio::select! {
            event = events.next(), if !over => {
                let event = read(&event?.data)?;
                over = is_end(&event);
                stale = true;
                view.event(&event)?;
                quiet.as_mut().reset(tokio::time::Instant::now() + if over { LAST_WORDS } else { QUIET });
            }
            piece = output.next(), if !output_over => match piece {
                Ok(piece) if piece.event == "end" => output_over = true,
                Ok(piece) => {
                    let chunk: OutputChunk = serde_json::from_str(&piece.data).map_err(|e| Fault::Client(ClientError::Answer(e.to_string())))?;
                    view.output(&chunk)?;
                }
                Err(fault) => {
                    // Who may not read output may still watch.
                    note(&format!("output is not shown: {}", crate::diagnose::text(&fault, false)));
                    output_over = true;
                }
            },
            _ = refresh.tick(), if stale && view.wants_counts() && !over => {
                stale = false;
                view.counts(&fetch(client, &id).await?);
            }
            () = &mut quiet => {
                if over {
                    break;
                }
                over = fetch(client, &id).await?.summary.phase.ended();
                quiet.as_mut().reset(tokio::time::Instant::now() + if over { LAST_WORDS } else { QUIET });
            }
        }
    }
    view.finish()?;
    let run = fetch(client, &id).await?;
    if app.out.structured() {
        return app.out.value_line(&run).map(|()| Exit::of_run(run.summary.phase));
    }
    ended(client, &run, app).await
}

/// A progress bar and lines above it on a terminal, plain lines elsewhere.
struct View<'a> {
    app: &'a App<'a>,
    bar: ProgressBar,
    printer: Printer<'a>,
}

impl<'a> View<'a> {
    fn new(run: &Run, app: &'a App<'a>) -> Self {
        // Hidden by itself when the standard error is no terminal.
        let hidden = app.out.structured() || !app.out.terminal;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(u64::from(run.summary.node_count)), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let view = Self { app, bar, printer: Printer::new(app.out, false, true) };
        view.counts(run);
        view
    }

    fn wants_counts(&self) -> bool {
        !self.bar.is_hidden()
    }

    fn counts(&self, run: &Run) {
        self.bar.set_length(u64::from(run.summary.node_count));
        self.bar.set_position(u64::from(run.tasks.ended()));
        let words = match run.summary.phase {
            Phase::Pending => {
                let missing: Vec<&str> = run.rules.iter().filter(|rule| rule.missing > 0).map(|rule| rule.rule.as_str()).collect();
                format!("pending: {}", missing.join("; "))
            }
            Phase::Running if run.at_gate => format!("batch {}/{} · at the gate: synod proceed {}", run.batch, run.batches.len(), run.summary.id),
            Phase::Running => format!("batch {}/{} · {}", run.batch, run.batches.len(), counts(&run.tasks)),
            phase => phase.name().to_owned(),
        };
        self.bar.set_message(clean(&words));
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        if self.app.out.structured() {
            return self.app.out.value_line(event);
        }
        // With a bar, single nodes show only when something went wrong.
        let phase = event.data["phase"].as_str().and_then(|name| name.parse::<task::Phase>().ok());
        let ordinary = event.kind == types::TASK_STARTED || (event.kind == types::TASK_ENDED && phase.is_none_or(|phase| !phase.counts_as_failed()));
        if ordinary && !self.bar.is_hidden() || is_end(event) {
            return Ok(());
        }
        let at = jiff::Timestamp::from_millisecond(event.time.0)
            .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string())
            .unwrap_or_default();
        let line = format!("{} {}\n", self.app.out.paint(Colour::Dim, &at), words(event));
        self.write(line.as_bytes())
    }

    fn output(&mut self, chunk: &OutputChunk) -> Result<()> {
        let text = self.printer.feed(chunk);
        self.write(&text)
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bar.suspend(|| self.app.out.bytes(bytes))
    }

    fn finish(&mut self) -> Result<()> {
        let rest = self.printer.finish();
        self.bar.finish_and_clear();
        self.app.out.bytes(&rest)
    }
}
