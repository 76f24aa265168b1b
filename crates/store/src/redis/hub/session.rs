//! One connection of the hub, from the greeting to its end.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::{sync::Notify, time::timeout};

use super::{HubOptions, Standing, desk::Refused};
use crate::{
    ConnectionState, Error, ErrorKind, Event, Observer, Observers, Result,
    redis::{
        dial::{Dialer, Wire},
        error::call_error,
        reply::is_down,
        request::Operation,
    },
    subscription::{
        listeners::{Listeners, Name},
        remote::Route,
    },
};

/// Names in one command. A server answers a command as a whole before it serves others.
const NAMES_AT_ONCE: usize = 512;
/// Commands queued for the socket before the task waits.
const PIPELINE_BUFFER: usize = NAMES_AT_ONCE;
const SUBSCRIBE: Operation = Operation::read("subscribe");

/// A connection that messages come over. Dropping it ends it, and tells the observers.
pub(super) struct Session {
    wire: Wire,
    signals: Arc<Signals>,
    pub(super) address: String,
    /// Its number among the connections of the hub.
    pub(super) source: u64,
    /// How long an answer may take while nothing at all is heard.
    patience: Duration,
    observers: Observers,
}

/// What is known of a connection without asking it.
#[derive(Default)]
struct Signals {
    /// Counts what was heard.
    heard: AtomicU64,
    lost: AtomicBool,
    woken: Notify,
}

/// Why a request was not carried out.
enum Failure {
    /// The server said no.
    Refused(Error),
    /// The connection is gone, or as good as.
    Lost(Error),
}

/// What a name is asked for or given up with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

impl Session {
    /// Connects to a server.
    pub(super) async fn open(
        dialer: Dialer,
        options: &HubOptions,
        listeners: &Arc<Listeners>,
        source: u64,
    ) -> Result<Self> {
        let address = dialer.shown().to_owned();
        let signals = Arc::new(Signals::default());
        let config = config(Arc::clone(&signals), Arc::clone(listeners), source);
        let outcome = dialer.dial(config).await;
        let observers = options.observers.clone();
        let state = outcome
            .as_ref()
            .map_or_else(ConnectionState::Failed, |_| ConnectionState::Connected);
        observe(&observers, &address, state);
        Ok(Self {
            wire: outcome?,
            signals,
            address,
            source,
            patience: options.request_timeout * 2,
            observers,
        })
    }

    /// Returns when the connection is known to be gone.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(super) async fn lost(&self) {
        while !self.signals.lost.load(Ordering::Acquire) {
            self.signals.woken.notified().await;
        }
    }

    /// Notes that the connection is as good as gone.
    pub(super) fn lose(&self) {
        self.signals.lose();
    }

    /// A number that changes when anything is heard.
    pub(super) fn heard(&self) -> u64 {
        self.signals.heard.load(Ordering::Relaxed)
    }

    /// Asks the server for a sign of life. `Err` means that the connection is gone.
    pub(super) async fn ping(&self) -> Result<()> {
        let mut connection = self.wire.connection.clone();
        let ping = redis::cmd("PING");
        let answer = self.answered(connection.send_packed_command(&ping)).await;
        match answer {
            // Whatever it says: it answers.
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(Failure::Lost(error)) => Err(error),
        }
    }

    /// What the server says of itself as a node of a cluster; `None` where it tells nothing, for want of a permission. `Err`
    /// means that the connection is gone.
    pub(super) async fn standing(&self) -> Result<Option<Standing>> {
        let mut connection = self.wire.connection.clone();
        let mut questions = redis::pipe();
        questions
            .cmd("CLUSTER")
            .arg("MYID")
            .cmd("CLUSTER")
            .arg("INFO");
        let answer = connection.send_packed_commands(&questions, 0, 2);
        let answers = match self.answered(answer).await {
            Ok(answers) => answers,
            Err(Failure::Refused(_)) => return Ok(None),
            Err(Failure::Lost(error)) => return Err(error),
        };
        let [Value::BulkString(id), info] = &answers[..] else {
            return Ok(None);
        };
        Ok(Some(Standing {
            address: self.address.clone(),
            id: String::from_utf8_lossy(id).into_owned(),
            is_down: is_down(info),
        }))
    }

    /// Asks for names; answers those that the server refuses. `Err` means that the connection is gone.
    pub(super) async fn add(&self, names: &[Name]) -> Result<Refused> {
        let mut refused = HashMap::default();
        for (kind, names) in in_portions(names) {
            match self.send(Change::Add, kind, &names).await {
                Ok(()) => {}
                Err(Failure::Lost(error)) => return Err(error),
                Err(Failure::Refused(error)) if names.len() == 1 => {
                    refused.insert(kind.name(&names[0]), error);
                }
                // One forbidden name refuses them all, so that each is asked for by itself.
                Err(Failure::Refused(_)) => self.add_singly(kind, &names, &mut refused).await?,
            }
        }
        Ok(refused)
    }

    async fn add_singly(&self, kind: Kind, names: &[Bytes], refused: &mut Refused) -> Result<()> {
        let each = names
            .iter()
            .map(|name| self.send(Change::Add, kind, std::slice::from_ref(name)));
        for (name, outcome) in names.iter().zip(join_all(each).await) {
            match outcome {
                Ok(()) => {}
                Err(Failure::Refused(error)) => {
                    refused.insert(kind.name(name), error);
                }
                Err(Failure::Lost(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives names up. `Err` means that the connection is gone.
    pub(super) async fn remove(&self, names: &[Name]) -> Result<()> {
        for (kind, names) in in_portions(names) {
            // Where the server refuses, messages go on coming that nobody takes.
            if let Err(Failure::Lost(error)) = self.send(Change::Remove, kind, &names).await {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn send(&self, change: Change, kind: Kind, names: &[Bytes]) -> Result<(), Failure> {
        let mut connection = self.wire.connection.clone();
        let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
        match (change, kind) {
            (Change::Add, Kind::Channel) => self.answered(connection.subscribe(names)).await,
            (Change::Add, Kind::Pattern) => self.answered(connection.psubscribe(names)).await,
            (Change::Remove, Kind::Channel) => self.answered(connection.unsubscribe(names)).await,
            (Change::Remove, Kind::Pattern) => self.answered(connection.punsubscribe(names)).await,
        }
    }

    /// Waits for an answer as long as anything is heard: it may come late behind a flood of messages.
    async fn answered<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Failure> {
        let mut answer = pin!(answer);
        loop {
            let before = self.heard();
            match timeout(self.patience, &mut answer).await {
                Ok(outcome) => return outcome.map_err(|error| self.failure(&error)),
                Err(_) if self.heard() != before => {}
                Err(_) => {
                    return Err(Failure::Lost(
                        Error::new(ErrorKind::Timeout, SUBSCRIBE.name)
                            .with_detail(format!("no answer from {}", self.address)),
                    ));
                }
            }
        }
    }

    fn failure(&self, error: &RedisError) -> Failure {
        let ours = call_error(SUBSCRIBE, error, &self.address);
        // An error with a code is the server's answer.
        if error.code().is_some() {
            Failure::Refused(ours)
        } else {
            Failure::Lost(ours)
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let state = if self.signals.lost.load(Ordering::Acquire) {
            ConnectionState::Lost
        } else {
            ConnectionState::Closed
        };
        observe(&self.observers, &self.address, state);
    }
}

impl Signals {
    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.woken.notify_one();
    }
}

/// Which commands a name takes.
#[derive(Clone, Copy)]
enum Kind {
    Channel,
    Pattern,
}

impl Kind {
    fn name(self, name: &Bytes) -> Name {
        match self {
            Self::Channel => Name::Channel(name.clone()),
            Self::Pattern => Name::Pattern(name.clone()),
        }
    }
}

/// The names by their kind, in portions of a bounded size, none of them empty.
fn in_portions(names: &[Name]) -> Vec<(Kind, Vec<Bytes>)> {
    let (mut channels, mut patterns) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            Name::Channel(channel) => channels.push(channel.clone()),
            Name::Pattern(pattern) => patterns.push(pattern.clone()),
        }
    }
    let portions = |kind, names: &[Bytes]| {
        let portions = names.chunks(NAMES_AT_ONCE);
        portions
            .map(|portion| (kind, portion.to_vec()))
            .collect::<Vec<_>>()
    };
    let mut all = portions(Kind::Channel, &channels);
    all.extend(portions(Kind::Pattern, &patterns));
    all
}

fn config(signals: Arc<Signals>, listeners: Arc<Listeners>, source: u64) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        // Each request has a time-out of its own, which counts silence and not time.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
        .set_push_sender(move |push: PushInfo| -> Result<()> {
            signals.heard.fetch_add(1, Ordering::Relaxed);
            if push.kind == PushKind::Disconnection {
                signals.lose();
            } else if let Some((route, channel, payload)) = message(push) {
                listeners.deliver(source, &route, &channel, &payload);
            }
            Ok(())
        })
}

/// The message in a push: `message channel payload` or `pmessage pattern channel payload`.
fn message(push: PushInfo) -> Option<(Route, Bytes, Bytes)> {
    let mut parts = push.data.into_iter().map(|part| match part {
        Value::BulkString(bytes) => Some(Bytes::from(bytes)),
        Value::SimpleString(text) => Some(Bytes::from(text)),
        _ => None,
    });
    let mut part = || parts.next().flatten();
    let route = match push.kind {
        PushKind::Message => Route::Channel,
        PushKind::PMessage => Route::Pattern(part()?),
        _ => return None,
    };
    Some((route, part()?, part()?))
}

fn observe(observers: &Observers, address: &str, state: ConnectionState<'_>) {
    observers.observe(&Event::Connection { address, state });
}
