//! The answers by which a node says that nothing of a command ran, and what to do instead.

use redis::{ServerError, Value};

use crate::redis::{address::Address, error::is_refusal};

/// Why a node did not run a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The slot belongs to this node.
    Moved(Address),
    /// The slot is on its way to this node, and the key is there already or is new: ask there, this once.
    Ask(Address),
    /// The slot is on its way, and the command's keys are on both sides.
    TryAgain,
    /// Nobody serves the slot, or too much of the cluster is down.
    ClusterDown,
    /// The node does not know the script of this hash.
    NoScript,
}

impl Refusal {
    /// The refusal among the replies to a command, or to the commands of one transaction, from the node at `asked`.
    pub(super) fn among(replies: &[Value], asked: &Address) -> Option<Self> {
        replies.iter().find_map(|reply| match reply {
            Value::ServerError(error) => Self::of(error, asked),
            _ => None,
        })
    }

    fn of(error: &ServerError, asked: &Address) -> Option<Self> {
        // A script may return an error of the same code after it wrote.
        if !is_refusal(error.code(), error.details().unwrap_or_default()) {
            return None;
        }
        let target = || {
            let (_slot, address) = error.details()?.split_once(' ')?;
            Address::parse(address.trim(), asked)
        };
        match error.code() {
            "MOVED" => target().map(Self::Moved),
            "ASK" => target().map(Self::Ask),
            "TRYAGAIN" => Some(Self::TryAgain),
            "CLUSTERDOWN" => Some(Self::ClusterDown),
            "NOSCRIPT" => Some(Self::NoScript),
            _ => None,
        }
    }
}
