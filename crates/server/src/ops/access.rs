//! Questions about access.

use std::collections::BTreeMap;

use synod_db::user;
use synod_domain::error::code;
use synod_domain::{Error, Result, problem::nearest};
use synod_protocol::http::access::{AccessMatrix, AccessQuery, CanI, MatrixAction, MatrixPerson, MatrixQuery, WhoCan, WhoCanEntry};

use crate::authz::{self, Action, Resource};
use crate::ctx::Ctx;

fn question(query: &AccessQuery) -> Result<(Action, Resource)> {
    let action = Action::parse(&query.action).ok_or_else(|| {
        let near = nearest(&query.action, Action::ALL.iter().map(|a| a.name()));
        let hint = near
            .map_or_else(|| format!("known are {}", Action::ALL.iter().map(|a| a.name()).collect::<Vec<_>>().join(", ")), |n| format!("did you mean `{n}`?"));
        Error::new(code::UNKNOWN_PARAMETER, format!("there is no action `{}`; {hint}", query.action))
    })?;
    let resource = match (&query.namespace, &query.template) {
        _ if action.is_global() => Resource::system(),
        (Some(namespace), Some(template)) => Resource::template(namespace, template),
        (Some(namespace), None) => Resource::namespace(namespace),
        (None, Some(_)) => return Err(Error::new(code::UNKNOWN_PARAMETER, "a template is named together with its namespace; add `namespace`")),
        (None, None) => Resource::system(),
    };
    Ok((action, resource))
}

/// Whether the caller may, and by what.
pub fn can_i(ctx: &Ctx, query: &AccessQuery) -> Result<CanI> {
    let (action, resource) = question(query)?;
    let (allowed, policies) = authz::decide(&ctx.access, &ctx.caller.user, action, &resource, Some(ctx.is_fresh()), ctx.now);
    Ok(CanI { allowed, policies, roles: authz::roles_for(action).into_iter().map(str::to_owned).collect() })
}

/// Everyone who may, and by what.
pub fn who_can(ctx: &Ctx, query: &AccessQuery) -> Result<WhoCan> {
    let (action, resource) = question(query)?;
    let asked = query.namespace.as_deref().map_or_else(Resource::system, Resource::namespace);
    ctx.require(Action::AccessRead, &asked)?;
    let people = ctx
        .access
        .people
        .values()
        .filter_map(|person| {
            let (allowed, policies) = authz::decide(&ctx.access, &person.name, action, &resource, None, ctx.now);
            let roles = ctx.access.held(&person.name, query.namespace.as_deref(), false, ctx.now);
            allowed.then(|| WhoCanEntry { user: person.name.clone(), service_account: person.service_account, roles, policies })
        })
        .collect();
    Ok(WhoCan { people })
}

/// So many questions one matrix may put to the policies.
const MOST_QUESTIONS: usize = 200_000;

/// Who may do what: every action, for everybody, in one namespace or in all the caller may ask about.
pub async fn access_matrix(ctx: &Ctx, query: &MatrixQuery) -> Result<AccessMatrix> {
    let namespaces: Vec<String> = match &query.namespace {
        Some(name) => {
            ctx.require(Action::AccessRead, &Resource::namespace(name))?;
            if !ctx.access.namespaces.contains_key(name) {
                return Err(Error::not_found("namespace", name));
            }
            vec![name.clone()]
        }
        None => match ctx.namespaces(Action::AccessRead) {
            None => ctx.access.namespaces.keys().cloned().collect(),
            Some(some) if some.is_empty() => return Err(refused_everywhere(ctx)),
            Some(some) => some,
        },
    };
    let questions = ctx.access.people.len() * (namespaces.len() + 1) * Action::ALL.len();
    if questions > MOST_QUESTIONS {
        let (people, places) = (ctx.access.people.len(), namespaces.len());
        return Err(Error::new(code::UNKNOWN_PARAMETER, format!("{people} people in {places} namespaces are too many for one answer; name a `namespace`")));
    }
    let mut names: BTreeMap<String, String> =
        user::list(&mut ctx.app.db.reader().await?).await?.into_iter().map(|user| (user.name, user.display_name)).collect();
    // What holds everywhere is told to whoever may ask about everywhere.
    let everywhere = ctx.may(Action::AccessRead, &Resource::system());
    let ctx = ctx.clone();
    let _turn = super::HARD_WORK.acquire().await.map_err(Error::internal)?;
    // Policies are evaluated in earnest; that takes a while and is no work for the event loop.
    let matrix = move || {
        let people = ctx.access.people.values().map(|person| {
            let may = |action: &&Action, resource: &Resource| authz::allowed(&ctx.access, &person.name, **action, resource, None, ctx.now);
            let listed = |resource: Resource, global: bool| -> Vec<String> {
                let asked = Action::ALL.iter().filter(|action| global || !action.is_global());
                asked.filter(|action| may(action, &resource)).map(|action| action.name().to_owned()).collect()
            };
            let mut allowed: BTreeMap<String, Vec<String>> = namespaces.iter().map(|name| (name.clone(), listed(Resource::namespace(name), false))).collect();
            if everywhere {
                allowed.insert("*".into(), listed(Resource::system(), true));
            }
            let held = ctx.access.held(&person.name, None, true, ctx.now);
            let shown = |role: &synod_protocol::http::auth::HeldRole| role.namespace.as_ref().is_none_or(|name| namespaces.contains(name));
            MatrixPerson {
                user: person.name.clone(),
                display_name: names.remove(&person.name).unwrap_or_default(),
                service_account: person.service_account,
                enabled: person.enabled,
                groups: ctx.access.groups_of(&person.name).into_iter().collect(),
                roles: held.into_iter().filter(shown).collect(),
                may: allowed,
            }
        });
        let people = people.collect();
        let action = |a: &Action| MatrixAction { name: a.name().into(), words: a.words().into(), global: a.is_global() };
        AccessMatrix { actions: Action::ALL.iter().map(action).collect(), people, namespaces }
    };
    tokio::task::spawn_blocking(matrix).await.map_err(Error::internal)
}

fn refused_everywhere(ctx: &Ctx) -> Error {
    match ctx.require(Action::AccessRead, &Resource::system()) {
        Err(refused) => refused,
        Ok(()) => Error::internal("somebody may ask about everywhere and about no namespace"),
    }
}
