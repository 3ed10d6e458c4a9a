//! Figures for Prometheus.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use tokio::time::Instant;

use crate::app::App;
use crate::ops;

/// Counts every request and how long its answer took to begin.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    app.counters.answered(response.status(), began.elapsed());
    response
}

/// The page, in text format 0.0.4.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = ops::metrics::page(&app).await;
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"))], text).into_response()
}
