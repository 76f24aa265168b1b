//! The built-in families: one type each, as the specification lists them.
//!
//! They are declared exactly as a user's family is; only the names are reserved.

mod cost;
mod global;
mod known;
mod model;
mod project;
mod provider;
mod quota;
mod rate_limit;
mod session;

pub use cost::CostKey;
pub use global::GlobalKey;
pub use known::KnownKey;
pub use model::ModelKey;
pub use project::ProjectKey;
pub use provider::ProviderKey;
pub use quota::{QuotaKey, QuotaRecord};
pub use rate_limit::{RateLimitKey, RateLimitState};
pub use session::SessionKey;
