//! Routing without servers: what nodes say about slots, and how a batch is cut up and put together again.

mod layout;
mod refusal;
mod work;
