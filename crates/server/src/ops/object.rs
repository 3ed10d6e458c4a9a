//! Declared things: applied all together or not at all, read, deleted.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use synod_db::object::Stored;
use synod_db::{Query, Tx, event, object};
use synod_domain::access::Subject;
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::object::{Document, Kind, Object, Spec, read, title};
use synod_domain::problem::nearest;
use synod_domain::selector::Selector;
use synod_domain::template::Approvers;
use synod_domain::{Error, Problem, Result};
use synod_protocol::http::object::{Action as Did, Applied, ApplyRequest, ApplyResponse, ObjectQuery};

use crate::access::Access;
use crate::authz::{self, Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;

fn resource(namespace: Option<&str>) -> Resource {
    namespace.map_or_else(Resource::system, Resource::namespace)
}

fn action(kind: Kind, write: bool) -> Action {
    match (kind, write) {
        (Kind::Namespace, false) => Action::NamespaceRead,
        (Kind::Namespace, true) => Action::NamespaceWrite,
        (Kind::Group, false) => Action::GroupRead,
        (Kind::Group, true) => Action::GroupWrite,
        (Kind::RoleBinding, false) => Action::RoleBindingRead,
        (Kind::RoleBinding, true) => Action::RoleBindingWrite,
        (Kind::Policy, false) => Action::PolicyRead,
        (Kind::Policy, true) => Action::PolicyWrite,
        (Kind::Template, false) => Action::TemplateRead,
        (Kind::Template, true) => Action::TemplateWrite,
    }
}

/// Where a thing stands for authorization: a namespace stands in itself when it is read or deleted.
fn stands_in(kind: Kind, namespace: Option<&str>, name: &str) -> Resource {
    if kind == Kind::Namespace { Resource::namespace(name) } else { resource(namespace) }
}

/// Refuses what was edited from, or decided on, another revision than there is now; 0 is none.
fn check_revision(wanted: Option<u64>, kind: Kind, namespace: Option<&str>, name: &str, now: u64) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != now => {
            let is = if now == 0 { "does not exist".to_owned() } else { format!("is at revision {now}") };
            Err(Error::new(code::REVISION_CONFLICT, format!("{} {is}, and not at revision {wanted}", title(kind, namespace, name))))
        }
        _ => Ok(()),
    }
}

/// Applies documents: all of them, or none. With a revision given, the one document only when that is still the newest.
pub async fn apply(ctx: &Ctx, request: &ApplyRequest, if_match: Option<u64>) -> Result<ApplyResponse> {
    if if_match.is_some() && request.documents.len() != 1 {
        let message = format!("If-Match is about one document; this request has {}", request.documents.len());
        return Err(Error::new(code::UNKNOWN_PARAMETER, message));
    }
    let mut objects: Vec<(usize, Object)> = Vec::new();
    let mut problems = Vec::new();
    for (n, document) in request.documents.iter().enumerate() {
        match read(document) {
            Ok(object) => objects.push((n, object)),
            Err(error) => problems.extend(error.details().iter().cloned().map(|p| p.under(&format!("/documents/{n}")))),
        }
    }
    for (at, (n, object)) in objects.iter().enumerate() {
        if objects[..at].iter().any(|(_, earlier)| earlier.title() == object.title()) {
            problems.push(Problem::at(format!("/documents/{n}/metadata/name"), format!("{} stands twice in what is applied", object.title())));
        }
    }
    if !problems.is_empty() {
        return Err(Error::problems(code::INVALID_DOCUMENT, problems));
    }
    for (_, object) in &objects {
        // Who owns a namespace may change it, but not make one, nor reach for more nodes.
        let own = match (&object.spec, ctx.access.namespaces.get(&object.name)) {
            (Spec::Namespace(new), Some(old)) => old.nodes == new.nodes,
            _ => false,
        };
        let target = match object.kind {
            Kind::Namespace if own => Resource::namespace(&object.name),
            Kind::Namespace => Resource::system(),
            _ => resource(object.namespace.as_deref()),
        };
        ctx.require(action(object.kind, true), &target)?;
    }
    if !request.dry_run && objects.iter().any(|(_, object)| object.kind.is_access()) {
        ctx.require_fresh()?;
    }
    // Kinds that others refer to come first, whatever the order of the documents.
    objects.sort_by_key(|(n, object)| (object.kind, *n));
    let mut tx = ctx.app.db.begin().await?;
    let mut results: Vec<(usize, Applied)> = Vec::new();
    let mut events = Vec::new();
    for (n, object) in &objects {
        let done = put(ctx, &mut tx, object, if_match, request.dry_run, &mut events).await.map_err(|error| within(*n, error))?;
        results.push((*n, done));
    }
    let access = Access::read(&mut tx).await.map_err(|e| e.caused_by("after applying"))?;
    for (n, object) in &objects {
        problems.extend(check_references(&access, object).into_iter().map(|p| p.under(&format!("/documents/{n}"))));
    }
    if !problems.is_empty() {
        return Err(Error::problems(code::INVALID_DOCUMENT, problems));
    }
    if objects.iter().any(|(_, object)| object.kind.is_access()) {
        check_not_locked_out(ctx, &access)?;
    }
    if request.dry_run {
        tx.rollback().await?;
    } else {
        event::append(&mut tx, &events, ctx.now).await?;
        tx.commit().await?;
        Effects { events: !events.is_empty(), ..Effects::default() }.carry_out(&ctx.app);
    }
    results.sort_by_key(|(n, _)| *n);
    Ok(ApplyResponse { results: results.into_iter().map(|(_, applied)| applied).collect() })
}

/// The problems of one document, seen from the whole request.
fn within(n: usize, error: Error) -> Error {
    match error.details() {
        [] => error,
        problems => Error::problems(error.code(), problems.iter().cloned().map(|p| p.under(&format!("/documents/{n}"))).collect()),
    }
}

/// Whether a change decides who must agree, or where what they agree to may happen, of something people rely on already. What was
/// deleted and is made again counts as changed.
fn decides_on_consensus(new: &Object, old: Option<&Stored>) -> bool {
    let Some(old) = old else { return false };
    let fields: &[&str] = match new.kind {
        Kind::Template => &["approval"],
        Kind::Namespace => &["nodes", "frozen"],
        Kind::Group | Kind::RoleBinding | Kind::Policy => &[],
    };
    fields.iter().any(|field| old.spec.get(field) != new.normal.get(field))
}

async fn put(ctx: &Ctx, tx: &mut Tx, new: &Object, if_match: Option<u64>, dry_run: bool, events: &mut Vec<NewEvent>) -> Result<Applied> {
    if new.kind != Kind::Namespace
        && let Some(namespace) = &new.namespace
        && ctx.access.namespaces.get(namespace).is_some_and(|n| n.frozen)
    {
        return Err(Error::new(code::FROZEN, format!("namespace {namespace} is frozen; {} is not changed", new.title())));
    }
    if let Spec::Policy(policy) = &new.spec {
        let mut probe = authz::shipped()?;
        authz::add_policies(&mut probe, &new.name, &policy.cedar)
            .map_err(|problems| Error::problems(code::INVALID_DOCUMENT, problems.into_iter().map(|p| p.under("/spec/cedar")).collect()))?;
    }
    let old = object::lock(tx, new.kind, new.namespace.as_deref(), &new.name).await?;
    let digest = new.digest()?;
    let live = old.as_ref().filter(|old| !old.deleted);
    check_revision(if_match, new.kind, new.namespace.as_deref(), &new.name, live.map_or(0, |live| live.revision))?;
    if let Some(live) = live
        && live.digest == digest
    {
        return Ok(applied(new, Did::Unchanged, live.revision, String::new()));
    }
    if !dry_run && decides_on_consensus(new, old.as_ref()) {
        ctx.require_fresh()?;
    }
    let revision = old.as_ref().map_or(1, |old| old.revision + 1);
    let did = if live.is_some() { Did::Updated } else { Did::Created };
    let stored = Stored {
        kind: new.kind,
        namespace: new.namespace.clone(),
        name: new.name.clone(),
        revision,
        labels: new.labels.clone(),
        spec: new.normal.clone(),
        digest: digest.clone(),
        author: ctx.caller.user.clone(),
        updated_at: ctx.now,
        deleted: false,
    };
    object::put(tx, &stored).await?;
    events.push(object_event(types::OBJECT_APPLIED, ctx, &stored));
    let diff = similar::TextDiff::from_lines(&yaml(live)?, &yaml(Some(&stored))?).unified_diff().context_radius(3).to_string();
    Ok(applied(new, did, revision, diff))
}

/// Whoever takes the last owner away would lock everybody out.
pub fn check_not_locked_out(ctx: &Ctx, access: &Access) -> Result<()> {
    let allowed = |name: &str, action| authz::allowed(access, name, action, &Resource::system(), Some(true), ctx.now);
    // Who could give roles and not change policies could not undo the policy that keeps others from it.
    let may = |name: &&String| allowed(name, Action::RoleBindingWrite) && allowed(name, Action::PolicyWrite);
    let person = |name: &&String| access.people.get(*name).is_some_and(|p| !p.service_account);
    if access.people.keys().filter(person).any(|name| may(&name)) {
        return Ok(());
    }
    Err(Error::new(code::IN_USE, "after this change nobody could give roles any more; leave at least one person the role owner everywhere"))
}

fn applied(object: &Object, action: Did, revision: u64, diff: String) -> Applied {
    Applied { kind: object.kind, namespace: object.namespace.clone(), name: object.name.clone(), action, revision, diff }
}

fn object_event(kind: &'static str, ctx: &Ctx, stored: &Stored) -> NewEvent {
    let noun = stored.kind.name().to_lowercase();
    let subject = match &stored.namespace {
        Some(namespace) => format!("{noun}/{namespace}/{}", stored.name),
        None => format!("{noun}/{}", stored.name),
    };
    let namespace = if stored.kind == Kind::Namespace { Some(stored.name.clone()) } else { stored.namespace.clone() };
    NewEvent { kind, subject, namespace, run: None, actor: ctx.actor(), data: json!({"revision": stored.revision, "digest": stored.digest}) }
}

fn yaml(stored: Option<&Stored>) -> Result<String> {
    let Some(stored) = stored else { return Ok(String::new()) };
    let mut value = json!({});
    if !stored.labels.is_empty() {
        value["labels"] = json!(stored.labels);
    }
    value["spec"] = stored.spec.clone();
    serde_saphyr::to_string(&value).map_err(|e| Error::internal(e.to_string()))
}

/// What a document names must exist once all documents are applied.
fn check_references(access: &Access, object: &Object) -> Vec<Problem> {
    let mut problems = Vec::new();
    let missing = |at: String, what: &str, name: &str, known: Vec<&str>| {
        let problem = Problem::at(at, format!("there is no {what} `{name}`"));
        match nearest(name, known) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    };
    if let Some(namespace) = &object.namespace
        && !access.namespaces.contains_key(namespace)
    {
        problems.push(missing("/metadata/namespace".into(), "namespace", namespace, access.namespaces.keys().map(String::as_str).collect()));
    }
    let group = |at: String, name: &String, problems: &mut Vec<Problem>| {
        if !access.groups.contains_key(name) {
            problems.push(missing(at, "group", name, access.groups.keys().map(String::as_str).collect()));
        }
    };
    let user = |at: String, name: &String, problems: &mut Vec<Problem>| {
        if !access.people.contains_key(name) {
            problems.push(missing(at, "user", name, access.people.keys().map(String::as_str).collect()));
        }
    };
    match &object.spec {
        Spec::Group(spec) => spec.members.iter().enumerate().for_each(|(n, name)| user(format!("/spec/members/{n}"), name, &mut problems)),
        Spec::RoleBinding(binding) => {
            for (n, subject) in binding.subjects.iter().enumerate() {
                match subject {
                    Subject::User(name) => user(format!("/spec/subjects/{n}/user"), name, &mut problems),
                    Subject::Group(name) => group(format!("/spec/subjects/{n}/group"), name, &mut problems),
                }
            }
        }
        Spec::Template(template) => {
            for (n, rule) in template.approval.rules.iter().enumerate() {
                let at = format!("/spec/approval/rules/{n}/from");
                match &rule.from {
                    Approvers::Group(name) => group(format!("{at}/group"), name, &mut problems),
                    Approvers::User(name) => user(format!("{at}/user"), name, &mut problems),
                    Approvers::Role(_) => {}
                }
            }
        }
        Spec::Namespace(_) | Spec::Policy(_) => {}
    }
    problems
}

/// Lists things of a kind that the caller may see.
pub async fn object_list(ctx: &Ctx, kind: Kind, query: &ObjectQuery) -> Result<Vec<Document>> {
    let selector: Selector = query
        .selector
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(|e: synod_domain::selector::SelectorError| Error::new(code::INVALID_SELECTOR, e.to_string()))?;
    if let Some(namespace) = query.namespace.as_deref().filter(|n| *n != "-") {
        ctx.require(action(kind, false), &resource(Some(namespace)))?;
        if !ctx.access.namespaces.contains_key(namespace) {
            let near = nearest(namespace, ctx.access.namespaces.keys().map(String::as_str)).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(Error::new(code::NOT_FOUND, format!("there is no namespace `{namespace}`{near}")));
        }
    }
    let mut reader = ctx.app.db.reader().await?;
    let all = object::list(&mut reader, kind).await?;
    let seen = |stored: &Stored| {
        let asked = match query.namespace.as_deref() {
            None => true,
            Some("-") => stored.namespace.is_none(),
            Some(namespace) => stored.namespace.as_deref() == Some(namespace),
        };
        asked && selector.matches(&stored.labels) && ctx.may(action(kind, false), &stands_in(kind, stored.namespace.as_deref(), &stored.name))
    };
    Ok(all.iter().filter(|s| seen(s)).map(Stored::document).collect())
}

/// One thing, newest or at a revision.
pub async fn object_get(ctx: &Ctx, kind: Kind, name: &str, query: &ObjectQuery) -> Result<Document> {
    let namespace = query.namespace.as_deref();
    ctx.require(action(kind, false), &stands_in(kind, namespace, name))?;
    let mut reader = ctx.app.db.reader().await?;
    let found = match query.revision {
        None => object::get(&mut reader, kind, namespace, name).await?,
        Some(revision) => object::revision(&mut reader, kind, namespace, name, revision).await?,
    };
    match found {
        Some(stored) => Ok(stored.document()),
        None => Err(missing(&mut reader, kind, namespace, name).await?),
    }
}

async fn missing(db: &mut impl Query, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Error> {
    let all = object::list(db, kind).await?;
    let here: BTreeSet<&str> = all.iter().filter(|s| s.namespace.as_deref() == namespace).map(|s| s.name.as_str()).collect();
    let near = nearest(name, here).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Ok(Error::new(code::NOT_FOUND, format!("there is no {}{near}", title(kind, namespace, name))))
}

/// All revisions, newest first. A deletion is a revision too, shown with an empty spec.
pub async fn object_revisions(ctx: &Ctx, kind: Kind, name: &str, query: &ObjectQuery) -> Result<Vec<Document>> {
    let namespace = query.namespace.as_deref();
    ctx.require(action(kind, false), &stands_in(kind, namespace, name))?;
    let mut reader = ctx.app.db.reader().await?;
    let found = object::revisions(&mut reader, kind, namespace, name).await?;
    if found.is_empty() {
        return Err(missing(&mut reader, kind, namespace, name).await?);
    }
    Ok(found.iter().map(Stored::document).collect())
}

/// Deletes a thing; its revisions stay for the record. With a revision given, only when it is still that one.
pub async fn object_delete(ctx: &Ctx, kind: Kind, name: &str, query: &ObjectQuery, if_match: Option<u64>) -> Result<()> {
    let namespace = query.namespace.as_deref();
    let needed = match kind {
        Kind::Namespace => Action::NamespaceDelete,
        Kind::Template => Action::TemplateDelete,
        kind => action(kind, true),
    };
    ctx.require(needed, &stands_in(kind, namespace, name))?;
    if kind.is_access() || kind == Kind::Namespace {
        ctx.require_fresh()?;
    }
    let mut tx = ctx.app.db.begin().await?;
    let Some(old) = object::lock(&mut tx, kind, namespace, name).await?.filter(|old| !old.deleted) else {
        return Err(missing(&mut tx, kind, namespace, name).await?);
    };
    check_revision(if_match, kind, namespace, name, old.revision)?;
    if let Some(namespace) = namespace
        && ctx.access.namespaces.get(namespace).is_some_and(|n| n.frozen)
    {
        return Err(Error::new(code::FROZEN, format!("namespace {namespace} is frozen")));
    }
    if kind == Kind::Namespace
        && let Some((kind, inside)) = object::any_in(&mut tx, name).await?
    {
        return Err(Error::new(code::IN_USE, format!("namespace {name} is not empty: it holds {kind} {inside}")));
    }
    let gone = Stored {
        revision: old.revision + 1,
        spec: Value::Object(serde_json::Map::new()),
        author: ctx.caller.user.clone(),
        updated_at: ctx.now,
        deleted: true,
        ..old
    };
    object::put(&mut tx, &gone).await?;
    if kind.is_access() {
        check_not_locked_out(ctx, &Access::read(&mut tx).await?)?;
    }
    event::append(&mut tx, &[object_event(types::OBJECT_DELETED, ctx, &gone)], ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(())
}
