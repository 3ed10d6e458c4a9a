//! `synod events`: search and follow what happened.

use clap::Args;
use serde_json::Value;
use synod_domain::Timestamp;
use synod_domain::event::{Event, types};
use synod_protocol::http::client::{ClientError, with_query};
use synod_protocol::http::event::EventQuery;

use super::API;
use super::listing::{self, Found, Paging};
use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, clean, shorten};
use crate::session::App;
use crate::stream::Follow;
use crate::table::{Show, Table};
use crate::when;

/// Arguments of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on with events as they come
    #[arg(short, long)]
    follow: bool,
    /// Only of this type; * at the end stands for any rest: synod.run.*
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only about this subject, such as template/shop/restart-service
    #[arg(long)]
    subject: Option<String>,
    /// Only of this run
    #[arg(long)]
    run: Option<String>,
    /// Only caused by this actor: user:NAME, node:NAME or system
    #[arg(long)]
    actor: Option<String>,
    /// Only since then: a time, or so long ago (2h)
    #[arg(long, value_parser = when::past)]
    since: Option<Timestamp>,
    /// Only until then
    #[arg(long, value_parser = when::past, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Only after this position of the log
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// At most so many; the newest, unless --since or --after is given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Fetch everything
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    all_pages: bool,
}

/// Searches and follows.
pub async fn events(args: EventsArgs, app: &App<'_>) -> Result {
    if let Some(kind) = &args.kind
        && !types::ALL.iter().any(|known| synod_domain::event::type_matches(kind, known))
    {
        let near = synod_domain::problem::nearest(kind, types::ALL.iter().copied());
        let fault = Fault::usage(format!("no event is of the type `{kind}`"));
        return Err(near.map_or_else(|| Fault::usage(format!("no event is of the type `{kind}`")), |near| fault.help(format!("did you mean `{near}`?"))));
    }
    let client = app.connect().await?;
    let from_start = args.since.is_some() || args.after.is_some() || args.all_pages;
    let query = EventQuery {
        kind: args.kind,
        subject: args.subject,
        run: args.run,
        namespace: app.namespace().map(str::to_owned),
        actor: args.actor,
        since: args.since,
        until: args.until,
        after: args.after,
        ..EventQuery::default()
    };
    let path = format!("{API}/events");
    let mut start = args.after.unwrap_or(0);
    if !(args.follow && from_start) {
        let newest = EventQuery { newest: !from_start, ..query.clone() };
        let limit = args.limit.or(args.follow.then_some(10));
        let mut found: Found<Event> = listing::pages(&client, &with_query(&path, &newest), &Paging { all: args.all_pages, limit }).await?;
        if newest.newest {
            found.items.reverse();
        }
        if !args.follow {
            return show(&found, app);
        }
        start = found.items.last().map_or(0, |event| event.position);
        for event in &found.items {
            print(event, app)?;
        }
    }
    let mut stream = Follow::new(&client, |last: Option<i64>| {
        let after = last.and_then(|position| u64::try_from(position).ok()).unwrap_or(start);
        with_query(&path, &EventQuery { follow: true, after: Some(after), ..query.clone() })
    });
    loop {
        let event = read(&stream.next().await?.data)?;
        print(&event, app)?;
    }
}

/// Reads an event of a stream.
pub fn read(data: &str) -> Result<Event> {
    serde_json::from_str(data).map_err(|e| Fault::Client(ClientError::Answer(e.to_string())))
}

fn print(event: &Event, app: &App<'_>) -> Result<()> {
    if app.out.structured() { app.out.value_line(event) } else { app.out.line(&line(event, app)) }
}

fn line(event: &Event, app: &App<'_>) -> String {
    let kind = event.kind.strip_prefix("synod.").unwrap_or(&event.kind);
    let time = app.out.paint(Colour::Dim, &event.time.to_string());
    format!("{time}  {:<22} {}  {}  {}", clean(kind), clean(&event.subject), clean(&event.actor), clean(&details(&event.data, TERSE)))
}

/// Shows events as a table.
pub fn show(found: &Found<Event>, app: &App<'_>) -> Result {
    found.print(
        app,
        |event| event.id.clone(),
        || {
            let mut table = Table::new(&[
                ("POSITION", Show::Wide),
                ("TIME", Show::Always),
                ("TYPE", Show::Always),
                ("SUBJECT", Show::Always),
                ("NAMESPACE", Show::Wide),
                ("RUN", Show::Wide),
                ("ACTOR", Show::Always),
                ("DETAILS", Show::Always),
            ]);
            let most = if app.out.terminal { TERSE } else { usize::MAX };
            for event in &found.items {
                table.row(vec![
                    event.position.into(),
                    event.time.into(),
                    (&event.kind).into(),
                    (&event.subject).into(),
                    event.namespace.as_deref().unwrap_or_default().into(),
                    event.run.as_deref().unwrap_or_default().into(),
                    (&event.actor).into(),
                    details(&event.data, most).into(),
                ]);
            }
            table
        },
        "no events",
    )?;
    Ok(Exit::Ok)
}

/// How long a field of an event's data may be on a line for people.
const TERSE: usize = 80;

/// The plain fields of an event's data, each cut to so many characters: `node=web-1 phase=succeeded`.
fn details(data: &Value, most: usize) -> String {
    let fields = data.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) if text.contains(' ') => format!("\"{}\"", shorten(text, most)),
            Value::String(text) => shorten(text, most),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some(format!("{name}={text}"))
    });
    fields.collect::<Vec<_>>().join(" ")
}

/// An event of a run in a few words, for those who watch.
pub fn words(event: &Event) -> String {
    let actor = event.actor.strip_prefix("user:").or(event.actor.strip_prefix("node:")).unwrap_or(&event.actor);
    let text = |name: &str| event.data[name].as_str().unwrap_or_default();
    let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let words = match event.kind.as_str() {
        types::RUN_REQUESTED => format!("requested by {actor}"),
        types::APPROVAL_GIVEN if text("decision") == "reject" => format!("{actor} rejected{}", because(text("comment"))),
        types::APPROVAL_GIVEN => format!("{actor} approved{}", because(text("comment"))),
        types::RUN_APPROVED => "enough people agree".into(),
        types::RUN_STARTED => "started".into(),
        types::RUN_AT_GATE => "waits at a gate for somebody to proceed".into(),
        types::RUN_PROCEEDED => format!("{actor} let it proceed"),
        types::RUN_STOPPED => format!("the rollout stopped{}", because(text("reason"))),
        types::RUN_CANCEL_REQUESTED => format!("{actor} asked to cancel{}", because(text("reason"))),
        types::RUN_BATCH => {
            let nodes = event.data["nodes"].as_u64().map(|n| format!(" on {n} node{}", if n == 1 { "" } else { "s" })).unwrap_or_default();
            format!("batch {} begins{nodes}", event.data["batch"].as_u64().unwrap_or(0) + 1)
        }
        types::TASK_ENDED | types::TASK_REFUSED => {
            let phase = if event.kind == types::TASK_REFUSED { "refused" } else { text("phase") };
            format!("{actor} {phase}{}", because(text("reason")))
        }
        types::TASK_STARTED => format!("{actor} started"),
        types::RUN_BREAK_GLASS => format!("BREAK-GLASS: {actor} starts it without waiting for others{}", because(text("reason"))),
        types::RATIFICATION_GIVEN => format!("{actor} ratified{}", because(text("comment"))),
        types::RUN_RATIFIED => "ratified after the fact: enough people agree".into(),
        types::RUN_INCIDENT => format!("{actor} recorded an incident{}", because(text("reference"))),
        types::TASK_CONTRADICTED => format!("{actor} now says {} of a task that it ended otherwise", text("phase")),
        kind => {
            let kind = kind.strip_prefix("synod.run.").or(kind.strip_prefix("synod.")).unwrap_or(kind).replace(['_', '.'], " ");
            format!("{kind} {}", details(&event.data, TERSE))
        }
    };
    clean(words.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, data: Value) -> Event {
        serde_json::from_value(json!({"specversion": "1.0", "id": "1", "source": "synod", "type": kind, "subject": "run/1", "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "actor": "user:bob", "position": 1, "data": data})).unwrap()
    }

    #[test]
    fn events_read_as_sentences() {
        for (kind, data, wanted) in [
            (types::APPROVAL_GIVEN, json!({"decision": "approve", "comment": "ok"}), "bob approved: ok"),
            (types::APPROVAL_GIVEN, json!({"decision": "reject"}), "bob rejected"),
            (types::TASK_ENDED, json!({"phase": "failed", "reason": "exit 1"}), "bob failed: exit 1"),
            (types::RUN_BATCH, json!({"batch": 1, "nodes": 3}), "batch 2 begins on 3 nodes"),
            (types::RUN_SUCCEEDED, json!({}), "succeeded"),
            (types::RUN_BREAK_GLASS, json!({"reason": "fire"}), "BREAK-GLASS: bob starts it without waiting for others: fire"),
            (types::RUN_INCIDENT, json!({"reference": "INC-7"}), "bob recorded an incident: INC-7"),
            ("synod.later.thing", json!({"a": "x y"}), "later thing a=\"x y\""),
        ] {
            assert_eq!(words(&event(kind, data)), wanted);
        }
    }
}
