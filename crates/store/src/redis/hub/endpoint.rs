//! Where a hub can connect to.

use redis::Client;

/// A server that can be subscribed to.
#[derive(Clone)]
pub(in crate::redis) struct Endpoint {
    pub(in crate::redis) client: Client,
    /// Host and port, for errors and observers.
    pub(in crate::redis) address: String,
}

/// The servers of the moment: one of a standalone server, the known nodes of a cluster.
pub(super) type Endpoints = dyn Fn() -> Vec<Endpoint> + Send + Sync;

/// The servers in the order in which they are tried: from a random one on, so that the subscriptions of a fleet spread
/// over the nodes of a cluster.
pub(super) fn shuffled(endpoints: &Endpoints) -> Vec<Endpoint> {
    let mut endpoints = endpoints();
    if endpoints.len() > 1 {
        let first = fastrand::usize(..endpoints.len());
        endpoints.rotate_left(first);
    }
    endpoints
}
