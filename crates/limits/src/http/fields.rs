//! The fields `RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-11.

use std::{fmt::Write, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Decision, Limit, LimitStatus, Limiter, Origin};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest integer of a structured field (RFC 9651, section 3.3.1); limits may be larger.
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// Tells how the limits stand.
///
/// A limiter in shadow tells nothing, and what the store did not say is not told. Of a denial those limits are told that denied
/// it, because `Retry-After` should not end before the window of any of them does.
pub(super) fn add(headers: &mut HeaderMap, limiter: &Limiter, decision: &Decision) {
    if decision.shadow {
        return;
    }
    let limits = || limiter.limits().iter().zip(decision.limits());
    append(
        headers,
        RATE_LIMIT_POLICY,
        limits().map(|(limit, status)| policy(limit, status.limit())),
    );
    if decision.origin() != Origin::Outage {
        let told = limits().filter(|(_, status)| decision.is_allowed() || status.denies());
        let items = told.map(|(limit, status)| service_limit(limit, status));
        append(headers, RATE_LIMIT, items);
    }
}

/// Tells the limits, where nobody knows how they stand.
pub(super) fn add_policies(headers: &mut HeaderMap, limiter: &Limiter) {
    let items = limiter.limits().iter();
    let items = items.map(|limit| policy(limit, limit.limit()));
    append(headers, RATE_LIMIT_POLICY, items);
}

/// Adds a list, beside those of other layers: lists may be split over several lines of a field.
fn append(headers: &mut HeaderMap, name: HeaderName, items: impl Iterator<Item = String>) {
    let list = items.collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::try_from(list) {
        headers.append(name, value);
    }
}

/// `units` in the limit's window. A month has no fixed length, and is not told.
fn policy(limit: &Limit, units: u64) -> String {
    let mut item = quoted(limit.name());
    let _ = write!(item, ";q={}", units.min(MAX_INTEGER));
    if let Some(window) = limit.window_length() {
        let _ = write!(item, ";w={}", seconds(window).max(1));
    }
    item
}

/// What is left, and for how long it has to do.
fn service_limit(limit: &Limit, status: &LimitStatus) -> String {
    let left = match status.blocked_for() {
        Some(_) => 0,
        None => status.remaining().min(MAX_INTEGER),
    };
    let mut item = quoted(limit.name());
    let _ = write!(item, ";r={left}");
    if let Some(window) = effective_window(limit, status) {
        let _ = write!(item, ";t={}", seconds(window));
    }
    item
}

/// How long what is left has to do; `None` where no waiting helps.
///
/// After a denial it is the time until the call passes. Else it ends when the limit is whole again, but not so early that who
/// spreads what is left over it would go faster than the limit allows on the whole (section 6 of the draft asks for that).
fn effective_window(limit: &Limit, status: &LimitStatus) -> Option<Duration> {
    if status.denies() {
        return status.retry_after();
    }
    let Some(window) = limit.window_length() else {
        return Some(status.reset_after());
    };
    let even =
        window.as_nanos() * u128::from(status.remaining()) / u128::from(status.limit().max(1));
    let even = Duration::from_nanos(u64::try_from(even).unwrap_or(u64::MAX));
    Some(status.reset_after().max(even))
}

/// Whole seconds, rounded up: what comes earlier is denied.
pub(super) fn seconds(wait: Duration) -> u64 {
    let more = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(more).min(MAX_INTEGER)
}

/// A string of a structured field. They are of visible ASCII: other bytes of a name are percent-encoded.
pub(super) fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text.push('"');
    text
}
