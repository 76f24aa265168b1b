//! Where a hub can connect to.

use crate::redis::dial::Dialer;

/// The ways to the servers of the moment: to the one of a standalone server, to the known nodes of a cluster.
pub(super) type Endpoints = dyn Fn() -> Vec<Dialer> + Send + Sync;

/// The servers in the order in which they are tried: from a random one on, so that the subscriptions of a fleet spread
/// over the nodes of a cluster.
pub(super) fn shuffled(endpoints: &Endpoints) -> Vec<Dialer> {
    let mut endpoints = endpoints();
    if endpoints.len() > 1 {
        let first = fastrand::usize(..endpoints.len());
        endpoints.rotate_left(first);
    }
    endpoints
}
