//! The trust root: published, shown, looked over, and handed to the nodes.

use std::sync::Arc;

use serde_json::json;
use synod_db::{Query, event, node, object, run, trust};
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::object::{Kind, Spec, typed};
use synod_domain::template::ApprovalPolicy;
use synod_domain::{Error, Result};
use synod_protocol::http::node::NodeTrust;
use synod_protocol::http::trust::{
    CheckRoot, Outlook, PersonKey, PersonOutlook, PublishRoot, RootCheck, RootFinding, RootQuery, Roots, RuleOutlook, Trust, TrustRoot, TrustedNodes,
};
use synod_trust::root::{self, Finding, Next, Severity};
use synod_trust::{Root, RootDoc};

use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::signing::Published;

fn view(published: &Published) -> Result<TrustRoot> {
    let opened = published.envelope.open(root::PAYLOAD_TYPE).map_err(Error::internal)?;
    let holder = |key: String| published.root.holder(&synod_trust::KeyId(key)).map(|(principal, _)| principal.name.clone());
    let mut signed_by: Vec<String> = opened.signatures.into_iter().filter_map(|(key, _)| holder(key)).collect();
    signed_by.sort();
    signed_by.dedup();
    Ok(TrustRoot {
        version: published.root.version(),
        digest: published.root.digest().to_owned(),
        expires_at: published.root.doc().expires_at,
        published_at: published.row.published_at,
        published_by: published.row.published_by.clone(),
        signed_by,
        document: serde_json::to_value(published.root.doc()).map_err(Error::internal)?,
        envelope: published.envelope.clone(),
    })
}

/// The newest root and how the nodes judge by it.
pub async fn trust_get(ctx: &Ctx) -> Result<Trust> {
    ctx.require(Action::TrustRead, &Resource::system()).or_else(|refused| if sees_runs(ctx) { Ok(()) } else { Err(refused) })?;
    let mut reader = ctx.app.db.reader().await?;
    let newest = ctx.access.trust.as_ref().map_or(0, |published| published.root.version());
    let mut nodes = TrustedNodes::default();
    for (stated, alarmed) in node::trust(&mut reader).await? {
        let stated: NodeTrust = serde_json::from_value(stated).unwrap_or_default();
        match stated.mode.as_str() {
            "enforce" => nodes.enforcing += 1,
            "observe" => nodes.observing += 1,
            _ => nodes.off += 1,
        }
        let judges = stated.mode == "enforce" || stated.mode == "observe";
        nodes.behind += u32::from(judges && stated.version < newest);
        nodes.alarmed += u32::from(alarmed);
    }
    Ok(Trust {
        root: ctx.access.trust.as_deref().map(view).transpose()?,
        nodes,
        log_key: ctx.app.log.key().to_owned(),
        log_origin: ctx.app.log.origin().to_owned(),
        unratified: run::unratified(&mut reader).await?,
    })
}

/// Whoever takes part in some namespace must see whose signatures count.
fn sees_runs(ctx: &Ctx) -> bool {
    ctx.access.namespaces.keys().any(|name| ctx.may(Action::RunRead, &Resource::namespace(name)))
}

/// Every published root, oldest first.
pub async fn root_list(ctx: &Ctx, query: &RootQuery) -> Result<Roots> {
    ctx.require(Action::TrustRead, &Resource::system()).or_else(|refused| if sees_runs(ctx) { Ok(()) } else { Err(refused) })?;
    let rows = trust::roots_after(&mut ctx.app.db.reader().await?, query.after.unwrap_or(0)).await?;
    let roots = rows.into_iter().map(|row| view(&Published::read(row)?)).collect::<Result<_>>()?;
    Ok(Roots { roots })
}

/// Publishes a root that enough holders signed, those of the version before among them.
pub async fn root_publish(ctx: &Ctx, request: &PublishRoot) -> Result<TrustRoot> {
    ctx.require(Action::TrustWrite, &Resource::system())?;
    ctx.require_fresh()?;
    let refuse = |why: String| Error::new(code::ROOT_REFUSED, why);
    let mut tx = ctx.app.db.begin().await?;
    // The row of the version serialises those who publish at once.
    synod_db::access::changed(&mut tx).await?;
    let current = trust::newest(&mut tx).await?.map(Published::read).transpose()?;
    let accepted = match &current {
        None => {
            let opened = request.envelope.open(root::PAYLOAD_TYPE).map_err(|e| refuse(e.to_string()))?;
            let read = Root::read(&opened.payload).map_err(|e| refuse(e.to_string()))?;
            if read.version() != 1 {
                return Err(refuse(format!("no root is published yet, so version 1 is the first; this is version {}", read.version())));
            }
            root::first(&request.envelope, read.digest()).map_err(|e| refuse(e.to_string()))?
        }
        Some(current) => match root::accept_next(&current.root, &request.envelope).map_err(|e| refuse(e.to_string()))? {
            Next::Known => return view(current),
            Next::New(next) => *next,
        },
    };
    if let Err(expired) = accepted.live(ctx.now) {
        return Err(refuse(expired.to_string()));
    }
    let row = trust::Root {
        version: accepted.version(),
        digest: accepted.digest().to_owned(),
        envelope: String::from_utf8(request.envelope.to_bytes()).map_err(Error::internal)?,
        published_at: ctx.now,
        published_by: ctx.caller.user.clone(),
    };
    if !trust::insert(&mut tx, &row).await? {
        return Err(refuse(format!("version {} was published a moment ago; look at it first", row.version)));
    }
    // Pending runs may be met by it, or no longer: the loop settles them anew, even if this server ends now.
    run::wake_pending(&mut tx, ctx.now).await?;
    let changes = current.map_or_else(Vec::new, |current| root::diff(&current.root, &accepted));
    let published = NewEvent {
        kind: types::TRUST_ROOT_PUBLISHED,
        subject: format!("trust/{}", row.version),
        namespace: None,
        run: None,
        actor: ctx.actor(),
        data: json!({"version": row.version, "digest": row.digest, "expiresAt": accepted.doc().expires_at, "changes": changes}),
    };
    event::append(&mut tx, &[published], ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    // And the nodes are told at once, not at the next look.
    // First the root, then what begins by it: on a node's stream both keep their order, and by the old root it would refuse.
    push(&ctx.app).await?;
    ctx.app.bell.ring(synod_db::doorbell::Topic::Runs);
    view(&Published::read(row)?)
}

/// Looks a root over: a draft, or the published one.
pub async fn root_check(ctx: &Ctx, request: &CheckRoot) -> Result<RootCheck> {
    ctx.require(Action::TrustRead, &Resource::system()).or_else(|refused| if sees_runs(ctx) { Ok(()) } else { Err(refused) })?;
    let current = ctx.access.trust.as_ref().map(|published| &published.root);
    let draft = match &request.document {
        None => None,
        Some(document) => {
            let doc: RootDoc = serde_json::from_value(document.clone()).map_err(|e| Error::new(code::MALFORMED, format!("not a trust root: {e}")))?;
            let problems = Root::problems(&doc);
            if !problems.is_empty() {
                return Err(Error::problems(code::INVALID_DOCUMENT, problems));
            }
            Some(Root::draft(doc).map_err(|e| Error::new(code::INVALID_DOCUMENT, e.to_string()))?)
        }
    };
    let templates = templates(ctx, &mut ctx.app.db.reader().await?).await?;
    let (found, changes) = match (current, &draft) {
        (Some(current), Some(next)) => (root::doctor_next(current, next, ctx.now, &templates), root::diff(current, next)),
        (None, Some(first)) => (root::doctor(first, ctx.now, &templates), Vec::new()),
        (Some(current), None) => (root::doctor(current, ctx.now, &templates), Vec::new()),
        (None, None) => return Err(Error::not_found("trust root", "published")),
    };
    Ok(RootCheck { findings: found.into_iter().map(finding).collect(), changes })
}

/// What the published root can bear to lose.
pub async fn trust_outlook(ctx: &Ctx) -> Result<Outlook> {
    ctx.require(Action::TrustRead, &Resource::system()).or_else(|refused| if sees_runs(ctx) { Ok(()) } else { Err(refused) })?;
    let published = ctx.access.trust.clone().ok_or_else(|| Error::not_found("trust root", "published"))?;
    let templates = templates(ctx, &mut ctx.app.db.reader().await?).await?;
    let now = ctx.now;
    let _turn = super::HARD_WORK.acquire().await.map_err(Error::internal)?;
    // Many matchings of people to rules; no work for the event loop.
    let look = move || {
        let rule = |r: root::outlook::RuleOutlook| RuleOutlook { name: r.name, about: r.about, needs: r.needs, holders: r.holders, spare: r.spare };
        let person = |p: root::outlook::PersonOutlook| PersonOutlook {
            name: p.name,
            keys: p.keys.into_iter().map(|(id, kind)| PersonKey { id: id.0, kind: kind.into() }).collect(),
            if_gone: p.if_gone.into_iter().map(finding).collect(),
        };
        Outlook {
            rules: root::outlook::rules(&published.root).into_iter().map(rule).collect(),
            people: root::outlook::people(&published.root, now, &templates).into_iter().map(person).collect(),
        }
    };
    tokio::task::spawn_blocking(look).await.map_err(Error::internal)
}

fn finding(found: Finding) -> RootFinding {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    RootFinding { severity: severity.into(), name: found.name.into(), about: found.about, message: found.message }
}

/// The templates the caller may see, with what they ask for.
async fn templates(ctx: &Ctx, db: &mut impl Query) -> Result<Vec<(String, ApprovalPolicy)>> {
    let mut found = Vec::new();
    for stored in object::list(db, Kind::Template).await? {
        let namespace = stored.namespace.clone().unwrap_or_default();
        if !ctx.may(Action::TemplateRead, &Resource::template(&namespace, &stored.name)) {
            continue;
        }
        let name = format!("{namespace}/{}", stored.name);
        if let Ok((Spec::Template(template), _)) = typed(Kind::Template, stored.spec) {
            found.push((name, template.approval));
        }
    }
    Ok(found)
}

/// The roots a node lacks: those after its newest, or from the one it pins on. JSON of envelopes.
pub async fn missing(db: &mut impl Query, newest: Option<&Published>, pinned: &str, version: u64) -> Result<Vec<Vec<u8>>> {
    let Some(newest) = newest.filter(|newest| !pinned.is_empty() && newest.root.version() > version) else { return Ok(Vec::new()) };
    let after = match version {
        0 if pinned == newest.root.digest() => newest.root.version() - 1,
        0 => match trust::by_digest(db, pinned).await? {
            Some(first) => first.version - 1,
            None => return Ok(Vec::new()),
        },
        known => known,
    };
    Ok(trust::roots_after(db, after).await?.into_iter().map(|root| root.envelope.into_bytes()).collect())
}

/// Tells the agents connected here of roots they were not told of yet.
pub async fn push(app: &Arc<App>) -> Result<()> {
    let mut reader = app.db.reader().await?;
    let access = app.access.current(&mut reader).await?;
    let newest = access.trust.as_ref().map_or(0, |published| published.root.version());
    app.gateway.tell_roots(&mut reader, newest).await
}
