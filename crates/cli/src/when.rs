//! Times as people give and read them.

use synod_domain::{Span, Timestamp};

/// The present.
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// A time in the past: RFC 3339, a local date and time, or so long ago (`90m`).
pub fn past(text: &str) -> Result<Timestamp, String> {
    read(text, |now, span| Timestamp(now.0.saturating_sub(span.as_millis())))
}

/// A time to come: RFC 3339, a local date and time, or from now (`2h`, `+2h`).
pub fn future(text: &str) -> Result<Timestamp, String> {
    read(text.strip_prefix('+').unwrap_or(text), Timestamp::after)
}

fn read(text: &str, from: impl Fn(Timestamp, Span) -> Timestamp) -> Result<Timestamp, String> {
    if let Ok(span) = text.parse::<Span>() {
        return Ok(from(now(), span));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = text.parse::<jiff::civil::DateTime>().ok().and_then(|at| at.to_zoned(jiff::tz::TimeZone::system()).ok());
    local
        .map(|at| Timestamp(at.timestamp().as_millisecond()))
        .ok_or_else(|| format!("`{text}` is not a time; write RFC 3339 (2026-01-31T03:00:00Z), a local time (2026-01-31T03:00), or a length of time (90m)"))
}

/// How long ago, in one unit: `5m`; a time to come reads `in 5m`.
pub fn age(at: Timestamp) -> String {
    let ms = now().since(at);
    if ms < -999 { format!("in {}", short(-ms)) } else { short(ms) }
}

/// A length of time in milliseconds, in one unit.
pub fn short(ms: i64) -> String {
    match ms.max(0) / 1000 {
        s @ 0..=119 => format!("{s}s"),
        s @ 120..=7199 => format!("{}m", s / 60),
        s @ 7200..=172_799 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// A length of time in milliseconds, to the millisecond below ten seconds.
pub fn took(ms: i64) -> String {
    match ms.max(0) {
        ms @ 0..=999 => format!("{ms} ms"),
        ms @ 1000..=9999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => short(ms),
    }
}

/// A time with how far it is: `2026-01-31T03:00:00.000Z (in 5m)`.
pub fn full(at: Timestamp) -> String {
    let ms = now().since(at);
    if ms < -999 { format!("{at} (in {})", short(-ms)) } else { format!("{at} ({} ago)", short(ms)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_written() {
        assert_eq!(past("2026-01-31T03:00:00Z"), Ok("2026-01-31T03:00:00Z".parse().unwrap()));
        assert!(past("90m").unwrap() < now());
        assert!(future("+2h").unwrap() > now());
        assert!(future("2h").unwrap() > now());
        assert!(past("2026-01-31T03:00").is_ok());
        assert!(past("yesterday").unwrap_err().contains("RFC 3339"));
    }

    #[test]
    fn lengths_read_in_one_unit() {
        assert_eq!([0, 119_000, 120_000, 7_200_000, 172_800_000].map(short), ["0s", "119s", "2m", "2h", "2d"]);
        assert_eq!([5, 1_250, 12_000].map(took), ["5 ms", "1.2 s", "12s"]);
    }
}
