//! Signals that a limit is nearly used up: told once for each crossing of a threshold, and published for who listens.

mod crossing;
mod message;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use self::crossing::Usage;
pub use self::{
    message::QuotaWarning,
    sender::{QuotaWarnings, Warned},
};
