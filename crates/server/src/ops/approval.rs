//! Decisions on runs.

use serde_json::json;
use synod_db::{approval, event, run};
use synod_domain::approval::{Decision, Excluded, rules_for};
use synod_domain::error::code;
use synod_domain::event::types;
use synod_domain::run::Phase;
use synod_domain::{Error, Problem, Result};
use synod_protocol::http::run::{ApprovalRequest, Run};

use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::rollout::{Work, run_event};

/// Records a person's decision on exactly one digest, and judges the run by it.
pub async fn approval_create(ctx: &Ctx, id: &str, request: &ApprovalRequest) -> Result<Run> {
    if request.comment.len() > 2000 || request.comment.contains('\0') {
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/comment", "a comment is at most 2000 bytes of text")]));
    }
    let id = super::run::resolve(&mut ctx.app.db.reader().await?, id).await?.id;
    let mut tx = ctx.app.db.begin().await?;
    let mut row = run::lock(&mut tx, &id).await?.ok_or_else(|| Error::not_found("run", &id))?;
    // Judged by what holds now, inside the transaction, not by what held when the request came in.
    let access = ctx.app.access.current(&mut tx).await?;
    let ctx = Ctx { access, ..ctx.clone() };
    ctx.require(Action::RunApprove, &Resource::template(&row.namespace, &row.template))?;
    match row.phase {
        Phase::Pending if ctx.now >= row.approve_by => {
            return Err(Error::new(code::RUN_EXPIRED, format!("run {id} could be decided until {}", row.approve_by)));
        }
        Phase::Pending => {}
        Phase::Expired => return Err(Error::new(code::RUN_EXPIRED, format!("run {id} could be decided until {}", row.approve_by))),
        phase => {
            if approval::list(&mut tx, &id).await?.iter().any(|a| a.person == ctx.caller.user) {
                return Err(Error::new(code::ALREADY_VOTED, format!("{} has decided on run {id} already", ctx.caller.user)));
            }
            return Err(Error::new(code::RUN_NOT_PENDING, format!("run {id} is {phase} and awaits no decision")));
        }
    }
    if request.digest != row.digest {
        return Err(Error::new(code::DIGEST_MISMATCH, format!("you decided on {}, run {id} is {}", request.digest, row.digest)));
    }
    let document = ctx.app.manifests.of(&row)?;
    let manifest = &document.manifest;
    let standing = ctx.access.standing(&ctx.caller.user, &row.namespace, &row.template, ctx.now);
    if let Err(excluded) = rules_for(&manifest.approval, &row.requester, &row.author, &standing) {
        let rules: Vec<String> = manifest.approval.rules.iter().map(ToString::to_string).collect();
        return Err(match excluded {
            Excluded::Requester => Error::new(code::OWN_REQUEST, format!("{} asked for run {id} and may not decide on it", ctx.caller.user)),
            Excluded::Author => Error::new(code::AUTHOR_EXCLUDED, format!("{} wrote this revision of the template and may not decide on it", ctx.caller.user)),
            Excluded::NoRule => {
                Error::new(code::NOT_AN_APPROVER, format!("the decision of {} would not count; run {id} asks for {}", ctx.caller.user, rules.join(" and ")))
            }
        });
    }
    let decision = approval::Approval {
        person: ctx.caller.user.clone(),
        decision: request.decision,
        digest: request.digest.clone(),
        comment: request.comment.clone(),
        at: ctx.now,
        signature: None,
    };
    if !approval::insert(&mut tx, &id, &decision).await? {
        return Err(Error::new(code::ALREADY_VOTED, format!("{} has decided on run {id} already", ctx.caller.user)));
    }
    let word = match request.decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    };
    let data = json!({"decision": word, "digest": request.digest, "comment": request.comment});
    let mut events = vec![run_event(types::APPROVAL_GIVEN, &row, &ctx.actor(), data)];
    let mut effects = Effects { events: true, ..Effects::default() };
    let mut work = Work { run: &mut row, manifest, access: &ctx.access, now: ctx.now, events: &mut events, effects: &mut effects };
    work.settle(&mut tx).await?;
    run::update(&mut tx, &row).await?;
    event::append(&mut tx, &events, ctx.now).await?;
    let shown = super::run_view::brief(&ctx, &mut tx, row).await?;
    tx.commit().await?;
    effects.carry_out(&ctx.app);
    Ok(shown)
}
