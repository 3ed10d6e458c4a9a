//! The tables of `synod get`.

use synod_domain::object::{Document, Kind};
use synod_domain::{run, task};
use synod_protocol::http::node::Node;
use synod_protocol::http::object::DocumentList;
use synod_protocol::http::run::RunSummary;
use synod_protocol::http::task::Task;

use super::as_yaml;
use crate::cmd::listing::Found;
use crate::cmd::token::label_words;
use crate::exit::{Exit, Result};
use crate::output::{Colour, Format};
use crate::session::App;
use crate::table::{Cell, Show, Table};
use crate::when;

/// A run's phase in its colour.
pub fn run_phase(phase: run::Phase) -> Cell {
    let colour = match phase {
        run::Phase::Succeeded => Colour::Green,
        run::Phase::Failed | run::Phase::Rejected => Colour::Red,
        run::Phase::Pending => Colour::Yellow,
        run::Phase::Approved | run::Phase::Running => Colour::Blue,
        run::Phase::Cancelled | run::Phase::Expired => Colour::Dim,
    };
    Cell::coloured(phase.name(), Some(colour))
}

/// The colour of a task's phase.
pub fn task_colour(phase: task::Phase) -> Colour {
    match phase {
        task::Phase::Succeeded => Colour::Green,
        task::Phase::Waiting | task::Phase::Skipped | task::Phase::Cancelled => Colour::Dim,
        task::Phase::Assigned | task::Phase::Started => Colour::Blue,
        _ => Colour::Red,
    }
}

fn unratified(run: &RunSummary) -> bool {
    run.ratification == Some(run::Ratification::Unratified)
}

/// Runs.
pub fn runs(found: &Found<RunSummary>, app: &App<'_>) -> Result {
    found.print(
        app,
        |run| run.id.clone(),
        || {
            let mut table = Table::new(&[
                ("RUN", Show::Always),
                ("NAMESPACE", Show::Always),
                ("TEMPLATE", Show::Always),
                ("REVISION", Show::Wide),
                ("PHASE", Show::Always),
                ("NODES", Show::Always),
                ("BY", Show::Always),
                ("AGE", Show::Short),
                ("CREATED", Show::Wide),
                ("FINISHED", Show::Wide),
                ("REASON", Show::Always),
                ("RATIFICATION", Show::Wide),
                ("MESSAGE", Show::Wide),
            ]);
            for run in &found.items {
                table.row(vec![
                    (&run.id).into(),
                    (&run.namespace).into(),
                    (&run.template).into(),
                    run.revision.into(),
                    if unratified(run) && app.out.format() == Format::Table {
                        Cell::coloured(format!("{}, unratified", run.phase), Some(Colour::Red))
                    } else {
                        run_phase(run.phase)
                    },
                    run.node_count.into(),
                    (&run.requester).into(),
                    when::age(run.created_at).into(),
                    run.created_at.into(),
                    run.finished_at.map(|at| at.to_string()).unwrap_or_default().into(),
                    (&run.reason).into(),
                    run.ratification.map(run::Ratification::name).unwrap_or_default().into(),
                    (&run.message).into(),
                ]);
            }
            table
        },
        "no runs",
    )?;
    Ok(Exit::Ok)
}

/// Tasks.
pub fn tasks(found: &Found<Task>, app: &App<'_>) -> Result {
    found.print(
        app,
        |task| task.id.clone(),
        || {
            let mut table = Table::new(&[
                ("TASK", Show::Always),
                ("NAMESPACE", Show::Wide),
                ("TEMPLATE", Show::Always),
                ("NODE", Show::Always),
                ("PHASE", Show::Always),
                ("EXIT", Show::Always),
                ("TOOK", Show::Short),
                ("STARTED", Show::Wide),
                ("FINISHED", Show::Wide),
                ("AGE", Show::Short),
                ("BATCH", Show::Wide),
                ("REASON", Show::Always),
            ]);
            for task in &found.items {
                let took = task.started_at.zip(task.finished_at).map(|(from, to)| when::took(to.since(from))).unwrap_or_default();
                let time = |at: Option<synod_domain::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
                let age = task.finished_at.or(task.started_at).or(task.assigned_at).map(when::age).unwrap_or_default();
                let reason =
                    if task.reason.is_empty() && !task.warnings.is_empty() { format!("warning: {}", task.warnings.join("; ")) } else { task.reason.clone() };
                table.row(vec![
                    (&task.id).into(),
                    (&task.namespace).into(),
                    (&task.template).into(),
                    (&task.node).into(),
                    Cell::coloured(task.phase.name(), Some(task_colour(task.phase))),
                    task.exit_code.map(|code| code.to_string()).unwrap_or_default().into(),
                    took.into(),
                    time(task.started_at).into(),
                    time(task.finished_at).into(),
                    age.into(),
                    task.batch.map(|n| (n + 1).to_string()).unwrap_or_default().into(),
                    reason.into(),
                ]);
            }
            table
        },
        "no tasks",
    )?;
    Ok(Exit::Ok)
}

/// Nodes.
pub fn nodes(found: &Found<Node>, app: &App<'_>) -> Result {
    found.print(
        app,
        |node| node.name.clone(),
        || {
            let mut table = Table::new(&[
                ("NODE", Show::Always),
                ("STATE", Show::Always),
                ("LABELS", Show::Always),
                ("OS", Show::Wide),
                ("SEEN", Show::Short),
                ("LAST SEEN", Show::Wide),
                ("VERSION", Show::Always),
                ("TRUST", Show::Wide),
                ("SERVER", Show::Wide),
                ("CERTIFICATE ENDS", Show::Wide),
                ("ID", Show::Wide),
            ]);
            for node in &found.items {
                let state = match (node.connected, node.trust.alarm.is_empty()) {
                    (true, true) => Cell::coloured("connected", Some(Colour::Green)),
                    (true, false) => Cell::coloured("connected, alarm", Some(Colour::Red)),
                    (false, _) => Cell::coloured("away", Some(Colour::Red)),
                };
                let root = if node.trust.version > 0 { format!(" v{}", node.trust.version) } else { String::new() };
                table.row(vec![
                    (&node.name).into(),
                    state,
                    label_words(&node.labels).into(),
                    node.facts["os"].as_str().unwrap_or_default().into(),
                    node.last_seen_at.map(when::age).unwrap_or_default().into(),
                    node.last_seen_at.map(|at| at.to_string()).unwrap_or_default().into(),
                    (&node.version).into(),
                    format!("{}{root}", node.trust.mode).into(),
                    node.server.as_deref().unwrap_or_default().into(),
                    node.certificate_expires_at.into(),
                    (&node.id).into(),
                ]);
            }
            table
        },
        "no nodes",
    )?;
    Ok(Exit::Ok)
}

/// What a declared thing says, in a few words.
fn summary(document: &Document) -> String {
    let spec = &document.spec;
    let text = |pointer: &str| spec.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    match document.kind {
        Kind::Namespace => text("/title"),
        Kind::Group => {
            let members: Vec<&str> = spec["members"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
            members.join(", ")
        }
        Kind::RoleBinding => {
            let subjects = spec["subjects"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one.as_object()?.iter().next().map(|(kind, name)| format!("{kind} {}", name.as_str().unwrap_or_default())));
            format!("{}: {}", text("/role"), subjects.collect::<Vec<_>>().join(", "))
        }
        Kind::Policy => text("/description"),
        Kind::Template if spec["enabled"] == false => format!("(disabled) {}", text("/title")),
        Kind::Template => text("/title"),
    }
}

/// Declared things.
pub fn documents(items: Vec<Document>, app: &App<'_>, with_kind: bool) -> Result {
    if app.out.format() == Format::Yaml {
        return app.out.text(&as_yaml(&items)?).map(|()| Exit::Ok);
    }
    if app.out.format() == Format::Json {
        return app.out.value(&DocumentList { items }).map(|()| Exit::Ok);
    }
    let path = |d: &Document| d.metadata.namespace.as_ref().map_or_else(|| d.metadata.name.clone(), |namespace| format!("{namespace}/{}", d.metadata.name));
    let found = Found { items, next: None };
    let name = |d: &Document| if with_kind { format!("{}/{}", d.kind.name().to_lowercase(), path(d)) } else { path(d) };
    found.print(
        app,
        name,
        || {
            let when_many = if with_kind { Show::Always } else { Show::Wide };
            let mut table = Table::new(&[
                ("KIND", when_many),
                ("NAMESPACE", Show::Always),
                ("NAME", Show::Always),
                ("REVISION", Show::Always),
                ("AGE", Show::Short),
                ("UPDATED", Show::Wide),
                ("AUTHOR", Show::Wide),
                ("LABELS", Show::Wide),
                ("SUMMARY", Show::Always),
            ]);
            for d in &found.items {
                let meta = &d.metadata;
                table.row(vec![
                    d.kind.into(),
                    meta.namespace.as_deref().unwrap_or_default().into(),
                    (&meta.name).into(),
                    meta.revision.map(|n| n.to_string()).unwrap_or_default().into(),
                    meta.updated_at.map(when::age).unwrap_or_default().into(),
                    meta.updated_at.map(|at| at.to_string()).unwrap_or_default().into(),
                    meta.author.as_deref().unwrap_or_default().into(),
                    label_words(&meta.labels).into(),
                    summary(d).into(),
                ]);
            }
            table
        },
        "nothing found",
    )?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_export_reads_back() {
        let documents: Vec<Document> = [
            json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": "oncall"}, "spec": {"members": ["ann", "yes"]}}),
            json!({"apiVersion": "synod/v1", "kind": "Template", "metadata": {"namespace": "shop", "name": "x"}, "spec": {"title": "T: x", "approval": {"rules": []}, "steps": [{"name": "a", "run": "set -e\necho '{{ inputs.x }}'\n"}]}}),
        ]
        .into_iter()
        .map(|value| serde_json::from_value(value).unwrap())
        .collect();
        let text = as_yaml(&documents).unwrap();
        let back = crate::positions::parse_yaml("x", &text).unwrap();
        assert_eq!(back.len(), 2, "{text}");
        for (document, parsed) in documents.iter().zip(back) {
            assert_eq!(serde_json::to_value(document).unwrap(), parsed.value, "{text}");
        }
        assert_eq!(summary(&documents[0]), "ann, yes");
    }
}
