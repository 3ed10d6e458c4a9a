//! Errors become problem documents; causes go to the log, under the id the caller is given.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use synod_domain::Error;
use synod_domain::error::{Kind, code};
use synod_protocol::http::REQUEST_ID;
use synod_protocol::http::problem::ProblemDocument;

/// An error on its way out.
pub struct ApiError(pub Error);

/// A result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// The id of a request.
#[derive(Clone)]
pub struct RequestId(pub String);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = StatusCode::from_u16(self.0.code().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// Gives every request an id, and every error its document.
pub async fn finish(mut request: Request, next: Next) -> Response {
    let id = hex::encode(rand::random::<[u8; 8]>());
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<Error>>() {
        if matches!(error.code().kind, Kind::Internal | Kind::Unavailable) {
            tracing::error!(request = id, %method, path, cause = error.cause().unwrap_or_default(), "{error}");
        } else {
            tracing::debug!(request = id, %method, path, "{error}");
        }
        let document = ProblemDocument::from_error(&error, Some(id.clone()));
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.remove(header::CONTENT_LENGTH);
        if let Some(seconds) = error.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        *response.body_mut() = body.into();
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Answers that are no pages may load nothing and be shown nowhere, should a browser be made to open one.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(http::HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(http::HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}

/// For a path that exists with a method that does not.
pub async fn method_not_allowed(request: Request) -> Response {
    let error = Error::new(code::UNKNOWN_PARAMETER, format!("{} is not possible on {}", request.method(), request.uri().path()));
    let mut response = ApiError(error).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
