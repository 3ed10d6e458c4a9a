//! `synod describe`: all about one thing, for people.

use clap::Args;
use synod_domain::manifest::NodeEntry;
use synod_domain::object::{Document, Kind};
use synod_domain::template::TemplateSpec;
use synod_protocol::http::Page as Items;
use synod_protocol::http::access::{AccessQuery, WhoCan};
use synod_protocol::http::client::{Client, ClientError, escape, with_query};
use synod_protocol::http::node::{Node, NodeTrust};
use synod_protocol::http::run::{Run, RunNode, RunNodes};
use synod_protocol::http::task::{Task, TaskQuery};
use synod_protocol::http::user::User;

use super::API;
use super::describe_run::{self, Page};
use super::kinds::{Thing, object_path, split};
use super::token::label_words;
use crate::exit::{Exit, Fault, Result};
use crate::output::Colour;
use crate::session::App;
use crate::when;

/// Arguments of `describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// What: run, template, node, task, user, namespace, group, rolebinding or policy
    #[arg(value_name = "KIND")]
    thing: Thing,
    /// Its name or id
    name: String,
}

/// Tells all about one thing.
pub async fn describe(args: DescribeArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let name = args.name.as_str();
    match args.thing {
        Thing::Run => run(&client, name, app).await?,
        Thing::Declared(Kind::Template) => template(&client, name, app).await?,
        Thing::Declared(kind) => declared(&client, kind, name, app).await?,
        Thing::Node => node(&client, name, app).await?,
        Thing::Task => task(&client, name, app).await?,
        Thing::User => user(&client, name, app).await?,
        Thing::Token | Thing::Event | Thing::All => {
            return Err(Fault::usage(format!("{} cannot be described; see `synod get {}`", args.thing.plural(), args.thing.plural())));
        }
    }
    Ok(Exit::Ok)
}

/// A run and its nodes in rollout order.
pub async fn fetch_run(client: &Client, id: &str) -> Result<(Run, Vec<NodeEntry>)> {
    let path = format!("{API}/runs/{}", escape(id));
    let nodes = format!("{path}/nodes");
    let (run, nodes): (Run, RunNodes) = tokio::try_join!(client.get(&path), client.get(&nodes))?;
    Ok((run, nodes.nodes.iter().map(RunNode::entry).collect()))
}

async fn run(client: &Client, id: &str, app: &App<'_>) -> Result<()> {
    let (run, nodes) = fetch_run(client, id).await?;
    if app.out.structured() {
        return app.out.value(&run);
    }
    let tasks = &run.tasks;
    let mut troubled = Vec::new();
    if tasks.failed + tasks.timed_out + tasks.lost + tasks.refused > 0 {
        troubled = failed_tasks(client, &run.summary.id).await?;
    }
    describe_run::whole(&run, &nodes, &troubled, app.out)
}

/// Tasks of a run that did not go well, the first twenty.
pub async fn failed_tasks(client: &Client, run: &str) -> Result<Vec<Task>> {
    let query = TaskQuery {
        run: Some(run.to_owned()),
        phase: Some("failed,timed_out,lost,refused".into()),
        sort: Some("node".into()),
        limit: Some(20),
        ..TaskQuery::default()
    };
    let page: Items<Task> = client.query(&format!("{API}/tasks"), &query).await?;
    Ok(page.items)
}

async fn template(client: &Client, name: &str, app: &App<'_>) -> Result<()> {
    let (namespace, name) = split(Kind::Template, name, app.namespace())?;
    let path = object_path(Kind::Template, namespace, name, "");
    let query = AccessQuery { action: "run.request".into(), namespace: namespace.map(str::to_owned), template: Some(name.to_owned()) };
    let who = with_query(&format!("{API}/access/who-can"), &query);
    if app.out.structured() {
        let document: Document = client.get(&path).await?;
        return app.out.value(&document);
    }
    let (document, who) = tokio::join!(client.get::<Document>(&path), client.get::<WhoCan>(&who));
    let document = document?;
    let spec: TemplateSpec = serde_json::from_value(document.spec.clone()).map_err(|e| Fault::Client(ClientError::Answer(e.to_string())))?;
    let mut page = Page::new(app.out);
    page.head(&format!("Template {}/{name}: {}", namespace.unwrap_or_default(), spec.title));
    if !spec.description.is_empty() {
        page.item(spec.description.trim());
    }
    meta(&mut page, &document);
    if !spec.enabled {
        page.marked(Colour::Red, "disabled: nobody can request it");
    }
    let mut places = vec![if spec.targets.selector.is_empty() { "any node".to_owned() } else { spec.targets.selector.to_string() }];
    places.extend(spec.targets.exclude.iter().map(|exclude| format!("but not {exclude}")));
    places.push(format!("at least {}", spec.targets.min));
    places.extend(spec.targets.max.map(|max| format!("at most {max}")));
    page.field("Targets", places.join(", "));
    inputs(&mut page, &spec.inputs);
    page.head("Approval:");
    for rule in &spec.approval.rules {
        page.item(rule);
    }
    if spec.approval.rules.is_empty() {
        page.item("none: a request starts at once");
    }
    let may = |yes: bool| if yes { "may approve" } else { "may not approve" };
    page.item(format!(
        "the requester {}, the author {}; {}; it waits {}",
        may(spec.approval.requester_may_approve),
        may(spec.approval.author_may_approve),
        describe_run::rejections(spec.approval.rejections),
        spec.approval.expires_after
    ));
    page.field("Strategy", describe_run::strategy(&spec.strategy));
    page.field("Timeout", spec.timeout);
    page.field("Runs as", spec.run_as.as_deref().unwrap_or_default());
    page.head("Steps:");
    for (n, step) in spec.steps.iter().enumerate() {
        page.item(format!("{}. {}{}", n + 1, step.name, step.when.as_ref().map(|c| format!(", when {c}")).unwrap_or_default()));
        page.script(step.run.as_deref().unwrap_or_default());
        page.expects(step);
    }
    if let Ok(who) = who {
        let names: Vec<&str> = who.people.iter().map(|one| one.user.as_str()).collect();
        page.field("Requesters", if names.is_empty() { "nobody".to_owned() } else { names.join(", ") });
    }
    page.print()
}

fn meta(page: &mut Page<'_>, document: &Document) {
    let meta = &document.metadata;
    if let Some(revision) = meta.revision {
        let author = meta.author.as_deref().unwrap_or("?");
        page.field("Revision", format!("{revision} by {author}{}", meta.updated_at.map(|at| format!(", {}", when::full(at))).unwrap_or_default()));
    }
    page.field("Labels", label_words(&meta.labels));
}

fn inputs(page: &mut Page<'_>, schema: &serde_json::Value) {
    let Some(properties) = schema["properties"].as_object().filter(|p| !p.is_empty()) else {
        return page.field("Inputs", "none");
    };
    page.head("Inputs:");
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    for (name, property) in properties {
        let mut words = vec![property["type"].as_str().map_or_else(|| "any".to_owned(), str::to_owned)];
        if let Some(options) = property["enum"].as_array() {
            let options: Vec<String> = options.iter().map(|o| o.as_str().map_or_else(|| o.to_string(), str::to_owned)).collect();
            words.push(format!("one of {}", options.join(", ")));
        }
        for (key, what) in
            [("minimum", "at least"), ("maximum", "at most"), ("minLength", "characters at least"), ("pattern", "matching"), ("default", "default")]
        {
            if !property[key].is_null() {
                words.push(format!("{what} {}", property[key].as_str().map_or_else(|| property[key].to_string(), str::to_owned)));
            }
        }
        if property["writeOnly"] == true {
            words.push("secret".into());
        }
        if required.contains(&name.as_str()) {
            words.push("required".into());
        }
        let about = property["description"].as_str().or(property["title"].as_str()).map(|text| format!(" — {text}")).unwrap_or_default();
        page.item(format!("{name}: {}{about}", words.join(", ")));
    }
}

async fn declared(client: &Client, kind: Kind, name: &str, app: &App<'_>) -> Result<()> {
    let (namespace, name) = split(kind, name, app.namespace())?;
    let document: Document = client.get(&object_path(kind, namespace, name, "")).await?;
    if app.out.structured() {
        return app.out.value(&document);
    }
    let mut page = Page::new(app.out);
    page.head(&synod_domain::object::title(kind, namespace, name));
    meta(&mut page, &document);
    page.head("Content:");
    page.script(&crate::output::yaml(&document.spec)?);
    page.print()
}

async fn node(client: &Client, name: &str, app: &App<'_>) -> Result<()> {
    let path = format!("{API}/nodes/{}", escape(name));
    let query = TaskQuery { node: Some(name.to_owned()), limit: Some(5), ..TaskQuery::default() };
    let tasks = with_query(&format!("{API}/tasks"), &query);
    if app.out.structured() {
        let node: Node = client.get(&path).await?;
        return app.out.value(&node);
    }
    let (node, tasks) = tokio::join!(client.get::<Node>(&path), client.get::<Items<Task>>(&tasks));
    let node = node?;
    let mut page = Page::new(app.out);
    page.head(&format!("Node {}: {}", node.name, if node.connected { "connected" } else { "away" }));
    page.field("Identity", &node.id);
    page.field("Labels", label_words(&node.labels));
    page.field("Version", &node.version);
    page.field("Joined", when::full(node.joined_at));
    page.field("Last seen", node.last_seen_at.map(when::full).unwrap_or_default());
    page.field("Held by", node.server.as_deref().unwrap_or_default());
    page.field("Certificate", format!("ends {}", when::full(node.certificate_expires_at)));
    page.field("Trust", trust_words(&node.trust));
    if node.trust.witnessed > 0 {
        page.field("Witnessed", format!("the audit log up to event {}", node.trust.witnessed));
    }
    if !node.trust.alarm.is_empty() {
        page.marked(Colour::Red, &format!("alarm: {}", node.trust.alarm));
    }
    page.head("Facts:");
    for (name, value) in node.facts.as_object().into_iter().flatten() {
        page.item(format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    if let Ok(tasks) = tasks
        && !tasks.items.is_empty()
    {
        page.head("Last tasks:");
        for task in &tasks.items {
            page.item(format!(
                "{} {} {}{}",
                task.id,
                task.template,
                task.phase,
                if task.reason.is_empty() { String::new() } else { format!(": {}", task.reason) }
            ));
        }
    }
    page.print()
}

/// How a node judges agreements, in words.
pub fn trust_words(trust: &NodeTrust) -> String {
    let root = if trust.version > 0 { format!(", version {} of the trust root", trust.version) } else { String::new() };
    match trust.mode.as_str() {
        "" => String::new(),
        "off" => "off: it believes the server".into(),
        mode => format!("{mode}{root}"),
    }
}

async fn task(client: &Client, id: &str, app: &App<'_>) -> Result<()> {
    let task: Task = client.get(&format!("{API}/tasks/{}", escape(id))).await?;
    if app.out.structured() {
        return app.out.value(&task);
    }
    let mut page = Page::new(app.out);
    page.head(&format!("Task {}: {}", task.id, task.phase));
    page.field("Run", &task.run);
    page.field("Template", format!("{}/{}", task.namespace, task.template));
    page.field("Node", format!("{} ({})", task.node, task.node_id));
    page.field("Batch", task.batch.map(|n| (n + 1).to_string()).unwrap_or_default());
    for (name, at) in [("Assigned", task.assigned_at), ("Started", task.started_at), ("Finished", task.finished_at)] {
        page.field(name, at.map(when::full).unwrap_or_default());
    }
    page.field("Exit code", task.exit_code.map(|code| code.to_string()).unwrap_or_default());
    page.field("Reason", &task.reason);
    for warning in &task.warnings {
        page.marked(Colour::Yellow, &format!("warning: {warning}"));
    }
    if !task.steps.is_empty() {
        page.head("Steps:");
    }
    for step in &task.steps {
        let how = match (step.skipped, step.exit_code) {
            (true, _) => "skipped".to_owned(),
            (false, Some(code)) => format!("exit code {code}"),
            (false, None) => "ended by a signal".to_owned(),
        };
        let tries = if step.attempts > 1 { format!(", {} attempts", step.attempts) } else { String::new() };
        page.item(format!("{}: {how}{tries}, {}", step.name, when::took(i64::try_from(step.took_ms).unwrap_or(i64::MAX))));
        for mismatch in &step.mismatches {
            page.marked(Colour::Yellow, &format!("    {mismatch}"));
        }
    }
    let cut = if task.truncated { " (its middle was dropped)" } else { "" };
    page.field("Output", format!("synod logs {} --node {}{cut}", task.run, task.node));
    page.print()
}

async fn user(client: &Client, name: &str, app: &App<'_>) -> Result<()> {
    let user: User = client.get(&format!("{API}/users/{}", escape(name))).await?;
    if app.out.structured() {
        return app.out.value(&user);
    }
    let mut page = Page::new(app.out);
    page.head(&format!("User {}: {}", user.name, if user.enabled { "enabled" } else { "disabled" }));
    page.field("Name", &user.display_name);
    page.field("Kind", if user.service_account { "service account" } else { "person" });
    page.field("Second factor", if user.totp_enrolled { "enrolled" } else { "none" });
    page.field("Created", when::full(user.created_at));
    page.print()
}
