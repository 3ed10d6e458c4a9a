//! `synod can-i` and `synod who-can`.

use clap::Args;
use synod_protocol::http::access::{AccessQuery, CanI, WhoCan};

use super::API;
use super::account::role_words;
use super::kinds::Thing;
use crate::exit::{Exit, Fault, Result};
use crate::output::{Format, clean};
use crate::session::App;
use crate::table::{Show, Table};

/// Arguments of `can-i`.
#[derive(Debug, Args)]
pub struct CanIArgs {
    /// What to do: run, approve, cancel, apply …, or an action by its name (run.request)
    action: String,
    /// On what: template/NAME, template/NAMESPACE/NAME, or a kind
    object: Option<String>,
    /// A template
    #[arg(long)]
    template: Option<String>,
}

/// Arguments of `who-can`.
#[derive(Debug, Args)]
pub struct WhoCanArgs {
    /// What to do: run, approve, cancel, apply …, or an action by its name (run.request)
    action: String,
    /// On what: template/NAME, template/NAMESPACE/NAME, or a kind
    object: Option<String>,
    /// A template
    #[arg(long)]
    template: Option<String>,
}

/// Turns `run template/shop/x` into the question the server understands.
fn question(action: &str, object: Option<&str>, template: Option<&str>, namespace: Option<&str>) -> Result<AccessQuery> {
    let (word, rest) = object.map_or((None, None), |object| match object.split_once('/') {
        Some((word, rest)) if word.parse::<Thing>().is_ok() => (Some(word), Some(rest)),
        _ if object.parse::<Thing>().is_ok() => (Some(object), None),
        _ => (None, Some(object)),
    });
    let thing = word.map(|word| word.parse::<Thing>().map_err(Fault::usage)).transpose()?;
    let mut query = AccessQuery { action: translate(action, thing), namespace: namespace.map(str::to_owned), template: template.map(str::to_owned) };
    let is_template = matches!(thing, None | Some(Thing::Declared(synod_domain::object::Kind::Template)));
    if let Some(name) = rest.filter(|_| is_template) {
        let (own, name) = name.split_once('/').map_or((None, name), |(own, name)| (Some(own), name));
        query.namespace = own.map(str::to_owned).or(query.namespace);
        query.template = Some(name.to_owned());
    }
    if query.template.is_some() && query.namespace.is_none() {
        return Err(Fault::usage("say in which namespace the template is: `-n NAMESPACE`, or template/NAMESPACE/NAME"));
    }
    Ok(query)
}

/// The name of an action for what people say; a name with a dot is taken as it is.
fn translate(action: &str, thing: Option<Thing>) -> String {
    use synod_domain::object::Kind;
    let noun = match thing {
        None | Some(Thing::All) => None,
        Some(Thing::Declared(kind)) => Some(kind.name().to_lowercase()),
        Some(Thing::Token) => Some("join-token".to_owned()),
        // Tasks are seen with their runs.
        Some(Thing::Run | Thing::Task) => Some("run".to_owned()),
        Some(other) => Some(other.plural().trim_end_matches('s').to_owned()),
    };
    let of = |default: &str, verb: &str| format!("{}.{verb}", noun.as_deref().unwrap_or(default));
    match action.to_lowercase().as_str() {
        "run" | "request" | "replay" => "run.request".into(),
        "approve" | "reject" | "decide" => "run.approve".into(),
        "cancel" => "run.cancel".into(),
        "proceed" => "run.proceed".into(),
        "watch" | "logs" => "run.read".into(),
        "apply" | "create" | "edit" | "update" | "write" => of("template", "write"),
        // Only these have a right of their own for it; elsewhere deleting is changing.
        "delete" if matches!(thing, None | Some(Thing::Declared(Kind::Template | Kind::Namespace))) => of("template", "delete"),
        "delete" | "revoke" => of("template", "write"),
        "get" | "list" | "describe" | "see" | "read" => of("run", "read"),
        "label" => "node.write".into(),
        "backup" => "backup.read".into(),
        other => other.to_owned(),
    }
}

/// Tells whether the caller may.
pub async fn can_i(args: CanIArgs, app: &App<'_>) -> Result {
    let query = question(&args.action, args.object.as_deref(), args.template.as_deref(), app.namespace())?;
    let answer: CanI = app.connect().await?.query(&format!("{API}/access/can-i"), &query).await?;
    let exit = if answer.allowed { Exit::Ok } else { Exit::Differs };
    app.out.either(&answer, || {
        let by = if answer.policies.is_empty() { String::new() } else { format!(" (by {})", answer.policies.join(", ")) };
        let roles = if answer.allowed || answer.roles.is_empty() { String::new() } else { format!("; these roles would do: {}", answer.roles.join(", ")) };
        clean(&format!("{}{by}{roles}", if answer.allowed { "yes" } else { "no" }))
    })?;
    Ok(exit)
}

/// Tells who may.
pub async fn who_can(args: WhoCanArgs, app: &App<'_>) -> Result {
    let query = question(&args.action, args.object.as_deref(), args.template.as_deref(), app.namespace())?;
    let answer: WhoCan = app.connect().await?.query(&format!("{API}/access/who-can"), &query).await?;
    match app.out.format() {
        Format::Json | Format::Yaml => app.out.value(&answer)?,
        Format::Name => {
            let names: String = answer.people.iter().map(|one| clean(&one.user) + "\n").collect();
            app.out.text(&names)?;
        }
        _ => {
            let mut table = Table::new(&[("USER", Show::Always), ("KIND", Show::Always), ("BY ROLE", Show::Always), ("BY POLICY", Show::Wide)]);
            for one in &answer.people {
                let roles: Vec<String> = one.roles.iter().map(role_words).collect();
                let kind = if one.service_account { "service account" } else { "person" };
                table.row(vec![(&one.user).into(), kind.into(), roles.join("; ").into(), one.policies.join(", ").into()]);
            }
            table.print(app.out, "nobody")?;
        }
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_actions() {
        let ask = |action, object, namespace| {
            let query = question(action, object, None, namespace).unwrap();
            (query.action, query.namespace, query.template)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(ask("run", Some("template/restart-service"), Some("shop")), ("run.request".into(), some("shop"), some("restart-service")));
        assert_eq!(ask("run", Some("template/shop/x"), None), ("run.request".into(), some("shop"), some("x")));
        assert_eq!(ask("run", Some("shop/x"), None), ("run.request".into(), some("shop"), some("x")));
        assert_eq!(ask("approve", None, None), ("run.approve".into(), None, None));
        assert_eq!(ask("apply", Some("policies"), None), ("policy.write".into(), None, None));
        assert_eq!(ask("delete", Some("nodes"), None), ("node.write".into(), None, None));
        assert_eq!(ask("create", Some("token"), None), ("join-token.write".into(), None, None));
        assert_eq!(ask("node.write", None, None), ("node.write".into(), None, None));
        assert!(question("run", Some("template/x"), None, None).is_err());
    }
}
