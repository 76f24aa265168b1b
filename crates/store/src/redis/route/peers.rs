//! What the nodes of a cluster say of each other, for the connection that messages come over.

use std::sync::{Arc, Weak};

use futures_util::{FutureExt, future::BoxFuture};
use redis::Value;

use super::{
    layout,
    view::{Core, Node},
};
use crate::redis::{
    dial::Dialer,
    hub::{Endpoints, Standing},
    reply::is_down,
    request::Operation,
};

const PEERS: Operation = Operation::read("topology");

/// The nodes of the moment: the seeds while no layout is known, and none when the cluster is dropped.
pub(in crate::redis) struct Peers(pub(super) Weak<Core>);

impl Endpoints for Peers {
    fn dialers(&self) -> Vec<Dialer> {
        self.0
            .upgrade()
            .map_or_else(Vec::new, |core| core.dialers())
    }

    fn are_nodes(&self) -> bool {
        true
    }

    fn disown(&self, standing: Standing) -> BoxFuture<'_, bool> {
        let core = self.0.upgrade();
        async move {
            match core {
                Some(core) => core.disown(&standing).await,
                None => false,
            }
        }
        .boxed()
    }
}

impl Core {
    /// Asks one of the other nodes. Where subscriptions alone are in use this is also what keeps the view up to date.
    async fn disown(self: &Arc<Self>, standing: &Standing) -> bool {
        self.look(false);
        let Some(peer) = self.peer_of(&standing.address) else {
            return false;
        };
        let Ok(slots) = self.slots_of(&peer).await else {
            return false;
        };
        if layout::lists(&slots, &standing.id) == Some(false) {
            return true;
        }
        standing.is_down && self.is_up(&peer).await
    }

    /// Any other node, one with a connection first.
    fn peer_of(&self, address: &str) -> Option<Arc<Node>> {
        let mut nodes = self.seen()?.nodes.clone();
        nodes.retain(|node| node.link.address() != address);
        fastrand::shuffle(&mut nodes);
        nodes.sort_by_key(|node| node.link.current().is_none());
        nodes.into_iter().next()
    }

    async fn is_up(&self, node: &Node) -> bool {
        let mut command = redis::cmd("CLUSTER");
        command.arg("INFO");
        let answer = node.link.send(PEERS, &command, self.deadline()).await;
        answer.is_ok_and(|info| !matches!(info, Value::ServerError(_)) && !is_down(&info))
    }
}
