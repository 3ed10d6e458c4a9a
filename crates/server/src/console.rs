//! The web console. Until it is built in, its address says so; unknown addresses of the API are told apart.

use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use synod_domain::Error;
use synod_domain::error::code;

use crate::http::ApiError;

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Synod</title>\
    <meta name=\"viewport\" content=\"width=device-width\"><body style=\"font-family:system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
    <h1>Synod</h1><p>This server is up. It was built without the web console; work with it through the command line:</p>\
    <pre>synod login https://THIS-SERVER --user YOU</pre><p>The API is described at <a href=\"/openapi.json\">/openapi.json</a>.</p>";

/// Answers everything that is not an operation.
pub async fn serve(request: Request) -> Response {
    if request.uri().path() == "/" {
        return Html(PAGE).into_response();
    }
    let error = Error::new(code::NOT_FOUND, format!("there is nothing at {}; the operations are described at /openapi.json", request.uri().path()));
    let mut response = ApiError(error).into_response();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
