//! Bodies that say what went wrong: RFC 9457.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::json;

/// Where the problem types of draft-ietf-httpapi-ratelimit-headers-11, section 5, are registered.
const TYPES: &str = "https://iana.org/assignments/http-problem-types#";

pub(super) struct Problem {
    status: StatusCode,
    body: serde_json::Value,
}

impl Problem {
    /// The subject has used up what it has of these limits.
    pub(super) fn exceeded<'a>(limits: impl Iterator<Item = &'a str>) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let body = json!({
            "type": format!("{TYPES}quota-exceeded"),
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "status": status.as_u16(),
            "violated-policies": limits.collect::<Vec<_>>(),
        });
        Self { status, body }
    }

    /// The subject has done nothing: nobody can tell what it has used.
    pub(super) fn reduced_capacity() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let body = json!({
            "type": format!("{TYPES}temporary-reduced-capacity"),
            "title": "Request cannot be satisfied due to temporary server capacity constraints",
            "status": status.as_u16(),
            "violated-policies": [],
        });
        Self { status, body }
    }

    /// A problem that has no type but its status.
    pub(super) fn blank(status: StatusCode, detail: &str) -> Self {
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
        });
        Self { status, body }
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.body.to_string()));
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}
