//! The API's own description, OpenAPI 3.1, from the code.

use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{access, account_key, audit, auth, event, node, object, overview, run, system, task, trust, user};

#[derive(OpenApi)]
#[openapi(
    info(title = "Synod", description = "Operations by consensus: request, approve, run, record.", license(name = "Apache-2.0")),
    paths(
        user::bootstrap, auth::auth_methods, auth::login, auth::passkey_login, account_key::passkey_login_options, auth::renew, auth::logout, auth::whoami, auth::step_up, account_key::step_up_options,
        account_key::passkey_options, account_key::passkey_create, account_key::passkey_list, account_key::passkey_delete, account_key::ssh_key_create,
        account_key::ssh_key_list, account_key::ssh_key_delete, account_key::user_keys, auth::totp_enrol, auth::totp_confirm, auth::password_change,
        auth::session_list, auth::session_revoke, auth::api_key_list, auth::api_key_create, auth::api_key_revoke, user::user_list, user::user_create,
        user::user_get, user::user_update, object::apply, object::object_list, object::object_get, object::object_delete, object::object_revisions, object::schema,
        run::run_list, run::run_create, run::run_get, run::run_nodes, run::approval_create, run::run_signing, run::run_cancel, run::run_proceed, run::run_replay, run::run_bundle, run::run_ratify, run::run_incident, task::output,
        task::task_list, task::task_get, node::node_list, node::node_get, node::node_update, node::node_delete, node::join_token_list, node::join_token_create,
        node::join_token_revoke, node::enrol, event::event_list, audit::checkpoint, audit::key, audit::tile,
        audit::entries, audit::proof, trust::trust_get, trust::root_list, trust::root_publish, trust::root_check, trust::trust_outlook, access::can_i, access::who_can, access::access_matrix, overview::overview, system::info, system::backup
    ),
    components(schemas(
        synod_protocol::http::run::RunPlan,
        synod_domain::template::TemplateSpec,
        synod_domain::access::NamespaceSpec,
        synod_domain::access::GroupSpec,
        synod_domain::access::RoleBindingSpec,
        synod_domain::access::PolicySpec
    )),
    modifiers(&Security)
)]
struct Api;

struct Security;

impl Modify for Security {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(super::extract::COOKIE))));
    }
}

/// The description as JSON text, as it is checked in.
pub fn text() -> String {
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// `GET /openapi.json`
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is no part of the API: for those who watch, and the description itself.
    const APART: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];

    /// Method and path of every route, as `mod.rs` writes them down.
    fn routes() -> BTreeSet<(String, String)> {
        let source = include_str!("mod.rs");
        let (api, rest) = source.split_once(".nest(\"/api/v1\", api)").expect("the API lies under /api/v1");
        let mut found = BTreeSet::new();
        for (prefix, part) in [("/api/v1", api), ("", rest.split_once(".fallback(").expect("routes end with the fallback").0)] {
            for route in part.split(".route(").skip(1) {
                let path = route.split('"').nth(1).expect("a route begins with its path");
                let path = format!("{prefix}{path}").replace("{*", "{");
                let methods = ["get", "post", "put", "patch", "delete"].into_iter().filter(|method| {
                    route.match_indices(&format!("{method}(")).any(|(at, _)| !route[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
                });
                found.extend(methods.map(|method| (method.to_owned(), path.clone())));
            }
        }
        found
    }

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        let document: serde_json::Value = serde_json::from_str(&text()).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, operations)| operations.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
            .collect();
        let routes: BTreeSet<_> = routes().into_iter().filter(|(_, path)| !APART.contains(&path.as_str())).collect();
        assert!(routes.len() > 60, "{routes:?}");
        let missing: Vec<_> = routes.symmetric_difference(&described).collect();
        assert!(missing.is_empty(), "only in the router or only in openapi.rs: {missing:?}");
    }
}
