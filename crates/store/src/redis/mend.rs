//! Calls by their plan, and what follows where they did not go as planned, all within one deadline.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    backend::Backend, error::unexpected_reply, link::Link, plan::Planned, request::Operation,
};
use crate::{Error, Mend, Reply, Result, Script, ScriptCall, ScriptPlan};

/// A call of a script that follows a planned one.
struct FollowUp {
    /// The place of the call that it follows.
    place: usize,
    call: ScriptCall,
    role: Role,
}

/// What the answer of a follow-up is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is the call's answer: the script itself.
    Answer,
    /// Its error is the call's.
    Vital,
    Optional,
}

/// The calls of a batch as they stand.
struct Settling {
    answers: Vec<Result<Reply>>,
    /// Whether something of a call was, or may have been, carried out before what follows it.
    has_run: Vec<bool>,
    /// The scripts that follow, each with all its calls.
    groups: Vec<(Script, Vec<FollowUp>)>,
    /// The server refused a transaction, or a command that was attempted: of interest where it takes what follows.
    is_refused: bool,
}

impl Backend {
    /// Runs calls by their plan, and what is left to do by scripts: in one round trip where all goes as planned.
    pub(super) async fn run_planned(
        &self,
        link: &Link,
        operation: Operation,
        script: &Script,
        plan: ScriptPlan,
        calls: &[ScriptCall],
        deadline: Instant,
    ) -> Result<Vec<Result<Reply>>> {
        let planning = &self.scripts.planning;
        let outcomes = link.send_planned(operation, planning, plan, calls, deadline);
        let mut settling = Settling::of(operation, script, calls, outcomes.await?);
        let groups = std::mem::take(&mut settling.groups);
        let runs = groups.into_iter().map(async |(script, follow_ups)| {
            let calls: Vec<ScriptCall> = follow_ups.iter().map(|next| next.call.clone()).collect();
            let ran = self.run_at(link, operation, &script, &calls, deadline);
            (follow_ups, ran.await)
        });
        for (follow_ups, ran) in join_all(runs).await {
            if settling.take(&follow_ups, ran) && settling.is_refused {
                planning.pause();
            }
        }
        Ok(settling.answers)
    }
}

impl Settling {
    fn of(
        operation: Operation,
        script: &Script,
        calls: &[ScriptCall],
        outcomes: Vec<Result<Planned>>,
    ) -> Self {
        let mut settling = Self {
            answers: Vec::with_capacity(calls.len()),
            has_run: Vec::with_capacity(calls.len()),
            groups: Vec::new(),
            is_refused: false,
        };
        for (place, (outcome, call)) in outcomes.into_iter().zip(calls).enumerate() {
            settling.has_run.push(has_run(&outcome));
            settling.is_refused |= is_refused(&outcome);
            let answer = match (outcome, script.mend) {
                (Err(error), _) => Err(error),
                (Ok(Planned::Done(reply)), _) => Ok(reply),
                (Ok(Planned::Deviated(reply, deviation)), Some(mend)) => {
                    let mends = mend(&call.keys, &call.args, deviation);
                    mends
                        .into_iter()
                        .for_each(|mend| settling.mend(place, mend));
                    Ok(reply)
                }
                _ => {
                    settling.follow(script, place, call.clone(), Role::Answer);
                    Err(unexpected_reply(operation))
                }
            };
            settling.answers.push(answer);
        }
        settling
    }

    fn mend(&mut self, place: usize, mend: Mend) {
        let role = match mend.is_vital {
            true => Role::Vital,
            false => Role::Optional,
        };
        self.follow(&mend.script, place, mend.call, role);
    }

    fn follow(&mut self, script: &Script, place: usize, call: ScriptCall, role: Role) {
        let follow_up = FollowUp { place, call, role };
        // One text is one script; its place tells it from others, as texts are static.
        let same = |other: &Script| std::ptr::eq(other.lua, script.lua);
        match self.groups.iter_mut().find(|(other, _)| same(other)) {
            Some((_, group)) => group.push(follow_up),
            None => self.groups.push((*script, vec![follow_up])),
        }
    }

    /// Takes the answers of a script; tells whether the server took one that had to be run.
    fn take(&mut self, follow_ups: &[FollowUp], ran: Result<Vec<Result<Reply>>>) -> bool {
        let mut replies = match ran {
            Ok(replies) => replies.into_iter(),
            Err(error) => vec![Err(error); follow_ups.len()].into_iter(),
        };
        let mut is_taken = false;
        for FollowUp { place, role, .. } in follow_ups {
            let Some(reply) = replies.next() else {
                break;
            };
            is_taken |= reply.is_ok() && *role != Role::Optional;
            let had_run = self.has_run[*place];
            // What has been sent stays, also where what follows cannot be run.
            let reply = reply.map_err(|error| match had_run {
                true => error.with_may_have_applied(true),
                false => error,
            });
            match (role, reply) {
                (Role::Answer, reply) => self.answers[*place] = reply,
                (Role::Vital, Err(error)) => self.answers[*place] = Err(error),
                _ => {}
            }
        }
        is_taken
    }
}

/// Whether a part of the call was, or may have been, carried out.
fn has_run(outcome: &Result<Planned>) -> bool {
    match outcome {
        Ok(Planned::Unplanned | Planned::Refused) => false,
        Ok(_) => true,
        Err(error) => Error::may_have_applied(error),
    }
}

fn is_refused(outcome: &Result<Planned>) -> bool {
    match outcome {
        Ok(Planned::Refused | Planned::Failed) => true,
        Ok(Planned::Deviated(_, deviation)) => deviation.failed,
        _ => false,
    }
}
