//! `synod get`: listings of everything there is, and single things.

mod tables;

use clap::Args;
use synod_domain::Timestamp;
use synod_domain::event::Event;
use synod_domain::object::{Document, Kind};
use synod_protocol::http::client::{Client, accept, collect, escape, with_query};
use synod_protocol::http::event::EventQuery;
use synod_protocol::http::node::{JoinToken, Node, NodeQuery};
use synod_protocol::http::object::{DocumentList, ObjectQuery};
use synod_protocol::http::run::{Run, RunQuery, RunSummary};
use synod_protocol::http::task::{Task, TaskQuery};
use synod_protocol::http::trust::Trust;
use synod_protocol::http::user::User;

use super::API;
use super::kinds::{Thing, object_path, split};
use super::listing::{self, Found, Paging};
use crate::exit::{Exit, Fault, Result};
use crate::output::{Format, count, note, yaml};
use crate::session::App;
use crate::when;

/// Arguments of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// What: templates, namespaces, groups, rolebindings, policies, runs, tasks, nodes, users, tokens, events, or all (everything declared)
    #[arg(value_name = "KIND")]
    thing: Thing,
    /// One, by name
    name: Option<String>,
    /// Only with these labels: role=web,env!=dev
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Only in these phases, separated by commas
    #[arg(long)]
    phase: Option<String>,
    /// Only on this node
    #[arg(long)]
    node: Option<String>,
    /// Only of this run
    #[arg(long)]
    run: Option<String>,
    /// Only of this template
    #[arg(long)]
    template: Option<String>,
    /// Only requested by this user
    #[arg(long)]
    requester: Option<String>,
    /// Only since then: a time, or so long ago (2h)
    #[arg(long, value_parser = when::past)]
    since: Option<Timestamp>,
    /// Only until then
    #[arg(long, value_parser = when::past)]
    until: Option<Timestamp>,
    /// Order of tasks: -created, created, node, -node, phase
    #[arg(long, allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only runs that await your decision
    #[arg(long)]
    awaiting_me: bool,
    /// Only runs that were started by break-glass and that nobody has ratified yet
    #[arg(long)]
    unratified: bool,
    /// This revision of a declared thing
    #[arg(long)]
    revision: Option<u64>,
    /// Fetch everything, not only the first page
    #[arg(long, conflicts_with = "limit")]
    all_pages: bool,
    /// At most so many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// Lists things, or shows one.
pub async fn get(args: GetArgs, app: &App<'_>) -> Result {
    args.check()?;
    let client = app.connect().await?;
    match (args.thing, &args.name) {
        (Thing::Declared(kind), Some(name)) => {
            let (namespace, name) = split(kind, name, app.namespace())?;
            let mut path = object_path(kind, namespace, name, "");
            if let Some(revision) = args.revision {
                path.push_str(&format!("{}revision={revision}", if path.contains('?') { '&' } else { '?' }));
            }
            let document: Document = client.get(&path).await?;
            if app.out.structured() {
                return app.out.value(&document).map(|()| Exit::Ok);
            }
            tables::documents(vec![document], app, false)
        }
        (Thing::Declared(kind), None) => {
            let items = documents(&client, kind, app.namespace(), args.selector.clone()).await?;
            tables::documents(items, app, false)
        }
        (Thing::All, _) => all(&client, app).await,
        (Thing::Run, Some(name)) => one::<Run>(&client, "runs", name, app, |run, app| tables::runs(&Found { items: vec![run.summary], next: None }, app)).await,
        (Thing::Task, Some(name)) => one::<Task>(&client, "tasks", name, app, |task, app| tables::tasks(&Found { items: vec![task], next: None }, app)).await,
        (Thing::Node, Some(name)) => one::<Node>(&client, "nodes", name, app, |node, app| tables::nodes(&Found { items: vec![node], next: None }, app)).await,
        (Thing::User, Some(name)) => {
            one::<User>(&client, "users", name, app, |user, app| super::user::show(&Found { items: vec![user], next: None }, app)).await
        }
        (Thing::Token | Thing::Event, Some(_)) => Err(Fault::usage(format!("{} are listed, not fetched by name", args.thing.plural()))),
        (_, None) => args.list(&client, app).await,
    }
}

async fn one<T: serde::de::DeserializeOwned + serde::Serialize>(
    client: &Client,
    noun: &str,
    name: &str,
    app: &App<'_>,
    show: impl FnOnce(T, &App<'_>) -> Result,
) -> Result {
    let found: T = client.get(&format!("{API}/{noun}/{}", escape(name))).await?;
    if app.out.structured() { app.out.value(&found).map(|()| Exit::Ok) } else { show(found, app) }
}

/// All declared things of a kind.
pub async fn documents(client: &Client, kind: Kind, namespace: Option<&str>, selector: Option<String>) -> Result<Vec<Document>> {
    let namespace = namespace.filter(|_| kind.scope() != synod_domain::object::KindScope::Global).map(str::to_owned);
    let query = ObjectQuery { namespace, selector, revision: None };
    let list: DocumentList = client.query(&format!("{API}/objects/{}", kind.plural()), &query).await?;
    Ok(list.items)
}

/// Everything declared, in an order in which it can be applied.
async fn all(client: &Client, app: &App<'_>) -> Result {
    let of = |kind| documents(client, kind, app.namespace(), None);
    let (namespaces, groups, bindings, policies, templates) =
        tokio::try_join!(of(Kind::Namespace), of(Kind::Group), of(Kind::RoleBinding), of(Kind::Policy), of(Kind::Template))?;
    let mut items: Vec<Document> = [namespaces, groups, bindings, policies, templates].into_iter().flatten().collect();
    if let Some(only) = app.namespace() {
        // A namespace's own things, and itself; groups and policies belong to all.
        items.retain(|d| d.metadata.namespace.as_deref() == Some(only) || (d.kind == Kind::Namespace && d.metadata.name == only));
    }
    if app.out.structured() {
        for document in &mut items {
            (document.metadata.revision, document.metadata.author, document.metadata.updated_at) = (None, None, None);
        }
    }
    tables::documents(items, app, true)
}

/// Documents as one YAML text that `apply` takes.
pub fn as_yaml(items: &[Document]) -> Result<String> {
    let parts: Vec<String> = items.iter().map(yaml).collect::<Result<_>>()?;
    Ok(parts.join("---\n"))
}

impl GetArgs {
    /// Refuses filters that the listing does not have, instead of ignoring them.
    fn check(&self) -> Result<()> {
        use Thing::{All, Declared, Event, Node, Run, Task};
        let is = |wanted: &[Thing]| wanted.contains(&self.thing);
        let declared = matches!(self.thing, Declared(_));
        for (given, fits, option) in [
            (self.selector.is_some(), declared || is(&[Node]), "--selector"),
            (self.phase.is_some(), is(&[Run, Task]), "--phase"),
            (self.node.is_some(), is(&[Task]), "--node"),
            (self.run.is_some(), is(&[Task, Event]), "--run"),
            (self.template.is_some(), is(&[Run, Task]), "--template"),
            (self.requester.is_some(), is(&[Run]), "--requester"),
            (self.since.is_some(), is(&[Task, Event]), "--since"),
            (self.until.is_some(), is(&[Task, Event]), "--until"),
            (self.sort.is_some(), is(&[Task]), "--sort"),
            (self.awaiting_me, is(&[Run]), "--awaiting-me"),
            (self.unratified, is(&[Run]), "--unratified"),
            (self.revision.is_some(), declared && self.name.is_some(), "--revision"),
            (self.name.is_some(), !is(&[All]), "a name"),
        ] {
            if given && !fits {
                return Err(Fault::usage(format!("{option} does not go with `get {}`", self.thing.plural())));
            }
        }
        let phases = self.phase.iter().flat_map(|text| text.split(','));
        for phase in phases {
            match self.thing {
                Task => phase.parse::<synod_domain::task::Phase>().map(|_| ()),
                _ => phase.parse::<synod_domain::run::Phase>().map(|_| ()),
            }
            .map_err(Fault::usage)?;
        }
        if let Some(selector) = &self.selector {
            selector.parse::<synod_domain::selector::Selector>().map_err(|e| Fault::usage(format!("--selector {selector}: {e}")))?;
        }
        Ok(())
    }

    async fn list(&self, client: &Client, app: &App<'_>) -> Result {
        let paging = Paging { all: self.all_pages, limit: self.limit };
        let namespace = app.namespace().map(str::to_owned);
        match self.thing {
            Thing::Run => {
                let query = RunQuery {
                    namespace,
                    template: self.template.clone(),
                    phase: self.phase.clone(),
                    requester: self.requester.clone(),
                    awaiting_me: self.awaiting_me,
                    unratified: self.unratified,
                    ..RunQuery::default()
                };
                let path = with_query(&format!("{API}/runs"), &query);
                // Only people at a terminal are reminded, over the same connection and at the same time.
                let remind = app.out.terminal && !app.out.structured() && !self.unratified;
                let waiting = async { if remind { client.get::<Trust>(&format!("{API}/trust")).await.map_or(0, |trust| trust.unratified) } else { 0 } };
                let (found, waiting) = tokio::join!(listing::pages::<RunSummary>(client, &path, &paging), waiting);
                let exit = tables::runs(&found?, app)?;
                if waiting > 0 {
                    note(&format!("{} by break-glass not ratified: synod get runs --unratified", count(waiting as usize, "run")));
                }
                Ok(exit)
            }
            Thing::Task => self.tasks(client, app, namespace, &paging).await,
            Thing::Node => {
                let query = NodeQuery { selector: self.selector.clone(), ..NodeQuery::default() };
                let found: Found<Node> = listing::pages(client, &with_query(&format!("{API}/nodes"), &query), &paging).await?;
                tables::nodes(&found, app)
            }
            Thing::Event => {
                let newest = self.since.is_none() && !self.all_pages;
                let query = EventQuery { run: self.run.clone(), namespace, since: self.since, until: self.until, newest, ..EventQuery::default() };
                let mut found: Found<Event> = listing::pages(client, &with_query(&format!("{API}/events"), &query), &paging).await?;
                if newest {
                    found.items.reverse();
                }
                super::events::show(&found, app)
            }
            Thing::User => {
                let found: Found<User> = listing::pages(client, &format!("{API}/users"), &Paging { all: true, limit: None }).await?;
                super::user::show(&found, app)
            }
            Thing::Token => {
                let found: Found<JoinToken> = listing::pages(client, &format!("{API}/join-tokens"), &Paging { all: true, limit: None }).await?;
                super::token::show(&found, app)
            }
            Thing::Declared(_) | Thing::All => Err(Fault::new(Exit::Internal, "declared things are listed elsewhere")),
        }
    }

    async fn tasks(&self, client: &Client, app: &App<'_>, namespace: Option<String>, paging: &Paging) -> Result {
        let mut query = TaskQuery {
            run: self.run.clone(),
            namespace,
            template: self.template.clone(),
            node: self.node.clone(),
            phase: self.phase.clone(),
            since: self.since,
            until: self.until,
            sort: self.sort.clone(),
            ..TaskQuery::default()
        };
        if app.out.format() == Format::Csv {
            // The server's own export, so that every field and up to 10000 tasks come in one go.
            query.format = Some("csv".into());
            query.limit = Some(self.limit.unwrap_or(10_000));
            let path = with_query(&format!("{API}/tasks"), &query);
            let answer = accept(client.raw(http::Method::GET, &path, &[("accept", "text/csv, application/problem+json")], bytes::Bytes::new()).await?).await?;
            return app.out.bytes(&collect(answer).await?).map(|()| Exit::Ok);
        }
        let found: Found<Task> = listing::pages(client, &with_query(&format!("{API}/tasks"), &query), paging).await?;
        tables::tasks(&found, app)
    }
}
