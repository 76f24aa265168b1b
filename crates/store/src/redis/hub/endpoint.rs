//! Where a hub can connect to.

use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};

use crate::redis::dial::Dialer;

/// The servers of the moment: the one of a standalone server, the known nodes of a cluster.
pub(in crate::redis) trait Endpoints: Send + Sync {
    /// The ways to them.
    fn dialers(&self) -> Vec<Dialer>;

    /// Whether they are nodes of a cluster, which pass messages on to each other.
    fn are_nodes(&self) -> bool {
        false
    }

    /// Whether another node counts the one that says this of itself as gone, or is up while that one is down: so that
    /// messages do not reach it. A node that has left answers like any other.
    fn disown(&self, _standing: Standing) -> BoxFuture<'_, bool> {
        ready(false).boxed()
    }
}

impl<F: Fn() -> Vec<Dialer> + Send + Sync> Endpoints for F {
    fn dialers(&self) -> Vec<Dialer> {
        self()
    }
}

/// What a node of a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::redis) struct Standing {
    /// Host and port under which it was reached.
    pub(in crate::redis) address: String,
    /// The name by which nodes know each other.
    pub(in crate::redis) id: String,
    /// Whether it counts the cluster as down, because it sees too little of it.
    pub(in crate::redis) is_down: bool,
}

/// The servers in the order in which they are tried: from a random one on, so that the subscriptions of a fleet spread
/// over the nodes of a cluster, and the one to be avoided last.
pub(super) fn shuffled(endpoints: &dyn Endpoints, avoided: Option<&str>) -> Vec<Dialer> {
    let mut endpoints = endpoints.dialers();
    if endpoints.len() > 1 {
        let first = fastrand::usize(..endpoints.len());
        endpoints.rotate_left(first);
        endpoints.sort_by_key(|endpoint| Some(endpoint.shown()) == avoided);
    }
    endpoints
}
