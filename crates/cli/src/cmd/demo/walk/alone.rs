//! The walk: one who may go ahead alone, once a day, and answers for it afterwards.

use synod_domain::approval::Decision;
use synod_domain::run::{Phase, Ratification};
use synod_protocol::http::client::ClientError;
use synod_protocol::http::run::{Run, RunRequest};
use synod_protocol::http::trust::RatifyRequest;

use super::{API, Fleet, Person, Sort, Walk, ensure, refused, restart, send, succeeded};
use crate::exit::Result;

async fn ratify(who: &Person, run: &Run) -> Result<Result<Run, ClientError>> {
    let signature = who.sign(run, Decision::Approve, "", Sort::Ratification).await?;
    Ok(who.client.post(&format!("{API}/runs/{}/ratify", run.summary.id), &RatifyRequest { signature }).await)
}

/// Carol restarts a service by break-glass; alice and bob ratify it.
pub(super) async fn break_glass(w: &mut Walk<'_>, fleet: &Fleet) -> Result<()> {
    let (alice, bob) = (Person::new(fleet, "alice").await?, Person::new(fleet, "bob").await?);
    let carol = Person::new(fleet, "carol").await?;
    let alone = RunRequest { break_glass: Some("night".into()), reason: "the shop is down, nobody answers".into(), ..restart("name=web-3") };
    let text = refused(bob.client.post::<_, Run>(&format!("{API}/runs"), &alone).await, "SYN-4105")?;
    w.tell("bob", "would go ahead alone", &text)?;
    let run: Run = carol.client.post(&format!("{API}/runs"), &alone).await?;
    let signature = carol.sign(&run, Decision::Approve, "", Sort::BreakGlass).await?;
    send(&carol.client, &run, Decision::Approve, "", Some(signature)).await?;
    let done = succeeded(&carol.client, &run.summary.id, 1).await?;
    let state = |run: &Run| run.summary.ratification.map_or("", Ratification::name);
    ensure(done.summary.ratification == Some(Ratification::Unratified), || format!("it is `{}`", state(&done)))?;
    w.tell("carol", "starts it by break-glass, on her signature alone", &format!("{} at once, and {}", done.summary.phase, state(&done)))?;
    let text = refused(carol.client.post::<_, Run>(&format!("{API}/runs"), &alone).await, "SYN-4105")?;
    w.tell("carol", "would do it again the same day", &text)?;
    let text = refused(ratify(&carol, &done).await?, "SYN-4101")?;
    w.tell("carol", "tries to ratify what she did herself", &text)?;
    let half = ratify(&alice, &done).await??;
    ensure(half.summary.ratification == Some(Ratification::Unratified), || format!("one signature made it `{}`", state(&half)))?;
    let whole = ratify(&bob, &done).await??;
    ensure(whole.summary.ratification == Some(Ratification::Ratified) && whole.summary.phase == Phase::Succeeded, || {
        format!("it is `{}`", state(&whole))
    })?;
    w.tell("alice", "and bob look at it the next morning and sign", &format!("{} after one signature, {} after two", state(&half), state(&whole)))
}
