//! What tests of the kit share: conformance cases, real servers, a bad network, a client that is not the kit's, and with
//! the feature `equivalence` a comparison of the memory store with servers.
//!
//! It is a dev-dependency only. Stores of other people can be held to the same contract with
//! the cases of [`conformance`].

pub mod chaos;
pub mod conformance;
#[cfg(feature = "equivalence")]
pub mod equivalence;
mod raw;
pub mod server;

pub use self::raw::{RawClient, RawReply};
