//! Rate limits of an HTTP service, as a layer of `tower`: behind the feature `tower`.
//!
//! [`RateLimitLayer`] checks a [`Limiter`](crate::Limiter) before each request. What passes goes on to the service, and its
//! response tells how the limits stand. What is denied is answered here, and never reaches the service:
//!
//! | what happened | status | `Retry-After` | body, as `application/problem+json` |
//! |---|---|---|---|
//! | the limit is used up | 429 | when this cost passes | `quota-exceeded`, with the limits that denied it |
//! | the cost is above a limit, and never passes | 429 | none | `quota-exceeded` |
//! | the store is away, and the policy is to [deny](crate::Outage::Deny) | 503 | the policy's | `temporary-reduced-capacity` |
//! | the store is away, and there is no policy | 503 | 1 second | `temporary-reduced-capacity` |
//! | the store refuses for good, as for a missing right | 500 | none | `about:blank` |
//! | the request has no key, and such are [refused](Keyless::Refuse) | 400 | none | `about:blank` |
//!
//! The fields `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-11 (May 2026), structured
//! fields of RFC 9651; so are the problem types. `Retry-After` is that of RFC 9110, section 10.2.3, the body that of RFC 9457.
//! No field tells the key of a request. A handler finds the [`Decision`](crate::Decision) and [`ChargedTo`] in the request's extensions.
//!
//! # Examples
//! A service of any framework that is built on `tower`, here without one:
//! ```
//! use std::{convert::Infallible, sync::Arc, time::Duration};
//! use bytes::Bytes;
//! use cachekit_keys::KeySchema;
//! use cachekit_limits::{Limit, Limiter, http::{RateLimitLayer, SubjectOf}};
//! use cachekit_store::MemoryStore;
//! use http::{HeaderName, Request, Response, StatusCode};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limit = Limit::fixed_window(1, Duration::from_secs(60))?;
//! let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
//! let subject = SubjectOf::header(HeaderName::from_static("x-user-id"));
//! let hello = service_fn(|_: Request<Bytes>| async { Ok::<_, Infallible>(Response::new(Bytes::from("hello"))) });
//! let mut service = RateLimitLayer::new(limiter, subject).layer(hello);
//!
//! let request = || Request::builder().header("x-user-id", "user123").body(Bytes::new());
//! let first = service.ready().await?.call(request()?).await?;
//! assert_eq!(first.status(), StatusCode::OK);
//! assert_eq!(first.headers()["ratelimit-policy"], r#""requests";q=1;w=60"#);
//! let second = service.ready().await?.call(request()?).await?;
//! assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
//! assert_eq!(second.headers()["ratelimit"], r#""requests";r=0;t=60"#);
//! # Ok(()) }
//! ```

mod answer;
mod fields;
mod layer;
mod problem;
mod service;
mod subject;
#[cfg(test)]
mod tests;

pub use self::{
    layer::{Keyless, RateLimitLayer},
    service::RateLimitService,
    subject::{ChargedTo, SubjectOf},
};
