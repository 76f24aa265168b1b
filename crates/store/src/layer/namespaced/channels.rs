//! Subscriptions behind a namespace.

use std::future::ready;

use bytes::Bytes;
use cachekit_keys::{KeyError, Pattern};
use futures_util::StreamExt;

use super::{globs, names::Names};
use crate::{PubSubItem, SubscribeRequest, Subscription};

/// What a subscriber listens to, and under which names.
#[derive(Debug)]
pub(super) struct Listening {
    names: Names,
    channels: Vec<Bytes>,
    /// The caller's globs behind the namespace.
    patterns: Vec<Pattern>,
}

impl Listening {
    /// What the request asks for, and the request as the store below needs it.
    pub(super) fn new(
        names: &Names,
        request: &SubscribeRequest,
    ) -> Result<(Self, SubscribeRequest), KeyError> {
        let mut below = request.clone();
        below.patterns.clear();
        for channel in &mut below.channels {
            *channel = names.channel(channel)?;
        }
        let mut patterns = Vec::with_capacity(request.patterns.len());
        for glob in &request.patterns {
            patterns.push(globs::prefixed(names, glob)?);
            below.patterns.extend(globs::channels(names, glob)?);
        }
        let listening = Self {
            names: names.clone(),
            channels: request.channels.clone(),
            patterns,
        };
        Ok((listening, below))
    }

    /// The subscription as the caller sees it.
    pub(super) fn view(self, below: Subscription) -> Subscription {
        Subscription::new(below.filter_map(move |item| ready(self.item(item))))
    }

    fn item(&self, item: PubSubItem) -> Option<PubSubItem> {
        let PubSubItem::Message { channel, payload } = item else {
            return Some(item);
        };
        let channel = self.names.own_channel(&channel)?;
        self.means(&channel)
            .then_some(PubSubItem::Message { channel, payload })
    }

    /// Whether the caller asked for this channel. The globs below may find others.
    fn means(&self, channel: &Bytes) -> bool {
        if self.channels.contains(channel) {
            return true;
        }
        if channel.is_empty() {
            // On a server, no glob matches the empty name; behind the namespace it is not empty.
            return false;
        }
        let prefixed = [self.names.prefix(), channel].concat();
        self.patterns.iter().any(|glob| glob.matches(&prefixed))
    }
}
