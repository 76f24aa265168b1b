//! What tests of the kit share: conformance cases, real servers, a bad network, and a client that is not the kit's.
//!
//! It is a dev-dependency only. Stores of other people can be held to the same contract with
//! the cases of [`conformance`].

pub mod chaos;
pub mod conformance;
mod raw;
pub mod server;

pub use self::raw::{RawClient, RawReply};
