//! Decisions on runs.

use std::collections::BTreeSet;

use serde_json::json;
use synod_db::run::Run as Row;
use synod_db::{Query, approval, event, run};
use synod_domain::approval::{Decision, Excluded, rules_for};
use synod_domain::error::code;
use synod_domain::event::types;
use synod_domain::manifest::Manifest;
use synod_domain::run::Phase;
use synod_domain::{Error, Problem, Result, Timestamp};
use synod_protocol::http::run::{ApprovalRequest, Run};
use synod_protocol::http::trust::{SigningCredential, SigningOrder, SigningRequest};
use synod_trust::key::Form;
use synod_trust::order::{self, NotToSign, Shown, Sort};
use synod_trust::strict::to_base64url;
use synod_trust::webauthn::challenge;

use crate::access::Access;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::rollout::{Seen, Work, run_event};
use crate::signing::{self, Cover, Given};

/// Records a person's decision on exactly one digest, and judges the run by it.
pub async fn approval_create(ctx: &Ctx, id: &str, request: &ApprovalRequest) -> Result<Run> {
    check_comment(&request.comment)?;
    let mut tx = ctx.app.db.begin().await?;
    let mut row = super::run::lock(&mut tx, id).await?;
    let id = row.id.clone();
    // Judged by what holds now, inside the transaction, not by what held when the request came in.
    let (mut decisions, version) = approval::list_with_access(&mut tx, &id).await?;
    let access = ctx.app.access.at(version, &mut tx).await?;
    let voted = decisions.iter().any(|decision| decision.person == ctx.caller.user);
    let voted_already = || Error::new(code::ALREADY_VOTED, format!("{} has decided on run {id} already", ctx.caller.user));
    let ctx = Ctx { access, ..ctx.clone() };
    let action = if row.break_glass.is_some() { Action::RunBreakGlass } else { Action::RunApprove };
    ctx.require(action, &Resource::template(&row.namespace, &row.template))?;
    match row.phase {
        Phase::Pending if ctx.now >= row.approve_by => {
            return Err(Error::new(code::RUN_EXPIRED, format!("run {id} could be decided until {}", row.approve_by)));
        }
        Phase::Pending => {}
        Phase::Expired => return Err(Error::new(code::RUN_EXPIRED, format!("run {id} could be decided until {}", row.approve_by))),
        phase => {
            if voted {
                return Err(voted_already());
            }
            return Err(Error::new(code::RUN_NOT_PENDING, format!("run {id} is {phase} and awaits no decision")));
        }
    }
    if request.digest != row.digest {
        return Err(Error::new(code::DIGEST_MISMATCH, format!("you decided on {}, run {id} is {}", request.digest, row.digest)));
    }
    let document = ctx.app.manifests.of(&row)?;
    let manifest = &document.manifest;
    let cover = signing::cover(&document, &ctx.access, &mut tx).await?;
    let rules = check_counts(&ctx, &row, manifest, cover.as_deref())?;
    let signature = check_signature(&ctx, &row, manifest, cover.as_deref(), request)?;
    let decision = approval::Approval {
        person: ctx.caller.user.clone(),
        decision: request.decision,
        digest: request.digest.clone(),
        comment: request.comment.clone(),
        at: ctx.now,
        signature,
        rules,
    };
    if voted {
        return Err(voted_already());
    }
    approval::insert(&mut tx, &id, &decision);
    let word = match request.decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    };
    let key = decision.signature.as_deref().and_then(signing::key_of);
    let data = json!({"decision": word, "digest": request.digest, "comment": request.comment, "key": key});
    let mut events = vec![run_event(types::APPROVAL_GIVEN, &row, &ctx.actor(), data)];
    let mut effects = Effects { events: true, ..Effects::default() };
    decisions.push(decision);
    decisions.sort_by(|a, b| (a.at, &a.person).cmp(&(b.at, &b.person)));
    let mut seen = Seen { decisions: Some(decisions), ..Seen::default() };
    let mut work = Work { run: &mut row, document: &document, access: &ctx.access, now: ctx.now, events: &mut events, effects: &mut effects, seen: &mut seen };
    work.settle(&mut tx).await?;
    if let Some(rule) = row.break_glass.as_ref().filter(|_| row.phase == Phase::Pending) {
        // It waits for nobody else, so whoever signed is told now; nothing of it is kept.
        return Err(closed(&ctx, &mut tx, rule, &id).await?);
    }
    run::update(&mut tx, &row);
    let shown = super::run_view::brief(&ctx, &mut tx, row, seen).await?;
    // Last, because it holds up others' events until the commit.
    event::append(&mut tx, &events, ctx.now).await?;
    tx.commit().await?;
    effects.carry_out(&ctx.app);
    Ok(shown)
}

/// Why a break-glass rule does not let a run start that its requester signed for.
async fn closed(ctx: &Ctx, db: &mut impl Query, rule: &str, id: &str) -> Result<Error> {
    let used = run::break_glass_used(db, rule, ctx.now.day_begins(), id).await?;
    let known = ctx.access.trust.as_ref().and_then(|published| published.root.doc().break_glass.iter().find(|known| known.name == rule));
    let why = match known {
        Some(known) if used >= known.per_day => format!("rule {rule} was used {used} times today (UTC); {} is the most", known.per_day),
        Some(_) => format!("rule {rule} of the trust root does not let run {id} start any more"),
        None => format!("the trust root has no break-glass rule {rule} any more"),
    };
    Ok(Error::new(code::BREAK_GLASS_CLOSED, why))
}

/// The rules a decision counts for: those its person can fill now and could when they decided. What they won since is nothing
/// they decided by.
pub fn counting_rules(access: &Access, row: &Row, manifest: &Manifest, decision: &approval::Approval, now: Timestamp) -> BTreeSet<usize> {
    let standing = access.standing(&decision.person, &row.namespace, &row.template, now);
    let held = rules_for(&manifest.approval, &row.requester, &row.author, &standing).unwrap_or_default();
    &held & &decision.rules
}

fn check_comment(comment: &str) -> Result<()> {
    if comment.len() > 2000 || comment.contains('\0') {
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/comment", "a comment is at most 2000 bytes of text")]));
    }
    Ok(())
}

/// The rules of the template the caller can fill. Refuses a decision that no rule asks for: neither one of those nor one of
/// the trust root.
pub fn check_counts(ctx: &Ctx, row: &Row, manifest: &Manifest, cover: Option<&Cover>) -> Result<BTreeSet<usize>> {
    let (id, user) = (&row.id, &ctx.caller.user);
    if let Some(rule) = &row.break_glass {
        if *user == row.requester {
            return Ok(BTreeSet::new());
        }
        return Err(Error::new(code::NOT_AN_APPROVER, format!("run {id} is to start by break-glass rule {rule}: it awaits only {}", row.requester)));
    }
    let standing = ctx.access.standing(user, &row.namespace, &row.template, ctx.now);
    match rules_for(&manifest.approval, &row.requester, &row.author, &standing) {
        Ok(rules) => Ok(rules),
        Err(Excluded::Requester) => Err(Error::new(code::OWN_REQUEST, format!("{user} asked for run {id} and may not decide on it"))),
        Err(Excluded::Author) => Err(Error::new(code::AUTHOR_EXCLUDED, format!("{user} wrote this revision of the template and may not decide on it"))),
        Err(Excluded::NoRule) if cover.is_some_and(|cover| cover.asks(manifest, user)) => Ok(BTreeSet::new()),
        Err(Excluded::NoRule) => {
            let rules: Vec<String> = manifest.approval.rules.iter().map(ToString::to_string).collect();
            let rules = if rules.is_empty() { "nobody".into() } else { rules.join(" and ") };
            Err(Error::new(code::NOT_AN_APPROVER, format!("the decision of {user} would not count; run {id} asks for {rules}")))
        }
    }
}

/// The signed decision as it is stored, when the trust root covers the run; it must be signed then.
fn check_signature(ctx: &Ctx, row: &Row, manifest: &Manifest, cover: Option<&Cover>, request: &ApprovalRequest) -> Result<Option<String>> {
    match (cover, &request.signature) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::new(
            code::SIGNATURE_INVALID,
            format!("no published trust root covers run {}, so nobody could tell what the signature is worth; decide without", row.id),
        )),
        (Some(_), None) => {
            Err(Error::new(code::SIGNATURE_NEEDED, format!("the trust root covers run {}: the decision of {} must be signed", row.id, ctx.caller.user)))
        }
        (Some(cover), Some(envelope)) => {
            let given =
                Given { person: &ctx.caller.user, digest: &row.digest, decision: request.decision, comment: &request.comment, ratifies: false, envelope };
            cover.check(manifest, &given, ctx.now)?;
            String::from_utf8(envelope.to_bytes()).map(Some).map_err(Error::internal)
        }
    }
}

/// What the caller is to sign for a decision, and with which passkeys. It is made from the stored manifest by the code the
/// command line signs by; whoever signs in a browser believes this server about what it shows, and nodes judge the rest.
pub async fn run_signing(ctx: &Ctx, id: &str, request: &SigningRequest) -> Result<SigningOrder> {
    check_comment(&request.comment)?;
    let mut reader = ctx.app.db.reader().await?;
    let row = super::run::resolve(&mut reader, id).await?;
    let resource = Resource::template(&row.namespace, &row.template);
    ctx.require(if row.break_glass.is_some() && !request.ratifies { Action::RunBreakGlass } else { Action::RunApprove }, &resource)?;
    let document = ctx.app.manifests.of(&row)?;
    let manifest = &document.manifest;
    let sort = match (&row.break_glass, request.ratifies) {
        (_, true) => Sort::Ratification,
        (Some(_), false) => Sort::BreakGlass,
        (None, false) => Sort::Ordinary,
    };
    let shown = Shown { run: &row.id, digest: &row.digest, manifest };
    let statement = order::order(shown, sort, request.decision, &ctx.caller.user, &request.comment, ctx.now).map_err(|why| match why {
        NotToSign::WrongSort(why) => Error::new(code::NOT_UNRATIFIED, why),
        NotToSign::Contradiction(why) => Error::internal(why),
        NotToSign::Unsealable(error) => error,
    })?;
    let envelope = statement.envelope();
    let opened = envelope.open(synod_trust::approval::PAYLOAD_TYPE).map_err(Error::internal)?;
    let needed = signing::cover(&document, &ctx.access, &mut reader).await?.is_some();
    let root = ctx.access.trust.as_ref().map(|published| &published.root);
    let passkeys = root.and_then(|root| root.doc().passkeys.as_ref());
    let keys = root.filter(|_| passkeys.is_some()).and_then(|root| order::keys_of(root, &ctx.caller.user)).unwrap_or_default();
    let credential = |key: synod_trust::Key| match key.form() {
        Form::Passkey { credential_id } => Some(SigningCredential { key_id: key.id().to_string(), credential_id: to_base64url(credential_id) }),
        Form::Ssh { .. } => None,
    };
    // A start is decided until its time is over; after the fact there is time until the root's is.
    let run_ends = if request.ratifies { None } else { Some(row.approve_by) };
    let not_after = run_ends.into_iter().chain(root.map(|root| root.doc().expires_at)).min().unwrap_or(row.approve_by);
    Ok(SigningOrder {
        payload_type: envelope.payload_type,
        payload: envelope.payload,
        challenge: to_base64url(&challenge(&opened.pae)),
        not_after,
        rp_id: passkeys.map(|passkeys| passkeys.rp_id.clone()),
        credentials: keys.into_iter().filter_map(credential).collect(),
        needed,
    })
}
