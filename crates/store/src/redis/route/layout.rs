//! Who serves which slot, as `CLUSTER SLOTS` tells it.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use redis::Value;

use crate::redis::address::Address;

/// Slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;
/// In the table of owners: nobody serves this slot.
const NOBODY: u16 = u16::MAX;

/// The primaries of a cluster and their slots.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// In the order of their lowest slots.
    nodes: Vec<Address>,
    /// For each slot the place of its primary in `nodes`.
    owners: Box<[u16]>,
    fingerprint: u64,
}

impl Layout {
    /// Reads a reply of `CLUSTER SLOTS` that came from `asked`; `None` for a shape that it does not have.
    ///
    /// An entry is `[first, last, primary, replicas...]`, a node `[endpoint, port, id, [name, value, ...]]`. The endpoint is
    /// missing or empty where it is that of the server asked, and `?` where the cluster prefers names and this node has none.
    pub(super) fn read(reply: &Value, asked: &Address) -> Option<Self> {
        let mut ranges = Vec::new();
        for entry in array(reply)? {
            let [first, last, primary, ..] = array(entry)? else {
                return None;
            };
            let (first, last) = (slot(first)?, slot(last)?);
            if first > last {
                return None;
            }
            // A node that cannot be addressed leaves its slots without an owner, and the others as they are.
            if let Some(address) = endpoint(array(primary)?, asked) {
                ranges.push((first, last, address));
            }
        }
        ranges.sort_by_key(|(first, ..)| *first);
        Some(Self::new(ranges))
    }

    fn new(ranges: Vec<(u16, u16, Address)>) -> Self {
        let mut nodes: Vec<Address> = Vec::new();
        let mut places = HashMap::new();
        let mut owners = vec![NOBODY; usize::from(SLOTS)].into_boxed_slice();
        for (first, last, address) in ranges {
            let place = *places.entry(address).or_insert_with_key(|address| {
                nodes.push(address.clone());
                // There are fewer nodes than slots.
                nodes.len() as u16 - 1
            });
            owners[usize::from(first)..=usize::from(last)].fill(place);
        }
        let mut hasher = DefaultHasher::new();
        (&nodes, &owners).hash(&mut hasher);
        Self {
            nodes,
            owners,
            fingerprint: hasher.finish(),
        }
    }

    pub(super) fn nodes(&self) -> &[Address] {
        &self.nodes
    }

    /// The place of the slot's primary among the [`nodes`](Self::nodes), if anybody serves it.
    pub(super) fn owner(&self, slot: u16) -> Option<usize> {
        let owner = *self.owners.get(usize::from(slot))?;
        (owner != NOBODY).then_some(usize::from(owner))
    }

    /// How many slots somebody serves.
    pub(super) fn served(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.served() == usize::from(SLOTS)
    }

    /// Equal for two layouts of one process only if nodes and slots are the same, as far as 64 bits can tell.
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("nodes", &self.nodes)
            .field("served", &self.served())
            .finish_non_exhaustive()
    }
}

/// Whether a reply of `CLUSTER SLOTS` names the node of this id, as a primary or a replica; `None` where it names no node at
/// all, as that of a node which was reset.
pub(super) fn lists(reply: &Value, id: &str) -> Option<bool> {
    let entries = array(reply)?;
    let nodes = entries.iter().filter_map(|entry| array(entry)?.get(2..));
    let mut ids = nodes
        .flatten()
        .filter_map(|node| text(array(node)?.get(2)?));
    match entries.is_empty() {
        true => None,
        false => Some(ids.any(|other| other == id)),
    }
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) | Value::Set(values) => Some(values),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

fn slot(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok().filter(|slot| *slot < SLOTS),
        _ => None,
    }
}

fn endpoint(node: &[Value], asked: &Address) -> Option<Address> {
    let [endpoint, Value::Int(port), rest @ ..] = node else {
        return None;
    };
    let port = u16::try_from(*port).ok().filter(|port| *port != 0)?;
    let host = match (endpoint, text(endpoint)) {
        (Value::Nil, _) | (_, Some("")) => Some(asked.host.as_str()),
        (_, Some("?")) => rest.get(1).and_then(|metadata| entry(metadata, "ip")),
        (_, host) => host,
    };
    host.map(|host| Address::new(host, port))
}

/// The value of `name` in a list of names and values, or in a map.
fn entry<'a>(metadata: &'a Value, name: &str) -> Option<&'a str> {
    let found = match metadata {
        Value::Map(pairs) => pairs
            .iter()
            .find(|(key, _)| text(key) == Some(name))
            .map(|(_, value)| value),
        other => array(other)?
            .chunks_exact(2)
            .find(|pair| text(&pair[0]) == Some(name))
            .map(|pair| &pair[1]),
    };
    found.and_then(text).filter(|value| !value.is_empty())
}
