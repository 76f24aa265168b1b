//! The way of a command to its node of a cluster.
//!
//! A cluster's keys lie in 16 384 slots, each served by one primary. [`layout`] reads who serves what, [`view`] holds
//! one [`Link`](super::link::Link) a node, and [`look`] keeps both up to date. [`peers`]
//! tells the hub which nodes messages reach. [`refusal`] reads the answers by which a node
//! says that a command belongs elsewhere, [`cluster`] takes one command to where it belongs, [`batch`] many at once, and
//! [`walk`] goes over all nodes.
//!
//! A command is sent again only after an answer that says that nothing of it ran: `MOVED`, `ASK`, `TRYAGAIN`,
//! `CLUSTERDOWN`, and `NOSCRIPT` for scripts. After a lost connection or a time-out nothing is.

mod batch;
mod cluster;
mod course;
mod layout;
mod look;
mod peers;
mod refusal;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod work;

pub(super) use self::{
    cluster::{Cluster, ClusterOptions},
    work::Work,
};
