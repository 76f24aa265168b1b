//! How single servers become a cluster, and what is asked of one.

use std::time::Duration;

use super::{LIMIT, SLOTS, view::View};
use crate::server::group::{Member, eventually};

/// How long a replica tries to take over in agreement with its master, and a little.
const GIVES_UP_AFTER: Duration = Duration::from_secs(6);

/// Makes a cluster of servers that know nothing of each other.
pub(super) fn form(members: &[Member], masters: usize) -> Result<(), String> {
    for (index, member) in members.iter().enumerate() {
        // Distinct from the start, so that no conflict has to be settled.
        let epoch = (index + 1).to_string();
        member.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
        if index < masters {
            let (first, last) = slots_of(index, masters);
            member.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        }
    }
    introduce(members)?;
    eventually(LIMIT, || all_content(members))?;
    for (index, replica) in members.iter().enumerate().skip(masters) {
        let master = (index - masters) / (members.len() / masters - 1);
        follow(replica, &members[master])?;
    }
    wait_until_ok(members)
}

/// The first and the last slot of a master.
fn slots_of(master: usize, masters: usize) -> (String, String) {
    let start = |index: usize| usize::from(SLOTS) * index / masters;
    (
        start(master).to_string(),
        (start(master + 1) - 1).to_string(),
    )
}

/// Everyone meets everyone: waiting for gossip to do it takes seconds.
fn introduce(members: &[Member]) -> Result<(), String> {
    for (index, member) in members.iter().enumerate() {
        for other in &members[index + 1..] {
            // The nodes share an interface, wherever the test is.
            let (port, bus) = (other.port.to_string(), other.bus.to_string());
            member.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
    }
    Ok(())
}

fn follow(replica: &Member, master: &Member) -> Result<(), String> {
    replica
        .ask(&["CLUSTER", "REPLICATE", &master.id()?])
        .map(drop)
}

/// See [`ClusterServer::wait_until_ok`](super::ClusterServer::wait_until_ok).
pub(super) fn wait_until_ok(members: &[Member]) -> Result<(), String> {
    eventually(LIMIT, || all_content(members))
}

fn all_content(members: &[Member]) -> Result<(), String> {
    let present: Vec<&Member> = members.iter().filter(|member| member.answers()).collect();
    if present.is_empty() {
        return Err("no node answers".to_owned());
    }
    let mut views = Vec::new();
    for member in &present {
        let state = member.ask_text(&["CLUSTER", "INFO"])?;
        if !state.contains("cluster_state:ok") {
            return Err(format!("node {} says that the cluster fails", member.port));
        }
        let replication = member.ask_text(&["INFO", "replication"])?;
        if replication.contains("master_link_status:down") {
            return Err(format!("node {} has no data from its master", member.port));
        }
        views.push(View::of(member)?);
    }
    let complaint = |(member, view): (&&Member, &View)| {
        let complaint = view.complaint(&present, &views)?;
        Some(format!("node {} {complaint}", member.port))
    };
    let complaint = present.iter().zip(&views).find_map(complaint);
    complaint.map_or(Ok(()), Err)
}

/// See [`ClusterServer::node_of_slot`](super::ClusterServer::node_of_slot).
pub(super) fn owner(members: &[Member], slot: u16) -> Result<usize, String> {
    let mut reason = "no node answers".to_owned();
    for member in members.iter().filter(|member| member.answers()) {
        match View::of(member) {
            Ok(view) => {
                let port = view.owner(slot).map(|line| line.port);
                let owner = members.iter().position(|other| Some(other.port) == port);
                return owner.ok_or_else(|| format!("no node serves slot {slot}"));
            }
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// See [`ClusterServer::promote`](super::ClusterServer::promote).
pub(super) fn promote(members: &[Member], replica: usize) -> Result<(), String> {
    let node = &members[replica];
    eventually(LIMIT, || {
        ask_to_take_over(node)?;
        // A server gives an attempt up after five seconds, for instance where the master's data has not all come.
        eventually(GIVES_UP_AFTER, || is_master(node, node))
    })?;
    eventually(LIMIT, || {
        let present = members.iter().filter(|member| member.answers());
        for member in present {
            is_master(node, member)?;
        }
        all_content(members)
    })
}

/// In agreement with the master if it is there, else without asking anybody.
fn ask_to_take_over(node: &Member) -> Result<(), String> {
    let agreed = node.ask(&["CLUSTER", "FAILOVER"]);
    agreed
        .or_else(|_| node.ask(&["CLUSTER", "FAILOVER", "TAKEOVER"]))
        .map(drop)
}

fn is_master(node: &Member, as_seen_by: &Member) -> Result<(), String> {
    let view = View::of(as_seen_by)?;
    match view.of_port(node.port) {
        Some(line) if line.is("master") => Ok(()),
        _ => Err(format!("node {} has not noticed", as_seen_by.port)),
    }
}
