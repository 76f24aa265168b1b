//! The guides, compiled and run as documentation tests.
//!
//! Every code block of `README.md` and of the guides in `docs` is a test of this package.

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/architecture.md")]
mod architecture {}

#[doc = include_str!("../../docs/testing.md")]
mod testing {}

#[doc = include_str!("../../docs/caching.md")]
mod caching {}

#[doc = include_str!("../../docs/writes.md")]
mod writes {}

#[doc = include_str!("../../docs/rate-limits.md")]
mod rate_limits {}

#[doc = include_str!("../../docs/monitoring.md")]
mod monitoring {}
