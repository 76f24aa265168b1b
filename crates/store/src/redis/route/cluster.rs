//! One command on its way to the node where it belongs.

use std::{slice, sync::Arc, time::Duration};

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    course::{Course, Target},
    peers::Peers,
    refusal::Refusal,
    view::{Core, Node, View},
};
use crate::{
    Error, ErrorKind, Observers, Result,
    redis::{
        address::Address,
        dial::DialOptions,
        error::unexpected_reply,
        inflight::InFlight,
        reply::accepted,
        request::{Failure, Operation},
    },
};

/// What a cluster needs to know.
#[derive(Clone)]
pub(in crate::redis) struct ClusterOptions {
    pub(in crate::redis) dial: DialOptions,
    pub(in crate::redis) request_timeout: Duration,
    pub(in crate::redis) observers: Observers,
    /// Nodes to ask first, and when no other answers.
    pub(in crate::redis) seeds: Vec<Address>,
}

/// The way to all nodes of a cluster. Dropping it ends the connections.
#[derive(Debug)]
pub(in crate::redis) struct Cluster {
    pub(super) core: Arc<Core>,
    pub(super) in_flight: InFlight,
}

/// What to do with a command that a node did not run.
pub(super) enum Next {
    Go(Target),
    /// Wait, then go to whoever owns the slot by then.
    Wait(Duration),
    GiveUp,
}

impl Cluster {
    pub(in crate::redis) fn new(options: ClusterOptions) -> Self {
        Self {
            core: Arc::new(Core::new(options)),
            in_flight: InFlight::default(),
        }
    }

    /// Sees who serves what, which shows that a node answers and takes the credentials.
    pub(in crate::redis) async fn connect(&self) -> Result<()> {
        let _call = self.in_flight.begin();
        let operation = Operation::read("connect");
        self.core
            .view(operation, self.core.deadline())
            .await
            .map(drop)
    }

    /// The nodes of the moment, for connections of another kind.
    pub(in crate::redis) fn peers(&self) -> Peers {
        Peers(Arc::downgrade(&self.core))
    }

    /// Sends one command to the node that serves `slot`, or to the first node that can be reached; a server's refusal is
    /// an `Err`.
    pub(in crate::redis) async fn command(
        &self,
        operation: Operation,
        slot: Option<u16>,
        command: &Cmd,
    ) -> Result<Value> {
        let _call = self.in_flight.begin();
        let deadline = self.core.deadline();
        let mut course = Course::default();
        let mut target = Target::Owner;
        loop {
            let Some((node, asking)) = self
                .find(operation, &target, slot, course, deadline)
                .await?
            else {
                let pause = self.core.wait_for_owner(&mut course, deadline);
                sleep(pause.ok_or_else(|| unserved(operation))?).await;
                continue;
            };
            let reply = match node.send(operation, command, asking, deadline).await {
                Ok(reply) => reply,
                Err(failure) => {
                    target = Target::Owner;
                    if self
                        .goes_round(&failure, slot, &node, &mut course, deadline)
                        .await
                    {
                        continue;
                    }
                    return Err(failure.error);
                }
            };
            let replies = slice::from_ref(&reply);
            self.core.look_for_replica(replies);
            let Some(refusal) = Refusal::among(replies, &node.address) else {
                return accepted(operation, reply);
            };
            match self.core.next(&refusal, &mut course, deadline)? {
                Next::Go(next) => target = next,
                Next::Wait(pause) => {
                    sleep(pause).await;
                    target = Target::Owner;
                }
                Next::GiveUp => return Err(given_up(operation, &refusal, reply)),
            }
        }
    }

    /// Sends one command to every primary at once; answers in the order of their lowest slots.
    pub(in crate::redis) async fn everywhere(
        &self,
        operation: Operation,
        command: &Cmd,
    ) -> Result<Vec<Value>> {
        let _call = self.in_flight.begin();
        let deadline = self.core.deadline();
        let view = self.core.view(operation, deadline).await?;
        let nodes = view.nodes.iter();
        let replies = join_all(nodes.map(|node| node.send(operation, command, false, deadline)));
        let replies = replies.await.into_iter().map(|reply| match reply {
            Ok(reply) => accepted(operation, reply),
            Err(failure) => {
                self.core.look(false);
                Err(failure.error)
            }
        });
        replies.collect()
    }

    /// Takes no more calls, lets those in flight finish, and ends the connections.
    ///
    /// # Cancel safety
    /// A dropped call has closed the cluster to new calls; those in flight go on to their deadline.
    pub(in crate::redis) async fn close(&self) {
        self.core.close();
        self.in_flight.none_left().await;
        self.core.end().await;
    }

    /// The node that a command goes to now, and whether it needs `ASKING`; `None` where nobody serves the slot.
    async fn find(
        &self,
        operation: Operation,
        target: &Target,
        slot: Option<u16>,
        course: Course,
        deadline: Instant,
    ) -> Result<Option<(Arc<Node>, bool)>> {
        if let Target::Named { node, asking } = target {
            return Ok(Some((Arc::clone(node), *asking)));
        }
        let view = self.core.view(operation, deadline).await?;
        Ok(view.destination(slot, course).map(|node| (node, false)))
    }

    /// Whether a command that failed can go elsewhere: only where nothing was sent, and another node is in charge by now.
    async fn goes_round(
        &self,
        failure: &Failure,
        slot: Option<u16>,
        failed: &Arc<Node>,
        course: &mut Course,
        deadline: Instant,
    ) -> bool {
        if !is_worth_a_look(failure, deadline) {
            self.core.look(false);
            return false;
        }
        self.core.look_around(deadline).await;
        self.core.goes_round(slot, failed, course)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.core.close();
        self.core.stop_looking();
    }
}

impl Node {
    pub(super) async fn send(
        &self,
        operation: Operation,
        command: &Cmd,
        asking: bool,
        deadline: Instant,
    ) -> std::result::Result<Value, Failure> {
        if !asking {
            return self.link.send(operation, command, deadline).await;
        }
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(redis::cmd("ASKING"));
        pipeline.add_command(command.clone());
        let mut replies = self.link.send_all(operation, &pipeline, deadline).await?;
        replies.pop().ok_or_else(|| Failure {
            error: unexpected_reply(operation),
            sent: true,
        })
    }
}

impl View {
    /// The owner of a slot. What has no slot goes to the first node, or to a later one for each that could not be reached.
    pub(super) fn destination(&self, slot: Option<u16>, course: Course) -> Option<Arc<Node>> {
        match slot {
            Some(slot) => self.owner(slot).map(Arc::clone),
            None => {
                let place = course.hops().checked_rem(self.nodes.len())?;
                self.nodes.get(place).map(Arc::clone)
            }
        }
    }
}

impl Core {
    /// What follows from a refusal. Nothing of the command ran.
    pub(super) fn next(
        self: &Arc<Self>,
        refusal: &Refusal,
        course: &mut Course,
        deadline: Instant,
    ) -> Result<Next> {
        let go_to = |address, asking, course: &mut Course| {
            if !course.hop() {
                return Ok(Next::GiveUp);
            }
            let node = self.node(address)?;
            Ok(Next::Go(Target::Named { node, asking }))
        };
        let wait = |pause: Option<Duration>| pause.map_or(Next::GiveUp, Next::Wait);
        match refusal {
            Refusal::Moved(address) => {
                self.look(false);
                go_to(address, false, course)
            }
            Refusal::Ask(address) => go_to(address, true, course),
            Refusal::TryAgain => Ok(wait(course.pause(deadline))),
            Refusal::ClusterDown => Ok(wait(self.wait_for_owner(course, deadline))),
            Refusal::NoScript => Ok(Next::GiveUp),
        }
    }

    /// How long to wait for somebody to serve a slot; `None` where that would be past the deadline.
    pub(super) fn wait_for_owner(
        self: &Arc<Self>,
        course: &mut Course,
        deadline: Instant,
    ) -> Option<Duration> {
        self.look(false);
        course.pause(deadline)
    }

    /// Takes a new look at the cluster and waits for it, unless the last one is too recent.
    pub(super) async fn look_around(self: &Arc<Self>, deadline: Instant) {
        if let Some(attempt) = self.look(false) {
            // Its failure adds nothing to the one that led here.
            let _ = timeout_at(deadline, attempt).await;
        }
    }

    /// Whether what could not be sent to `failed` goes to another node now.
    pub(super) fn goes_round(&self, slot: Option<u16>, failed: &Node, course: &mut Course) -> bool {
        let Some(view) = self.seen() else {
            return false;
        };
        if !course.hop() || (slot.is_none() && course.hops() >= view.nodes.len()) {
            return false;
        }
        let next = view.destination(slot, *course);
        next.is_some_and(|node| node.address != failed.address)
    }

    /// A node that refuses writes as a replica is no primary any more.
    pub(super) fn look_for_replica(self: &Arc<Self>, replies: &[Value]) {
        let refused = |reply: &Value| matches!(reply, Value::ServerError(error) if matches!(error.code(), "READONLY" | "MASTERDOWN"));
        if replies.iter().any(refused) {
            self.look(false);
        }
    }
}

/// Whether a failure may mean that another node has taken over, and leaves the command to be sent there.
pub(super) fn is_worth_a_look(failure: &Failure, deadline: Instant) -> bool {
    let unreachable = matches!(
        failure.error.kind(),
        ErrorKind::Unavailable | ErrorKind::Timeout
    );
    !failure.sent && unreachable && Instant::now() < deadline
}

pub(super) fn unserved(operation: Operation) -> Error {
    Error::new(ErrorKind::NotReady, operation.name)
        .with_detail("no node of the cluster serves the key's slot")
}

/// What to say of a refusal when the patience is over. Nothing of the command ran.
pub(super) fn given_up(operation: Operation, refusal: &Refusal, reply: Value) -> Error {
    match refusal {
        Refusal::Moved(_) | Refusal::Ask(_) => Error::new(ErrorKind::NotReady, operation.name)
            .with_detail("the nodes of the cluster sent the command on in a circle"),
        _ => match accepted(operation, reply) {
            Err(error) => error,
            Ok(_) => unexpected_reply(operation),
        },
    }
}
