//! The nodes' processes, in a container or on this machine.

use std::path::Path;

use super::{container::NodeContainer, member::Member};
use crate::server::{
    Kind, ServerError, Source,
    local::{Process, free_ports},
};

/// What makes a server a node, and a cluster quick: one that is silent for this long is replaced, the others go on
/// meanwhile, and replicas neither wait for company before they copy nor doubt whether their data is fresh enough.
const AS_NODE: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-config-file",
    "nodes.conf",
    "--cluster-node-timeout",
    "1500",
    "--cluster-require-full-coverage",
    "no",
    "--cluster-replica-validity-factor",
    "0",
    "--repl-diskless-sync-delay",
    "0",
    "--cluster-announce-ip",
    "127.0.0.1",
    "--cluster-preferred-endpoint-type",
    "hostname",
];

#[derive(Debug)]
pub(super) enum Nodes {
    Container(Box<NodeContainer>),
    Processes(Vec<Process>),
}

impl Nodes {
    /// Starts single servers that can become a cluster.
    pub(super) async fn start(
        kind: Kind,
        source: &Source,
        count: usize,
        arguments: &[&str],
    ) -> Result<(Self, Vec<Member>), ServerError> {
        match source {
            Source::Docker(image) => {
                let container = NodeContainer::start(kind, image, count, arguments).await?;
                let members = container.members().to_vec();
                Ok((Self::Container(Box::new(container)), members))
            }
            Source::Local(program) => {
                let (processes, members) = processes(kind, program, count, arguments).await?;
                Ok((Self::Processes(processes), members))
            }
            Source::Absent(reason) => Err(ServerError::Required {
                kind,
                reason: reason.clone(),
            }),
        }
    }

    pub(super) fn pid(&self, node: usize) -> Option<u32> {
        match self {
            Self::Container(_) => None,
            Self::Processes(processes) => Some(processes[node].pid()),
        }
    }

    pub(super) async fn signal(&self, node: usize, name: &str) -> Result<(), ServerError> {
        match self {
            Self::Container(container) => container.signal(node, name).await,
            Self::Processes(processes) => processes[node].signal(name).await,
        }
    }

    pub(super) async fn restart(&mut self, node: usize) -> Result<(), ServerError> {
        match self {
            Self::Container(container) => container.restart(node).await,
            Self::Processes(processes) => processes[node].restart().await,
        }
    }
}

async fn processes(
    kind: Kind,
    program: &Path,
    count: usize,
    arguments: &[&str],
) -> Result<(Vec<Process>, Vec<Member>), ServerError> {
    let (mut processes, mut members) = (Vec::new(), Vec::new());
    for bus in free_ports(count)? {
        let host = "127.0.0.1".to_owned();
        let arguments = node_arguments(&host, bus, arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let process = Process::start(kind, program, &arguments).await?;
        let port = process.port();
        processes.push(process);
        members.push(Member { host, port, bus });
    }
    Ok((processes, members))
}

/// The arguments of one node that clients reach at `host`. The other nodes reach it at the loopback address, whatever
/// clients are told.
pub(super) fn node_arguments(host: &str, bus: u16, further: &[impl AsRef<str>]) -> Vec<String> {
    let bus = bus.to_string();
    let own = [
        "--cluster-port",
        &bus,
        "--cluster-announce-bus-port",
        &bus,
        "--cluster-announce-hostname",
        host,
    ];
    let all = AS_NODE.iter().copied().chain(own);
    all.chain(further.iter().map(AsRef::as_ref))
        .map(str::to_owned)
        .collect()
}
