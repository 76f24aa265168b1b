//! One listener: what it listens to, and what waits for it.

use std::collections::HashSet;

use bytes::Bytes;
use cachekit_keys::Pattern;
use foldhash::quality::RandomState;
use parking_lot::Mutex;

use super::{queue::Queue, request::SubscribeRequest};
use crate::{Error, ErrorKind, Result};

/// What a server is asked to listen to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Channel(Bytes),
    Pattern(Bytes),
}

/// One listener of a store.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) id: u64,
    pub(super) channels: HashSet<Bytes, RandomState>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) queue: Mutex<Queue>,
}

impl Listener {
    /// Checks what is asked for. Names that are given twice count once.
    pub(super) fn new(id: u64, request: SubscribeRequest) -> Result<Self> {
        if request.channels.is_empty() && request.patterns.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "subscribe")
                .with_detail("neither a channel nor a pattern was named"));
        }
        let mut patterns = Vec::with_capacity(request.patterns.len());
        let mut seen = HashSet::with_hasher(RandomState::default());
        for bytes in request.patterns {
            if seen.insert(bytes.clone()) {
                let pattern = Pattern::glob(bytes).map_err(|error| {
                    Error::new(ErrorKind::InvalidInput, "subscribe").with_detail(error.to_string())
                })?;
                patterns.push(pattern);
            }
        }
        // The field is public, so its range is not a given.
        let capacity = request.buffer.clamp(1, SubscribeRequest::MAX_BUFFER);
        Ok(Self {
            id,
            channels: request.channels.into_iter().collect(),
            patterns,
            queue: Mutex::new(Queue::new(capacity, request.buffer_bytes)),
        })
    }

    /// Its number among the listeners of the store.
    #[cfg(feature = "redis")]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What a server has to be asked for.
    #[cfg(feature = "redis")]
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        let channels = self.channels.iter().cloned().map(Name::Channel);
        let patterns = self.patterns.iter();
        channels.chain(patterns.map(|pattern| Name::Pattern(pattern.to_bytes())))
    }

    /// Whether a message that came by `pattern` is this listener's: it comes by the channel's own name too where that was
    /// asked for, else by each pattern that matches, of which the first counts.
    pub(super) fn takes_by(&self, pattern: &[u8], channel: &[u8]) -> bool {
        // The server says that `pattern` matches; only the ones before it are in question.
        let mut before = self
            .patterns
            .iter()
            .take_while(|other| other.as_bytes() != pattern);
        !self.channels.contains(channel) && !before.any(|other| other.matches(channel))
    }

    /// The subscription begins: from now on messages count.
    pub(crate) fn begin(&self) {
        self.queue.lock().begin();
    }
}
