//! What handlers take: the caller's circumstances, bodies and queries, each with our own errors.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use synod_domain::error::code;
use synod_domain::problem::segment;
use synod_domain::{Error, Problem};
use synod_protocol::http::{CSRF_TOKEN, IDEMPOTENCY_KEY};

use super::error::{ApiError, RequestId};
use crate::app::App;
use crate::ctx::Ctx;

/// The cookie that holds a browser's session.
pub const COOKIE: &str = "synod_session";

impl FromRequestParts<Arc<App>> for Ctx {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let now = app.clock.now();
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        let (token, via_cookie) = match (bearer, cookie(&parts.headers)) {
            (Some(token), _) => (token.trim().to_owned(), false),
            (None, Some(token)) => (token, true),
            (None, None) => return Err(Error::new(code::UNAUTHENTICATED, "this needs a session or an API key").into()),
        };
        let (caller, access, csrf) = crate::ops::auth::authenticate(app, &token, via_cookie, now).await?;
        let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if via_cookie && changes {
            let shown = parts.headers.get(CSRF_TOKEN).and_then(|v| v.to_str().ok());
            if shown.is_none() || shown != csrf.as_deref() {
                return Err(Error::new(code::CSRF, "the CSRF token is missing or wrong").into());
            }
        }
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self { app: app.clone(), caller, request_id, now, access })
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| value.to_owned())
    })
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let bytes = bytes::Bytes::from_request(request, app).await.map_err(|rejection| {
            if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
                Error::new(code::TOO_LARGE, format!("the body is larger than {} bytes", super::MAX_BODY))
            } else {
                Error::new(code::MALFORMED, "the body broke off")
            }
        })?;
        // Nothing is as good as an empty object, for operations whose fields are all optional.
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let unreadable = |e: serde_json::Error| {
            let text = e.to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            let place = Problem::at("", what).place(u32::try_from(e.line()).unwrap_or(0), u32::try_from(e.column()).unwrap_or(0));
            Error::problems(code::MALFORMED, vec![place])
        };
        if let Some(pointer) = nul_in(bytes) {
            let problem = Problem::at(pointer, "the text holds a NUL character, which cannot be stored").hint("leave it out");
            return Err(Error::problems(code::INVALID_DOCUMENT, vec![problem]).into());
        }
        serde_json::from_slice(bytes).map(Body).map_err(|e| unreadable(e).into())
    }
}

/// Where a JSON text holds a NUL character. It can only be there as this escape; most texts do not have it, and are not read twice.
fn nul_in(json: &[u8]) -> Option<String> {
    fn look(value: &Value, at: &mut String) -> bool {
        let before = at.len();
        let mut inside = |part: &str, value: &Value| {
            at.truncate(before);
            at.push_str(part);
            look(value, at)
        };
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().enumerate().any(|(n, item)| inside(&format!("/{n}"), item)),
            // A name with a NUL has no pointer that could be shown.
            Value::Object(fields) => fields.iter().any(|(name, item)| name.contains('\0') || inside(&segment(name), item)),
            _ => false,
        }
    }
    let mut at = String::new();
    let escape = br"\u0000";
    let there = json.windows(escape.len()).any(|part| part == escape);
    (there && look(&serde_json::from_slice(json).ok()?, &mut at)).then_some(at)
}

/// Refuses addresses that hold what is no text, or a NUL character, which no database could look up.
pub async fn plain_address(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let wrong = if query.contains("%00") {
        Some("a parameter of the query holds a NUL character (%00)")
    } else {
        match decoded(request.uri().path()) {
            Some(path) if !path.contains('\0') => None,
            Some(_) => Some("the path holds a NUL character (%00)"),
            None => Some("the path is not UTF-8"),
        }
    };
    match wrong {
        Some(why) => ApiError(Error::new(code::UNKNOWN_PARAMETER, why)).into_response(),
        None => next.run(request).await,
    }
}

/// A path without its escapes, when it is text then.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        bytes.push(escaped.as_ref().map_or(*first, |byte| byte[0]));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// The caller's key for this request, by which the same one is recognised when it comes again.
pub struct IdempotencyKey(pub Option<String>);

impl FromRequestParts<Arc<App>> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        let key = value.to_str().ok().filter(|v| (8..=128).contains(&v.len()));
        key.map(|key| Self(Some(key.to_owned())))
            .ok_or_else(|| Error::new(code::UNKNOWN_PARAMETER, "an idempotency key has 8 to 128 visible characters").into())
    }
}

/// The revision a caller edited, from `If-Match`.
pub struct IfMatch(pub Option<u64>);

impl FromRequestParts<Arc<App>> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let revision = value.to_str().ok().and_then(|v| v.trim_matches('"').parse().ok());
        revision
            .map(|revision| Self(Some(revision)))
            .ok_or_else(|| Error::new(code::UNKNOWN_PARAMETER, "If-Match holds a revision, such as \"3\"").into())
    }
}

/// A query string.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|e| Error::new(code::UNKNOWN_PARAMETER, format!("a parameter of the query is wrong: {}", inner(&e))).into())
    }
}

fn inner(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_found_where_it_is() {
        let at = |json: &str| nul_in(json.as_bytes());
        assert_eq!(at(r#"{"a": ["x", {"b/c": "y\u0000"}]}"#).as_deref(), Some("/a/1/b~1c"));
        assert_eq!(at(r#"{"a": {"b\u0000": 1}}"#).as_deref(), Some("/a"));
        assert_eq!(at(r#""\u0000""#).as_deref(), Some(""));
        for fine in [r#"{"a": "\\u0000"}"#, r#"{"a": "u0000"}"#, "{\\u0000", "[]"] {
            assert_eq!(at(fine), None, "{fine}");
        }
    }

    #[test]
    fn paths_lose_their_escapes() {
        for (path, text) in [("/a%20b%2Fc", Some("/a b/c")), ("/%00", Some("/\0")), ("/%2500", Some("/%00")), ("/%ff", None), ("/%zz%4", Some("/%zz%4"))] {
            assert_eq!(decoded(path).as_deref(), text, "{path}");
        }
    }
}
