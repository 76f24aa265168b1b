//! The answers to requests that do not go on.

use std::time::Duration;

use bytes::Bytes;
use cachekit_store::{Error, ErrorKind};
use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};

use super::{
    fields::{self, seconds},
    problem::Problem,
};
use crate::{Decision, Limit, LimitStatus, Limiter, Origin, limiter::is_away};

/// How long a client waits that comes while the store is away. It is a guess: nobody knows.
const AWAY: Duration = Duration::from_secs(1);

/// The answer to a denial.
pub(super) fn denied(limiter: &Limiter, decision: Decision) -> Response<Bytes> {
    let problem = match decision.origin() {
        Origin::Outage => Problem::reduced_capacity(),
        _ => Problem::exceeded(denying(&decision)),
    };
    let mut response = problem.response();
    fields::add(response.headers_mut(), limiter, &decision);
    if let Some(wait) = decision.retry_after() {
        retry_after(&mut response, wait);
    }
    response.extensions_mut().insert(decision);
    response
}

/// The names of the limits that a denied call did not pass.
fn denying(decision: &Decision) -> impl Iterator<Item = &str> {
    let denying = decision.limits().iter().filter(|status| status.denies());
    denying.map(LimitStatus::name)
}

/// The answer where the store did not decide, and no policy did.
pub(super) fn failed(limiter: &Limiter, cost: u64, error: Error) -> Response<Bytes> {
    let too_small = |limit: &&Limit| cost > limit.limit();
    let mut too_small = limiter.limits().iter().filter(too_small).peekable();
    let problem = if is_away(&error) {
        Problem::reduced_capacity()
    } else if error.kind() == ErrorKind::InvalidInput && too_small.peek().is_some() {
        Problem::exceeded(too_small.map(Limit::name))
    } else {
        let detail = "the rate limit could not be checked";
        Problem::blank(StatusCode::INTERNAL_SERVER_ERROR, detail)
    };
    let mut response = problem.response();
    if is_away(&error) {
        retry_after(&mut response, AWAY);
    }
    fields::add_policies(response.headers_mut(), limiter);
    response.extensions_mut().insert(error);
    response
}

/// The answer to a request without a subject.
pub(super) fn keyless() -> Response<Bytes> {
    let detail = "the request does not say whose it is";
    Problem::blank(StatusCode::BAD_REQUEST, detail).response()
}

fn retry_after(response: &mut Response<Bytes>, wait: Duration) {
    let wait = HeaderValue::from(seconds(wait).max(1));
    response.headers_mut().insert(RETRY_AFTER, wait);
}
