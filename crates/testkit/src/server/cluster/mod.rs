//! A Redis Cluster of a test's own: several nodes, each of which can be hurt by itself.
//!
//! No `redis-cli` is needed: the launcher says `CLUSTER ADDSLOTSRANGE`, `MEET` and `REPLICATE` itself. The nodes gossip
//! over the loopback interface that they share, in their container or on the machine, whatever address clients are told.

mod forming;
mod moving;
mod view;

use std::time::Duration;

use super::{
    Choice, Deployment, Form, Kind, ServerError, Source,
    group::{Group, Member, try_to_start},
    log::note_use,
};

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;
/// A cluster forms in some three seconds, two of which the servers wait by themselves; a failover takes as long.
const LIMIT: Duration = Duration::from_secs(30);

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

/// A running cluster of the test's own, that ends when the value is dropped.
///
/// Nodes are numbered from 0: first the masters, among which the slots are divided evenly in this order, then the
/// replicas, the first master's first. A node keeps its number, address and files (without persistence: its place in the
/// cluster, and no data) whatever happens to its role.
///
/// A node counts as failed after 1.5 seconds of silence, upon which a replica takes over. The slots of other masters are
/// served meanwhile (`cluster-require-full-coverage no`).
///
/// # Examples
/// ```no_run
/// use cachekit_testkit::server::{ClusterServer, Kind};
///
/// # async fn example() -> Result<(), cachekit_testkit::server::ServerError> {
/// let Some(cluster) = ClusterServer::start_with(Kind::Redis7, 3, 1, &[]).await? else { return Ok(()) };
/// println!("{}", cluster.url());
/// let owner = cluster.node_of_slot(42).await?;
/// cluster.kill(owner).await?;
/// cluster.wait_until_ok().await?; // its replica has taken over
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClusterServer {
    masters: usize,
    nodes: Group,
}

impl ClusterServer {
    /// Starts three masters without replicas; `None`, and one line on standard error, where the machine has no server
    /// of `kind`.
    ///
    /// # Errors
    /// [`ServerError::Required`] where the run requires it; any other where it was found and no cluster came about.
    ///
    /// # Cancel safety
    /// Dropping the future ends what was already started.
    pub async fn start(kind: Kind) -> Result<Option<Self>, ServerError> {
        Self::start_with(kind, 3, 0, &[]).await
    }

    /// Starts `masters` masters with `replicas` replicas each. Every node gets the further arguments, which win over the
    /// defaults.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Panics
    /// For no master at all. (A majority that can elect a replica needs three.)
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_with(
        kind: Kind,
        masters: usize,
        replicas: usize,
        arguments: &[&str],
    ) -> Result<Option<Self>, ServerError> {
        assert!(masters > 0, "a cluster has at least one master");
        let choice = Choice::of_process().await;
        let deployment = Deployment::new(kind, Form::Cluster);
        let Some(source) = choice.present(deployment)? else {
            return Ok(None);
        };
        let attempt = || Self::attempt(kind, source, masters, replicas, arguments);
        let cluster = try_to_start(attempt).await?;
        note_use(deployment);
        Ok(Some(cluster))
    }

    async fn attempt(
        kind: Kind,
        source: &Source,
        masters: usize,
        replicas: usize,
        arguments: &[&str],
    ) -> Result<Self, ServerError> {
        let mut nodes = Group::prepare(kind, source, masters * (1 + replicas), false).await?;
        nodes
            .launch(&[], |node| node_arguments(node, arguments))
            .await?;
        let this = Self { masters, nodes };
        this.blocking(move |members| forming::form(members, masters))
            .await?;
        Ok(this)
    }

    /// What was asked for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.nodes.kind()
    }

    /// `redis+cluster://host:port,host:port,...` with the address of every node.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.members().iter().map(Member::address).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// How many nodes there are, ended ones included.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.members().len()
    }

    /// The numbers of the nodes that started as replicas of this master.
    ///
    /// # Panics
    /// For a number that is not of a master.
    #[must_use]
    pub fn replicas_of(&self, master: usize) -> std::ops::Range<usize> {
        assert!(master < self.masters, "node {master} started as a replica");
        let each = self.members().len() / self.masters - 1;
        let first = self.masters + master * each;
        first..first + each
    }

    /// The host of every node.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.members()[0].host
    }

    /// The TCP port of a node, the same for the life of the value.
    ///
    /// # Panics
    /// For a number that no node has. This goes for every method that takes one.
    #[must_use]
    pub fn port(&self, node: usize) -> u16 {
        self.members()[node].port
    }

    /// `redis://host:port/` of one node, for a client that knows nothing of clusters.
    #[must_use]
    pub fn node_url(&self, node: usize) -> String {
        format!("redis://{}/", self.members()[node].address())
    }

    /// The process id of a local node; `None` in a container.
    #[must_use]
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes.pid(node)
    }

    /// Ends a node as a crash would: SIGKILL, no farewell to clients.
    ///
    /// # Errors
    /// Where the node has already ended, or the engine fails.
    pub async fn kill(&self, node: usize) -> Result<(), ServerError> {
        self.nodes.signal(node, "KILL").await
    }

    /// Ends a node in good order: SIGTERM, clients see their connections closed.
    ///
    /// # Errors
    /// Where the node has already ended, or the engine fails.
    pub async fn stop(&self, node: usize) -> Result<(), ServerError> {
        self.nodes.signal(node, "TERM").await
    }

    /// Freezes a node: connections stay open and nothing is answered. After 1.5 seconds the others count it as failed.
    ///
    /// # Errors
    /// Where the node is not running, or the engine fails.
    pub async fn pause(&self, node: usize) -> Result<(), ServerError> {
        self.nodes.signal(node, "STOP").await
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// Where the node has ended, or the engine fails.
    pub async fn resume(&self, node: usize) -> Result<(), ServerError> {
        self.nodes.signal(node, "CONT").await
    }

    /// Starts an ended node again on the same port, and waits until it answers; a running one is killed first. It comes
    /// back without data, and takes commands some two seconds later: see [`wait_until_ok`](Self::wait_until_ok).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropping the future may leave the node ended; a further call starts it.
    pub async fn restart(&mut self, node: usize) -> Result<(), ServerError> {
        self.nodes.restart(node).await
    }

    /// Waits until every node that answers says that the cluster is well and knows of no failure among those that
    /// answer, and until those together serve every slot; for at most 30 seconds.
    ///
    /// After the loss of a master this means that a replica has taken over. It fails where there is none.
    ///
    /// # Errors
    /// [`ServerError::Cluster`] with what is amiss when the time is over.
    pub async fn wait_until_ok(&self) -> Result<(), ServerError> {
        self.blocking(forming::wait_until_ok).await
    }

    /// The node that serves `slot` now, as the nodes that answer see it.
    ///
    /// # Errors
    /// [`ServerError::Cluster`] where no node serves it.
    pub async fn node_of_slot(&self, slot: u16) -> Result<usize, ServerError> {
        self.blocking(move |members| forming::owner(members, slot))
            .await
    }

    /// Makes a replica the master of its slots, and waits until all that answer have noticed. Its old master becomes its
    /// replica, or, if it has ended, nothing.
    ///
    /// # Errors
    /// [`ServerError::Cluster`] where the node is a master, or the others do not notice within 30 seconds.
    pub async fn promote(&self, replica: usize) -> Result<(), ServerError> {
        self.blocking(move |members| forming::promote(members, replica))
            .await
    }

    /// Begins to move `slot` to another master: from now on its owner answers `ASK` for keys that it does not have.
    ///
    /// # Errors
    /// [`ServerError::Cluster`] where a node refuses.
    pub async fn begin_move(&self, slot: u16, to: usize) -> Result<(), ServerError> {
        self.blocking(move |members| moving::begin(members, slot, to))
            .await
    }

    /// Moves the keys of `slot`, and the slot: from now on its former owner answers `MOVED`.
    ///
    /// # Errors
    /// [`ServerError::Cluster`] where a node refuses.
    pub async fn finish_move(&self, slot: u16, to: usize) -> Result<(), ServerError> {
        self.blocking(move |members| moving::finish(members, slot, to))
            .await
    }

    fn members(&self) -> &[Member] {
        self.nodes.members()
    }

    /// The clients here block, so that they run where that disturbs nobody. A dropped caller's work ends with its
    /// sockets or its deadline.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&[Member]) -> Result<T, String> + Send + 'static,
    ) -> Result<T, ServerError> {
        let (kind, members) = (self.kind(), self.members().to_vec());
        tokio::task::spawn_blocking(move || work(&members))
            .await
            .expect("talking to a cluster does not panic")
            .map_err(|reason| ServerError::Cluster { kind, reason })
    }
}

fn node_arguments(node: &Member, further: &[&str]) -> Vec<String> {
    let bus = node.bus.to_string();
    let own = [
        "--cluster-port",
        &bus,
        "--cluster-announce-bus-port",
        &bus,
        "--cluster-announce-hostname",
        &node.host,
    ];
    let all = AS_NODE.iter().chain(&own).chain(further);
    all.map(|&text| text.to_owned()).collect()
}
