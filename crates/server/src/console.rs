//! The web console: the files vite built, carried inside the program. Until they are built in, its address says so.

use std::borrow::Cow;
use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::RustEmbed;
use synod_domain::Error;
use synod_domain::error::code;

use crate::app::App;
use crate::http::{ApiError, takes_gzip};
use crate::site::OWN;

/// What the build script chose of `web/dist`: of a file that has a packed twin, only the twin.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/console"]
struct Dist;

/// Shown where the console was not built in.
const ABSENT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Synod</title>\
    <meta name=\"viewport\" content=\"width=device-width\"><body style=\"font-family:system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
    <h1>Synod</h1><p>This server is up. It was built without the web console: <code>make console</code> builds it, and the next build of the \
    program carries it. Everything can be done on the command line:</p>\
    <pre>synod login https://THIS-SERVER --user YOU</pre><p>The API is described at <a href=\"__SYNOD_BASE__openapi.json\">openapi.json</a>.</p>";

/// The page everything begins with, unpacked.
static INDEX: LazyLock<Option<String>> = LazyLock::new(|| String::from_utf8(find("index.html")?.plain()?.into_owned()).ok());

/// A file of the console.
struct Asset {
    data: Cow<'static, [u8]>,
    packed: bool,
}

impl Asset {
    fn plain(self) -> Option<Cow<'static, [u8]>> {
        if !self.packed {
            return Some(self.data);
        }
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*self.data).read_to_end(&mut plain).ok()?;
        Some(plain.into())
    }
}

fn find(name: &str) -> Option<Asset> {
    match Dist::get(&format!("{name}.gz")) {
        Some(file) => Some(Asset { data: file.data, packed: true }),
        None => Dist::get(name).filter(|_| !name.ends_with(".gz")).map(|file| Asset { data: file.data, packed: false }),
    }
}

/// Answers everything that is not an operation: files of the console, and its page for every address it knows itself.
pub async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    let top = path.split('/').nth(1).unwrap_or_default();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // The places themselves, with nothing below them, are screens: those about the audit log and the API.
    let screen = top.len() + 1 == path.len() && matches!(top, "api" | "audit");
    if reads && (top == "assets" || screen || !OWN.contains(&top)) {
        let name = path.trim_start_matches('/');
        if let Some(asset) = find(name).filter(|_| name != "index.html") {
            return file(name, asset, request.headers());
        }
        let wants_page = request.headers().get_all(header::ACCEPT).iter().any(|v| v.to_str().is_ok_and(|v| v.contains("text/html")));
        if wants_page || path == "/" || name == "index.html" {
            return page(&app.site.base());
        }
    }
    let error = Error::new(code::NOT_FOUND, format!("there is nothing at {path}; the operations are described at /openapi.json"));
    let mut response = ApiError(error).into_response();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The page, with a nonce for this answer alone and the path everything lies under.
fn page(base: &str) -> Response {
    let nonce = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
    let text = fill(INDEX.as_deref().unwrap_or(ABSENT), &nonce, base);
    let mut response = ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], text).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    secure(response.headers_mut(), Some(&nonce));
    response
}

fn fill(index: &str, nonce: &str, base: &str) -> String {
    let mut escaped = String::new();
    for c in base.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    index.replace("__SYNOD_NONCE__", nonce).replace("__SYNOD_BASE__", &escaped)
}

fn file(name: &str, asset: Asset, asked: &HeaderMap) -> Response {
    let packed = asset.packed;
    let as_is = packed && takes_gzip(asked);
    let data = if as_is { Some(asset.data) } else { asset.plain() };
    let Some(data) = data else { return ApiError(Error::internal(format!("the console's file {name} cannot be unpacked"))).into_response() };
    let body = match data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    // Names under /assets/ contain the hash of what is in them.
    let keep = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if packed {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if as_is {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    secure(headers, None);
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// What the page may load and do, and who may show it. Scripts and connections are of this site only.
fn secure(headers: &mut HeaderMap, nonce: Option<&str>) {
    let nonce = nonce.map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'{nonce}; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(
        http::HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-write=(self), accelerometer=(), bluetooth=(), camera=(), \
             display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_filled_in() {
        let index = r#"<meta name="csp-nonce" content="__SYNOD_NONCE__"><base href="__SYNOD_BASE__"><script nonce="__SYNOD_NONCE__">"#;
        let filled = fill(index, "n+/=", "/a\"&<'>/");
        assert_eq!(filled, r#"<meta name="csp-nonce" content="n+/="><base href="/a&quot;&amp;&lt;&#39;&gt;/"><script nonce="n+/=">"#);
        let nonce_of = |response: &Response| {
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
            policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned()
        };
        let (one, other) = (page("/"), page("/"));
        assert_ne!(nonce_of(&one), nonce_of(&other), "each answer has its own");
    }

    #[test]
    fn packed_files_are_packed_for_those_who_take_them() {
        use std::io::Write as _;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(b"let a = 1").unwrap();
        let packed = packer.finish().unwrap();
        let asset = || Asset { data: packed.clone().into(), packed: true };
        assert_eq!(asset().plain().unwrap(), &b"let a = 1"[..]);
        let mut asked = HeaderMap::new();
        let plain = file("assets/a.js", asset(), &asked);
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING) && plain.headers()[header::VARY] == "accept-encoding");
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(plain.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br, gzip;q=0.5"));
        let as_is = file("logo.svg", asset(), &asked);
        assert_eq!(
            (&as_is.headers()[header::CONTENT_ENCODING], &as_is.headers()[header::CACHE_CONTROL]),
            (&HeaderValue::from_static("gzip"), &HeaderValue::from_static("no-cache"))
        );
        let broken = file("a.js", Asset { data: Cow::Borrowed(b"no gzip"), packed: true }, &HeaderMap::new());
        assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn what_is_carried_can_be_served() {
        for name in Dist::iter() {
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            assert!(find(plain).and_then(Asset::plain).is_some_and(|data| !data.is_empty() || plain.ends_with(".map")), "{name}");
        }
        if let Some(index) = &*INDEX {
            assert!(index.contains("__SYNOD_NONCE__") && index.contains("__SYNOD_BASE__"), "index.html has no place for nonce or base");
        }
    }
}
