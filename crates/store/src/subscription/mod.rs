//! Publish and subscribe: what a caller asks for and is given, and the listeners of a store.
//!
//! A store keeps one [`Listeners`](listeners::Listeners): who listens to what, each with a bounded
//! [`Queue`](queue::Queue). The memory store publishes straight into it; the Redis store's hub feeds it from one
//! connection. Delivery never waits: a listener that is too slow loses its oldest messages, and is told so.

mod item;
mod listener;
pub(crate) mod listeners;
mod queue;
#[cfg(feature = "redis")]
pub(crate) mod remote;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use self::{
    item::{Gap, PubSubItem},
    request::SubscribeRequest,
    stream::Subscription,
};
