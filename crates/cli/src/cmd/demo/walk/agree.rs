//! The walk: asking, agreeing by signatures, rejecting, cancelling.

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::run::Phase;
use synod_protocol::http::Page;
use synod_protocol::http::object::DocumentList;
use synod_protocol::http::run::{ReplayRequest, Run, RunPlan, RunRequest, RunSummary};
use synod_protocol::http::task::OutputList;
use synod_trust::key::Purpose;
use synod_trust::{Envelope, Statement};

use super::{API, Fleet, Person, Sort, Walk, count, ended, ensure, keys, refused, restart, send, succeeded, until, wrong};
use crate::exit::Result;

/// Requests that are not to be, and one that is only tried.
pub(super) async fn ask(w: &mut Walk<'_>, fleet: &Fleet) -> Result<()> {
    let (dave, erin) = (fleet.client("dave").await?, fleet.client("erin").await?);
    let templates: DocumentList = dave.get(&format!("{API}/objects/templates?namespace=shop")).await?;
    let names: Vec<&str> = templates.items.iter().map(|t| t.metadata.name.as_str()).collect();
    ensure(names.contains(&"restart-service"), || format!("no template restart-service in {names:?}"))?;
    w.tell("dave", "looks what may be requested", &names.join(", "))?;
    let bad = RunRequest { inputs: json!({"service": "wob", "grace_s": 99}), ..restart("role=web") };
    let text = refused(dave.post::<_, Value>(&format!("{API}/runs"), &bad).await, "SYN-1002")?;
    w.tell("dave", "asks with wrong inputs", &text)?;
    let text = refused(erin.post::<_, Value>(&format!("{API}/runs"), &restart("role=web")).await, "SYN-2100")?;
    w.tell("erin", "asks, but only watches", &text)?;
    let text = refused(dave.post::<_, Value>(&format!("{API}/runs"), &restart("role=cache")).await, "SYN-1004")?;
    w.tell("dave", "asks for nodes that do not exist", &text)?;
    let plan: RunPlan = dave.post(&format!("{API}/runs"), &RunRequest { dry_run: true, ..restart("role=web") }).await?;
    ensure(plan.nodes.len() == 3 && plan.batches == [1, 2], || format!("the plan has {:?} in {:?}", plan.nodes, plan.batches))?;
    let approvers: Vec<String> = plan.approvers.iter().map(|rule| format!("{} ({})", rule.rule, rule.candidates.join(", "))).collect();
    w.tell(
        "dave",
        "tries it dry: what, where, who must agree",
        &format!(
            "{} on {} nodes in batches {:?}; {}",
            plan.preview[0].script.trim().replace('\n', "; "),
            plan.nodes.len(),
            plan.batches,
            approvers.join(" and ")
        ),
    )
}

/// A run that enough people sign; returns its id.
pub(super) async fn agree(w: &mut Walk<'_>, fleet: &Fleet) -> Result<String> {
    let (bob, carol, dave) = (Person::new(fleet, "bob").await?, Person::new(fleet, "carol").await?, fleet.client("dave").await?);
    let run: Run = dave.post(&format!("{API}/runs"), &restart("role=web")).await?;
    ensure(run.summary.phase == Phase::Pending, || format!("it is {}", run.summary.phase))?;
    let id = run.summary.id.clone();
    w.tell("dave", "asks to restart web on role=web", &format!("run {id} is pending, {}", run.digest))?;
    let text = refused(send(&dave, &run, Decision::Approve, "", None).await, "SYN-4000")?;
    w.tell("dave", "tries to approve his own request", &text)?;
    // He has no key that counts either, and it is not that what he is told.
    let tried = fleet.synod(Some("dave"), &["approve", &id, "--yes"]).await?;
    let told = String::from_utf8_lossy(&tried.stderr).into_owned();
    ensure(!tried.status.success() && told.contains("SYN-4000"), || format!("`synod approve` by the requester says: {told}"))?;
    let awaiting: Page<RunSummary> = bob.client.get(&format!("{API}/runs?awaitingMe=true")).await?;
    ensure(awaiting.items.iter().any(|r| r.id == id), || "bob is not asked".into())?;
    w.tell("bob", "looks what awaits him", &format!("{} run: {}", awaiting.items.len(), awaiting.items[0].reason))?;
    let other = Run { digest: format!("sha256:{}", "0".repeat(64)), ..run.clone() };
    let text = refused(send(&bob.client, &other, Decision::Approve, "", None).await, "SYN-4003")?;
    w.tell("bob", "approves something else by mistake", &text)?;
    let text = refused(send(&bob.client, &run, Decision::Approve, "ok", None).await, "SYN-4100")?;
    w.tell("bob", "approves without signing", &text)?;
    let forged = in_the_name_of(fleet, "carol", "bob", &run).await?;
    let text = refused(send(&carol.client, &run, Decision::Approve, "", Some(forged)).await, "SYN-4101")?;
    w.tell("bob", "has got at carol's session, but not at her key", &text)?;
    let after = bob.decide(&run, Decision::Approve, "ok").await?;
    ensure(after.summary.phase == Phase::Pending, || format!("one approval made it {}", after.summary.phase))?;
    let signing = after.signing.ok_or_else(|| wrong("the trust root does not cover the run"))?;
    let missing: Vec<String> = signing.rules.iter().filter(|r| r.missing > 0).map(|r| format!("{} more, {} ({})", r.missing, r.rule, r.name)).collect();
    w.tell("bob", "signs exactly this with his own key", &format!("still pending, missing: {}", missing.join("; ")))?;
    let again = bob.sign(&run, Decision::Approve, "again", Sort::Ordinary).await?;
    let text = refused(send(&bob.client, &run, Decision::Approve, "again", Some(again)).await, "SYN-4002")?;
    w.tell("bob", "approves once more", &text)?;
    let before = fleet.service_process("web-1", "web");
    carol.decide(&run, Decision::Approve, "on call, fine").await?;
    let done = succeeded(&dave, &id, 3).await?;
    w.tell(
        "carol",
        "signs too; each node checks both signatures, one node first, then the rest",
        &format!("{}, {} of 3 nodes, {} batches", done.summary.phase, done.tasks.succeeded, done.batch),
    )?;
    let after = fleet.service_process("web-1", "web");
    ensure(after.is_some() && after != before, || format!("the service of web-1 was {before:?} and is {after:?}"))?;
    let output: OutputList = dave.get(&format!("{API}/runs/{id}/output?node=web-1")).await?;
    let text: String = output.items.iter().flat_map(|chunk| &chunk.segments).filter_map(|s| s.text.as_deref()).collect();
    ensure(text.contains("running since"), || format!("web-1 wrote: {text}"))?;
    w.tell("dave", "reads what web-1 wrote", &text.trim().replace('\n', " · "))?;
    Ok(id)
}

/// A decision that is said to be somebody's, signed by somebody else.
async fn in_the_name_of(fleet: &Fleet, person: &str, signer: &str, run: &Run) -> Result<Envelope> {
    let statement = Statement::new(&run.summary.id, &run.digest, Decision::Approve, person, "", crate::when::now());
    keys::signer(&fleet.dir, signer).await?.sign(Purpose::Approval, statement.envelope()).await
}

/// A rejection, which is signed too, and a cancellation.
pub(super) async fn call_off(w: &mut Walk<'_>, fleet: &Fleet) -> Result<()> {
    let (bob, carol, dave) = (Person::new(fleet, "bob").await?, Person::new(fleet, "carol").await?, fleet.client("dave").await?);
    let all: Page<RunSummary> = dave.get(&format!("{API}/runs?template=restart-service&phase=succeeded&namespace=shop")).await?;
    let first = all.items.first().ok_or_else(|| wrong("no run has succeeded"))?;
    let again = ReplayRequest { target: "env=prod".parse().unwrap_or_default(), reason: None, secrets: None, not_before: None, dry_run: false };
    let replay: Run = dave.post(&format!("{API}/runs/{}/replay", first.id), &again).await?;
    let comparison = replay.comparison.clone().ok_or_else(|| wrong("the replay carries no comparison"))?;
    ensure(comparison.replay && comparison.run == first.id, || format!("it compares with {}", comparison.run))?;
    w.tell(
        "dave",
        "asks for the same on env=prod",
        &format!("the first run {} goes with it; it differs in {}", comparison.phase, comparison.differences.join("; ")),
    )?;
    let after = carol.decide(&replay, Decision::Reject, "not during the sale").await?;
    ensure(after.summary.phase == Phase::Rejected, || format!("it is {}", after.summary.phase))?;
    w.tell("carol", "rejects it", &format!("{}: {}", after.summary.phase, after.summary.message))?;
    let slow: Run = dave.post(&format!("{API}/runs"), &count(500, "role=web")).await?;
    bob.decide(&slow, Decision::Approve, "").await?;
    let id = slow.summary.id;
    until("output while it runs", async || {
        let output: OutputList = dave.get(&format!("{API}/runs/{id}/output")).await.ok()?;
        (!output.items.is_empty()).then_some(())
    })
    .await?;
    let _: Run = dave.post(&format!("{API}/runs/{id}/cancel"), &json!({"reason": "seen enough"})).await?;
    let done = ended(&dave, &id).await?;
    ensure(done.summary.phase == Phase::Cancelled && done.tasks.cancelled == 3, || format!("it ended {} {:?}", done.summary.phase, done.tasks))?;
    w.tell(
        "dave",
        "watches a slow run live and cancels it",
        &format!("{}: {} tasks cancelled, the one under way among them", done.summary.phase, done.tasks.cancelled),
    )
}
