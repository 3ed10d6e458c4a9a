//! Questions about access.

use synod_domain::error::code;
use synod_domain::{Error, Result, problem::nearest};
use synod_protocol::http::access::{AccessQuery, CanI, WhoCan, WhoCanEntry};

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
