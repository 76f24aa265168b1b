//! One request with a deadline, and the truth about whether it may have been carried out.

use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::time::{Instant, timeout_at};

use super::{
    error::{call_error, unexpected_reply},
    inflight::Call,
    link::{Link, Live},
    reply::accepted,
};
use crate::{Error, ErrorKind, Result, Script, ScriptEffect};

/// A method of the store, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// Whether a lost answer leaves it open that something was changed.
    pub(super) writes: bool,
    /// Whether it runs a script, which may answer any error, also after it wrote.
    pub(super) runs_script: bool,
}

impl Operation {
    pub(super) const fn read(name: &'static str) -> Self {
        Self {
            name,
            writes: false,
            runs_script: false,
        }
    }

    pub(super) const fn write(name: &'static str) -> Self {
        Self {
            name,
            writes: true,
            runs_script: false,
        }
    }

    /// What runs a script: a lost answer of one that changes nothing leaves nothing open.
    pub(super) fn script(script: &Script) -> Self {
        Self {
            name: script.name,
            writes: script.effect != ScriptEffect::ReadOnly,
            runs_script: true,
        }
    }
}

/// A request that failed, and whether a connection had it by then.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// `false`: the server has seen nothing of it.
    pub(super) sent: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// A call that a link takes: closing waits for it. It has one deadline for however many steps it takes.
#[derive(Debug)]
pub(super) struct Begun<'a> {
    pub(super) deadline: Instant,
    _call: Call<'a>,
}

impl Link {
    /// Begins a call, unless the link is closed.
    pub(super) fn begin(&self, operation: Operation) -> Result<Begun<'_>> {
        // Counted before looking, so that closing either waits for it or is seen.
        let call = self.in_flight.begin();
        match self.is_closed() {
            true => Err(Error::new(ErrorKind::Closed, operation.name)),
            false => Ok(Begun {
                deadline: self.deadline(),
                _call: call,
            }),
        }
    }

    /// Sends one command; a server's refusal is an `Err`.
    pub(super) async fn command(&self, operation: Operation, command: &Cmd) -> Result<Value> {
        let call = self.begin(operation)?;
        let reply = self.send(operation, command, call.deadline).await?;
        accepted(operation, reply)
    }

    /// Sends one command; answers whatever the server says to it.
    pub(super) async fn send(
        &self,
        operation: Operation,
        command: &Cmd,
        deadline: Instant,
    ) -> std::result::Result<Value, Failure> {
        let live = self.ready(operation, deadline).await?;
        let mut connection = live.connection();
        let sent = timeout_at(deadline, connection.send_packed_command(command)).await;
        let reply = self.judge(operation, &live, sent)?;
        self.look_for_replica(&live, std::slice::from_ref(&reply));
        Ok(reply)
    }

    /// Sends a pipeline; answers one value a command, refusals included.
    ///
    /// An atomic pipeline (`MULTI`) answers the replies of its commands; its refusal as a whole is an `Err`.
    pub(super) async fn pipeline(
        &self,
        operation: Operation,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>> {
        let call = self.begin(operation)?;
        let replies = self.send_all(operation, pipeline, call.deadline).await?;
        if !pipeline.is_transaction() {
            return Ok(replies);
        }
        match replies.into_iter().next() {
            Some(Value::Array(replies)) if replies.len() == pipeline.len() => Ok(replies),
            Some(refused @ Value::ServerError(_)) => {
                accepted(operation, refused).map(|_| Vec::new())
            }
            _ => Err(unexpected_reply(operation)),
        }
    }

    /// Sends a pipeline; answers whatever the server says to its commands, or to the one `EXEC` of an atomic pipeline.
    pub(super) async fn send_all(
        &self,
        operation: Operation,
        pipeline: &Pipeline,
        deadline: Instant,
    ) -> std::result::Result<Vec<Value>, Failure> {
        let live = self.ready(operation, deadline).await?;
        let mut connection = live.connection();
        let commands = pipeline.len();
        let (skip, expect) = if pipeline.is_transaction() {
            (commands + 1, 1)
        } else {
            (0, commands)
        };
        let sent = timeout_at(
            deadline,
            connection.send_packed_commands(pipeline, skip, expect),
        )
        .await;
        let replies = self.judge(operation, &live, sent)?;
        self.look_for_replica(&live, &replies);
        Ok(replies)
    }

    /// The connection for a call.
    pub(super) async fn ready(
        &self,
        operation: Operation,
        deadline: Instant,
    ) -> std::result::Result<Arc<Live>, Failure> {
        let unsent = |error| Failure { error, sent: false };
        if let Some(live) = self.current() {
            return Ok(live);
        }
        match timeout_at(deadline, self.acquire()).await {
            Ok(acquired) => acquired.map_err(unsent),
            Err(_) => Err(unsent(
                Error::new(ErrorKind::Timeout, operation.name)
                    .with_detail(format!("no connection to {}", self.address())),
            )),
        }
    }

    /// A replica refuses writes; the address may have come to lead to a new primary.
    fn look_for_replica(&self, live: &Arc<Live>, replies: &[Value]) {
        let refused = |reply: &Value| matches!(reply, Value::ServerError(error) if matches!(error.code(), "READONLY" | "MASTERDOWN"));
        if replies.iter().any(refused) {
            self.note_replica(live);
        }
    }

    pub(super) fn judge<T>(
        &self,
        operation: Operation,
        live: &Arc<Live>,
        sent: std::result::Result<RedisResult<T>, tokio::time::error::Elapsed>,
    ) -> std::result::Result<T, Failure> {
        let lost = |error| Failure { error, sent: true };
        match sent {
            Ok(Ok(value)) => {
                live.note_answer();
                Ok(value)
            }
            Ok(Err(error)) => {
                if error.is_io_error() || error.is_unrecoverable_error() {
                    self.discard(live);
                }
                Err(lost(call_error(operation, &error, self.address())))
            }
            Err(_) => {
                self.note_timeout(live);
                Err(lost(
                    Error::new(ErrorKind::Timeout, operation.name)
                        .with_detail(format!("no answer from {}", self.address()))
                        .with_may_have_applied(operation.writes),
                ))
            }
        }
    }
}
