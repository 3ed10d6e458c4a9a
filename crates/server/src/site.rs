//! Where people find this installation, as `url` says: the site passkeys are for, and the path it lies under.

use std::net::IpAddr;

use http::uri::PathAndQuery;
use synod_domain::error::code;
use synod_domain::{Error, Result};
use synod_protocol::http::client::Address;
use synod_trust::webauthn::{self, Passkeys};

/// What is served at the top; a path prefix that begins with one of these could not be told from it.
pub const OWN: [&str; 7] = ["api", "audit", "healthz", "readyz", "metrics", "openapi.json", "assets"];

/// The public face of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The path prefix without a trailing slash; empty at the top of its host.
    pub prefix: String,
    /// For which site passkeys count; `None` at an IP address, for which browsers make none. At the address of the machine
    /// itself its name, `localhost`, stands for it.
    pub passkeys: Option<Passkeys>,
}

impl Site {
    /// Reads a public URL.
    pub fn of(url: &str) -> Result<Self> {
        let wrong = |why: String| Error::new(code::CONFIGURATION, format!("`url` is {url:?}: {why}"));
        let address: Address = url.parse().map_err(&wrong)?;
        if let Some(odd) = url.chars().find(|c| matches!(c, '?' | '#' | '@')) {
            return Err(wrong(format!("it has a `{odd}`; write https://HOST, https://HOST:PORT or https://HOST/PREFIX")));
        }
        let segments: Vec<&str> = address.prefix.split('/').skip(1).collect();
        let plain = |segment: &&str| {
            !segment.is_empty() && *segment != "." && *segment != ".." && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
        };
        if let Some(odd) = segments.iter().find(|segment| !plain(segment)) {
            return Err(wrong(format!("`{odd}` cannot be part of the path; use letters, digits and -._~ between single slashes")));
        }
        if let Some(own) = segments.first().filter(|first| OWN.contains(first)) {
            return Err(wrong(format!("the path cannot begin with /{own}, which is a place of Synod's own")));
        }
        let ip = address.host.parse::<IpAddr>();
        let host = if ip.is_ok_and(|ip| ip.is_loopback()) { "localhost".into() } else { address.host.to_ascii_lowercase() };
        // Browsers take port 443 where a URL names none; our own clients take 8443.
        let given = url.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16());
        let ports: &[Option<u16>] = match given {
            Some(443) => &[None],
            Some(_) => &[given],
            None => &[None, Some(address.port)],
        };
        let origin = |port: &Option<u16>| port.map_or_else(|| format!("https://{host}"), |port| format!("https://{host}:{port}"));
        let passkeys = Passkeys { rp_id: host.clone(), origins: ports.iter().map(origin).collect() };
        let possible = host.parse::<IpAddr>().is_err() && webauthn::check(&passkeys).is_empty();
        Ok(Self { prefix: address.prefix, passkeys: possible.then_some(passkeys) })
    }

    /// The path of everything: `/`, or the prefix with a trailing slash.
    pub fn base(&self) -> String {
        format!("{}/", self.prefix)
    }

    /// The path cookies are for.
    pub fn cookie_path(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { &self.prefix }
    }

    /// The site passkeys are for, or why there is none.
    pub fn for_passkeys(&self) -> Result<&Passkeys> {
        self.passkeys.as_ref().ok_or_else(|| {
            Error::new(
                code::NO_PASSKEYS,
                "browsers make passkeys for a host by name, and `url` of this server's configuration has an IP address or no such name",
            )
        })
    }

    /// Takes the prefix off a request's path. A proxy may have done so already; then there is nothing to do.
    pub fn strip<B>(&self, request: &mut http::Request<B>) {
        let Some(rest) = Some(request.uri().path()).filter(|_| !self.prefix.is_empty()).and_then(|path| path.strip_prefix(&self.prefix)) else { return };
        if !rest.is_empty() && !rest.starts_with('/') {
            return;
        }
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let slash = if rest.is_empty() { "/" } else { "" };
        let Ok(path) = format!("{slash}{rest}{query}").parse::<PathAndQuery>() else { return };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(path);
        if let Ok(uri) = http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_configure() {
        let origins = |url: &str| Site::of(url).unwrap().passkeys.map(|p| (p.rp_id, p.origins));
        let of = |rp: &str, all: &[&str]| Some((rp.to_owned(), all.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>()));
        assert_eq!(origins("https://Synod.Example.com:9443/"), of("synod.example.com", &["https://synod.example.com:9443"]));
        assert_eq!(origins("https://synod.example.com:443"), of("synod.example.com", &["https://synod.example.com"]));
        assert_eq!(origins("https://synod.example.com"), of("synod.example.com", &["https://synod.example.com", "https://synod.example.com:8443"]));
        assert_eq!(origins("https://localhost:8443"), of("localhost", &["https://localhost:8443"]));
        assert_eq!(origins("https://127.0.0.1:8443"), of("localhost", &["https://localhost:8443"]));
        assert_eq!((origins("https://10.0.0.1:8443"), origins("https://[2001:db8::1]:8443")), (None, None));
        assert!(Site::of("https://10.0.0.1").unwrap().for_passkeys().unwrap_err().to_string().contains("IP address"));
        for (url, base, cookie) in
            [("https://a.example", "/", "/"), ("https://a.example/", "/", "/"), ("https://a.example/ops/synod/", "/ops/synod/", "/ops/synod")]
        {
            let site = Site::of(url).unwrap();
            assert_eq!((site.base().as_str(), site.cookie_path()), (base, cookie));
        }
    }

    #[test]
    fn refuses_what_cannot_work() {
        for (url, words) in [
            ("http://a.example", "https://"),
            ("a.example", "https://"),
            ("https://a.example/x?y=1", "`?`"),
            ("https://user@a.example", "`@`"),
            ("https://a.example/a//b", "cannot be part"),
            ("https://a.example/../b", "cannot be part"),
            ("https://a.example/a%20b", "cannot be part"),
            ("https://a.example/a\"b", "cannot be part"),
            ("https://a.example/api", "of Synod's own"),
            ("https://a.example/assets/x", "of Synod's own"),
        ] {
            let error = Site::of(url).unwrap_err();
            assert!(error.code().id == "SYN-1011" && error.message().contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn takes_the_prefix_off() {
        let strip = |site: &str, uri: &str| {
            let mut request = http::Request::builder().uri(uri).body(()).unwrap();
            Site::of(site).unwrap().strip(&mut request);
            request.uri().to_string()
        };
        let site = "https://a.example/synod";
        assert_eq!(strip(site, "/synod/api/v1/runs?x=1"), "/api/v1/runs?x=1");
        assert_eq!(strip(site, "https://a.example/synod"), "https://a.example/");
        assert_eq!(strip(site, "/synod?x=1"), "/?x=1");
        assert_eq!(strip(site, "/api/v1/runs"), "/api/v1/runs");
        assert_eq!(strip(site, "/synodal"), "/synodal");
        assert_eq!(strip("https://a.example", "/synod/api"), "/synod/api");
    }
}
