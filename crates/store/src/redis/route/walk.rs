//! A walk over the keys of all primaries, one after the other.
//!
//! A key that moves from a node still to come to one already walked over would be missed. So the layout is looked at anew
//! when a node is done; where it is not the one that the walk began with, the walk starts over.

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::cluster::Cluster;
use crate::{
    Result, ScanCursor,
    options::WalkPlace,
    redis::{reply::accepted, request::Operation},
};

/// A step on one node.
pub(in crate::redis) struct Step {
    /// What the node answered.
    pub(in crate::redis) reply: Value,
    pub(in crate::redis) place: StepPlace,
}

/// Where a step was taken, and the deadline of the call that it is part of.
#[derive(Clone, Copy)]
pub(in crate::redis) struct StepPlace {
    walk: WalkPlace,
    deadline: Instant,
}

impl Cluster {
    /// Sends the command that `build` makes of the node's own cursor to the node where the walk is.
    pub(in crate::redis) async fn step(
        &self,
        operation: Operation,
        cursor: &ScanCursor,
        build: impl Fn(u64) -> Cmd + Send,
    ) -> Result<Step> {
        let _call = self.in_flight.begin();
        let deadline = self.core.deadline();
        let view = self.core.view(operation, deadline).await?;
        let fingerprint = view.layout.fingerprint();
        let (position, node) = match cursor.walk {
            Some(walk) if walk.layout == fingerprint => (cursor.position, walk.node),
            // The beginning, or a layout that is no more.
            _ => (0, 0),
        };
        let walk = WalkPlace {
            layout: fingerprint,
            node,
        };
        let Some(node) = view.nodes.get(usize::from(node)) else {
            return Err(super::cluster::unserved(operation));
        };
        let command = build(position);
        match node.send(operation, &command, false, deadline).await {
            Ok(reply) => Ok(Step {
                reply: accepted(operation, reply)?,
                place: StepPlace { walk, deadline },
            }),
            Err(failure) => {
                self.core.look(false);
                Err(failure.error)
            }
        }
    }

    /// Where the walk goes on after a step at `place`, which left the node's own cursor at `position`.
    pub(in crate::redis) async fn after(
        &self,
        operation: Operation,
        place: StepPlace,
        position: u64,
    ) -> Result<Option<ScanCursor>> {
        let at = |position, walk| {
            let walk = Some(walk);
            Ok(Some(ScanCursor { position, walk }))
        };
        if position != 0 {
            return at(position, place.walk);
        }
        let _call = self.in_flight.begin();
        let view = self.core.fresh(operation, place.deadline).await?;
        let layout = view.layout.fingerprint();
        if layout != place.walk.layout {
            return at(0, WalkPlace { layout, node: 0 });
        }
        let node = place.walk.node + 1;
        match usize::from(node) < view.nodes.len() {
            true => at(0, WalkPlace { layout, node }),
            false => Ok(None),
        }
    }
}
