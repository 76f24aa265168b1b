//! How a slot moves from one master to another, in the steps of the cluster specification.

use super::forming;
use crate::{RawReply, server::group::Member};

/// See [`ClusterServer::begin_move`](super::ClusterServer::begin_move).
pub(super) fn begin(members: &[Member], slot: u16, to: usize) -> Result<(), String> {
    let from = forming::owner(members, slot)?;
    let text = slot.to_string();
    let (from_id, to_id) = (members[from].id()?, members[to].id()?);
    // The new owner first, so that nobody is sent to a node that does not expect it.
    members[to].ask(&["CLUSTER", "SETSLOT", &text, "IMPORTING", &from_id])?;
    members[from].ask(&["CLUSTER", "SETSLOT", &text, "MIGRATING", &to_id])?;
    Ok(())
}

/// See [`ClusterServer::finish_move`](super::ClusterServer::finish_move).
pub(super) fn finish(members: &[Member], slot: u16, to: usize) -> Result<(), String> {
    let from = forming::owner(members, slot)?;
    move_keys(&members[from], &members[to], slot)?;
    let (text, to_id) = (slot.to_string(), members[to].id()?);
    let others = members.iter().enumerate().filter(|(index, _)| *index != to);
    let others = others.map(|(_, member)| member);
    for member in std::iter::once(&members[to]).chain(others) {
        // Replicas refuse and learn it from their master.
        let role = member.ask_text(&["INFO", "replication"])?;
        if role.contains("role:master") {
            member.ask(&["CLUSTER", "SETSLOT", &text, "NODE", &to_id])?;
        }
    }
    forming::wait_until_ok(members)
}

/// One `MIGRATE` for each key: a test has few.
fn move_keys(from: &Member, to: &Member, slot: u16) -> Result<(), String> {
    let port = to.port.to_string();
    loop {
        let list = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100"])?;
        let RawReply::List(keys) = list else {
            return Err("a list of keys is none".to_owned());
        };
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys.into_iter().filter_map(RawReply::into_bytes) {
            let head: [&[u8]; 3] = [b"MIGRATE", b"127.0.0.1", port.as_bytes()];
            let tail: [&[u8]; 4] = [&key, b"0", b"5000", b"REPLACE"];
            from.ask(&[&head[..], &tail[..]].concat())?;
        }
    }
}
