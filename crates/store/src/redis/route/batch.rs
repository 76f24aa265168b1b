//! Many commands at once, each to the node where it belongs: one round trip a node, all nodes at the same time.
//!
//! The parts of the work that go to one node travel in one pipeline, a [`Leg`]. What a node refuses sets out again on legs
//! of its own while the other nodes are still busy, so that a slow node holds up its own keys only.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, sleep};

use super::{
    cluster::{Cluster, Next, given_up, is_worth_a_look, unserved},
    course::Target,
    refusal::Refusal,
    view::Node,
    work::{Part, Work},
};
use crate::{
    Error, Result,
    redis::{
        commands::by_text,
        error::unexpected_reply,
        request::{Failure, Operation},
    },
};

/// One step of some parts.
enum Leg {
    Send(Stop, Vec<Part>),
    Wait(Duration, Vec<Part>),
    /// The node cannot be reached, and nothing was sent: is another one in charge?
    Look(Stop, Error, Vec<Part>),
}

/// A node, and whether it is addressed with `ASKING`.
#[derive(Clone)]
struct Stop {
    node: Arc<Node>,
    asking: bool,
}

/// How a leg ended.
enum Landed {
    Answered(
        Stop,
        Vec<Part>,
        Pipeline,
        std::result::Result<Vec<Value>, Failure>,
    ),
    Waited(Vec<Part>),
    Looked(Stop, Error, Vec<Part>),
}

/// A batch on its way.
#[derive(Clone, Copy)]
struct Batch<'a> {
    cluster: &'a Cluster,
    operation: Operation,
    work: Work<'a>,
    deadline: Instant,
}

type Answers = [Option<Result<Value>>];

impl Cluster {
    /// Sends commands, each to the node of its slot; answers in their order. With `text`, they run a script by its hash.
    pub(in crate::redis) async fn commands(
        &self,
        operation: Operation,
        commands: Vec<(Option<u16>, Cmd)>,
        text: Option<&str>,
    ) -> Result<Vec<Result<Value>>> {
        let places = commands.len();
        let parts = commands.into_iter().enumerate();
        let parts = parts.map(|(place, (slot, command))| Part::new(place, slot, Some(command)));
        self.run(operation, Work::Commands(text), places, parts.collect())
            .await
    }

    /// Asks for many keys, those of one slot together; answers in their order.
    pub(in crate::redis) async fn keys(
        &self,
        operation: Operation,
        work: Work<'_>,
    ) -> Result<Vec<Result<Value>>> {
        let keys = work.keys();
        self.run(operation, work, keys.len(), Part::by_slot(keys))
            .await
    }

    async fn run(
        &self,
        operation: Operation,
        work: Work<'_>,
        places: usize,
        parts: Vec<Part>,
    ) -> Result<Vec<Result<Value>>> {
        let _call = self.in_flight.begin();
        let deadline = self.core.deadline();
        // Without a first view nothing can be sent at all.
        self.core.view(operation, deadline).await?;
        let batch = Batch {
            cluster: self,
            operation,
            work,
            deadline,
        };
        let mut answers: Vec<Option<Result<Value>>> =
            std::iter::repeat_with(|| None).take(places).collect();
        let mut travelling = FuturesUnordered::new();
        let mut next = batch.legs(parts, &mut answers);
        loop {
            for leg in next {
                travelling.push(batch.travel(leg));
            }
            let Some(landed) = travelling.next().await else {
                break;
            };
            next = batch.land(landed, &mut answers);
        }
        let answers = answers.into_iter();
        Ok(answers
            .map(|answer| answer.unwrap_or_else(|| Err(unexpected_reply(operation))))
            .collect())
    }
}

impl Batch<'_> {
    async fn travel(self, leg: Leg) -> Landed {
        match leg {
            Leg::Send(stop, mut parts) => {
                let pipeline = self.work.pipeline(&mut parts, stop.asking);
                let link = &stop.node.link;
                let outcome = link
                    .send_all(self.operation, &pipeline, self.deadline)
                    .await;
                Landed::Answered(stop, parts, pipeline, outcome)
            }
            Leg::Wait(pause, parts) => {
                sleep(pause).await;
                Landed::Waited(parts)
            }
            Leg::Look(stop, error, parts) => {
                self.cluster.core.look_around(self.deadline).await;
                Landed::Looked(stop, error, parts)
            }
        }
    }

    /// The next legs of parts: one for each node that they go to, and one for those whose slot nobody serves.
    fn legs(&self, parts: Vec<Part>, answers: &mut Answers) -> Vec<Leg> {
        let core = &self.cluster.core;
        let view = core.seen();
        let mut sends: Vec<(Stop, Vec<Part>)> = Vec::new();
        let mut waiting = Waiting::default();
        for mut part in parts {
            if let Some((node, asking)) = part.destination(view.as_deref()) {
                add(&mut sends, Stop { node, asking }, part);
            } else if let Some(pause) = core.wait_for_owner(&mut part.course, self.deadline) {
                waiting.add(pause, part);
            } else {
                fail(&part, &unserved(self.operation), answers);
            }
        }
        let sends = sends.into_iter();
        let sends = sends.map(|(stop, parts)| Leg::Send(stop, parts));
        sends.chain(waiting.leg()).collect()
    }

    /// Takes what a leg brought; answers the legs of what has to travel on.
    fn land(&self, landed: Landed, answers: &mut Answers) -> Vec<Leg> {
        match landed {
            Landed::Waited(parts) => self.legs(parts, answers),
            Landed::Looked(stop, error, parts) => {
                let mut onward = Vec::new();
                for mut part in parts {
                    let core = &self.cluster.core;
                    if core.goes_round(part.slot, &stop.node, &mut part.course) {
                        part.target = Target::Owner;
                        onward.push(part);
                    } else {
                        fail(&part, &error, answers);
                    }
                }
                self.legs(onward, answers)
            }
            Landed::Answered(stop, parts, pipeline, Ok(replies)) => {
                self.take(&stop, parts, &pipeline, replies, answers)
            }
            Landed::Answered(stop, mut parts, pipeline, Err(failure)) => {
                if is_worth_a_look(&failure, self.deadline) {
                    self.unpack(&stop, &mut parts, &pipeline);
                    return vec![Leg::Look(stop, failure.error, parts)];
                }
                self.cluster.core.look(false);
                for part in &parts {
                    fail(part, &failure.error, answers);
                }
                Vec::new()
            }
        }
    }

    /// Puts the answers of a node where they belong, and sends on what it refused.
    fn take(
        &self,
        stop: &Stop,
        parts: Vec<Part>,
        pipeline: &Pipeline,
        replies: Vec<Value>,
        answers: &mut Answers,
    ) -> Vec<Leg> {
        self.cluster.core.look_for_replica(&replies);
        let mut replies = replies.into_iter();
        let mut commands = pipeline.cmd_iter();
        let mut onward = Onward::default();
        for mut part in parts {
            let width = usize::from(stop.asking) + self.work.width(&part);
            let own: Vec<Value> = replies.by_ref().take(width).collect();
            let command = commands.by_ref().take(width).last();
            match Refusal::among(&own, &stop.node.address) {
                None => self.work.place(self.operation, &part, own, answers),
                Some(refusal) => {
                    if let Work::Commands(_) = self.work {
                        part.command = command.cloned();
                    }
                    self.send_on(stop, part, &refusal, own, &mut onward, answers);
                }
            }
        }
        let mut legs = self.legs(onward.go, answers);
        legs.extend(onward.waiting.leg());
        legs
    }

    /// What becomes of a part that a node refused; nothing of it ran.
    fn send_on(
        &self,
        stop: &Stop,
        mut part: Part,
        refusal: &Refusal,
        mut replies: Vec<Value>,
        onward: &mut Onward,
        answers: &mut Answers,
    ) {
        if let (Refusal::NoScript, Work::Commands(Some(text))) = (refusal, self.work) {
            // The first brings the text, and the node knows it for the rest: unless they meet another one on their way.
            let bring = part.unknown || !std::mem::replace(&mut onward.text_is_sent, true);
            if bring {
                part.command = part.command.map(|command| by_text(&command, text));
            }
            part.unknown = true;
            part.target = Target::Named {
                node: Arc::clone(&stop.node),
                asking: stop.asking,
            };
            onward.go.push(part);
            return;
        }
        let core = &self.cluster.core;
        match core.next(refusal, &mut part.course, self.deadline) {
            Ok(Next::Go(target)) => {
                part.target = target;
                onward.go.push(part);
            }
            Ok(Next::Wait(pause)) => {
                part.target = Target::Owner;
                match refusal {
                    Refusal::TryAgain if part.len() > 1 => onward.go.extend(part.split()),
                    _ => onward.waiting.add(pause, part),
                }
            }
            Ok(Next::GiveUp) => {
                let reply = replies.pop().unwrap_or_default();
                fail(&part, &given_up(self.operation, refusal, reply), answers);
            }
            Err(error) => fail(&part, &error, answers),
        }
    }

    /// Gives parts that were not sent their commands back.
    fn unpack(&self, stop: &Stop, parts: &mut [Part], pipeline: &Pipeline) {
        if let Work::Commands(_) = self.work {
            let width = 1 + usize::from(stop.asking);
            let commands = pipeline.cmd_iter().skip(width - 1).step_by(width);
            for (part, command) in parts.iter_mut().zip(commands) {
                part.command = Some(command.clone());
            }
        }
    }
}

/// What a node refused.
#[derive(Default)]
struct Onward {
    go: Vec<Part>,
    waiting: Waiting,
    text_is_sent: bool,
}

/// Parts that wait together, for as long as the most patient of them.
#[derive(Default)]
struct Waiting {
    pause: Duration,
    parts: Vec<Part>,
}

impl Waiting {
    fn add(&mut self, pause: Duration, part: Part) {
        self.pause = self.pause.max(pause);
        self.parts.push(part);
    }

    fn leg(self) -> Option<Leg> {
        (!self.parts.is_empty()).then_some(Leg::Wait(self.pause, self.parts))
    }
}

fn add(sends: &mut Vec<(Stop, Vec<Part>)>, stop: Stop, part: Part) {
    let same = |other: &Stop| Arc::ptr_eq(&other.node, &stop.node) && other.asking == stop.asking;
    match sends.iter_mut().find(|(other, _)| same(other)) {
        Some((_, parts)) => parts.push(part),
        None => sends.push((stop, vec![part])),
    }
}

fn fail(part: &Part, error: &Error, answers: &mut Answers) {
    for place in part.places() {
        answers[place] = Some(Err(error.clone()));
    }
}
