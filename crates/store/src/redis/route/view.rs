//! What is known of a cluster: its layout, and a link to each node.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::time::{Instant, timeout_at};

use super::{
    cluster::ClusterOptions,
    layout::Layout,
    look::{Attempt, Looking, closed},
};
use crate::{
    Error, ErrorKind, Observers, Result,
    redis::{
        address::Address,
        dial::{DialOptions, Dialer},
        link::Link,
        request::Operation,
    },
};

/// A node outside the layout (a seed, or one that slots are being moved to) keeps its connection for this long.
const STRANGER_IDLE: Duration = Duration::from_secs(10);

/// One node and the way to it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) link: Link,
}

/// The cluster as it was seen last.
#[derive(Debug)]
pub(super) struct View {
    pub(super) layout: Layout,
    /// In the order of the layout.
    pub(super) nodes: Vec<Arc<Node>>,
}

impl View {
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.layout.owner(slot).map(|place| &self.nodes[place])
    }
}

/// What calls and the look at the cluster share.
pub(super) struct Core {
    pub(super) dial: DialOptions,
    pub(super) request_timeout: Duration,
    observers: Observers,
    pub(super) seeds: Vec<Address>,
    view: RwLock<Option<Arc<View>>>,
    known: Mutex<HashMap<Address, Known>>,
    pub(super) looking: Mutex<Looking>,
    closed: AtomicBool,
}

struct Known {
    node: Arc<Node>,
    used: Instant,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.used.elapsed() < STRANGER_IDLE
    }
}

impl Core {
    pub(super) fn new(options: ClusterOptions) -> Self {
        Self {
            dial: options.dial,
            request_timeout: options.request_timeout,
            observers: options.observers,
            seeds: options.seeds,
            view: RwLock::default(),
            known: Mutex::default(),
            looking: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// What was seen last, without waiting.
    pub(super) fn seen(&self) -> Option<Arc<View>> {
        self.view.read().clone()
    }

    /// What was seen last, or a first look.
    ///
    /// # Cancel safety
    /// A caller that goes away leaves the look going on for the next one.
    pub(super) async fn view(
        self: &Arc<Self>,
        operation: Operation,
        deadline: Instant,
    ) -> Result<Arc<View>> {
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, operation.name));
        }
        if let Some(view) = self.seen() {
            return Ok(view);
        }
        let attempt = self.look(false);
        // The first look may have ended since it was found missing.
        match self.seen() {
            Some(view) => Ok(view),
            None => self.wait(operation, attempt, deadline).await,
        }
    }

    /// A look that begins no earlier than this call.
    pub(super) async fn fresh(
        self: &Arc<Self>,
        operation: Operation,
        deadline: Instant,
    ) -> Result<Arc<View>> {
        let under_way = self.looking.lock().under_way();
        if let Some(attempt) = under_way {
            let _ = timeout_at(deadline, attempt).await;
        }
        self.wait(operation, self.look(true), deadline).await
    }

    async fn wait(
        &self,
        operation: Operation,
        attempt: Option<Attempt>,
        deadline: Instant,
    ) -> Result<Arc<View>> {
        let Some(attempt) = attempt else {
            let failure = self.looking.lock().failure.clone();
            return Err(failure.unwrap_or_else(|| unseen(ErrorKind::Unavailable, operation)));
        };
        timeout_at(deadline, attempt)
            .await
            .unwrap_or_else(|_| Err(unseen(ErrorKind::Timeout, operation)))
    }

    /// Makes a layout the one in use; answers whether it is another than before.
    pub(super) fn install(&self, layout: Layout) -> Result<(Arc<View>, bool)> {
        if self.is_closed() {
            return Err(closed());
        }
        if let Some(view) = self.seen()
            && view.layout == layout
        {
            return Ok((view, false));
        }
        let nodes: Result<Vec<_>> = layout.nodes().iter().map(|node| self.node(node)).collect();
        let view = Arc::new(View {
            nodes: nodes?,
            layout,
        });
        // A seed that the layout names otherwise has done its part.
        self.known.lock().retain(|address, known| {
            let stranger = known.is_fresh() && !self.seeds.contains(address);
            stranger || view.layout.nodes().contains(address)
        });
        *self.view.write() = Some(Arc::clone(&view));
        Ok((view, true))
    }

    /// The node at an address, known or new.
    pub(super) fn node(&self, address: &Address) -> Result<Arc<Node>> {
        let mut known = self.known.lock();
        if let Some(known) = known.get_mut(address) {
            known.used = Instant::now();
            return Ok(Arc::clone(&known.node));
        }
        if let Some(view) = self.seen() {
            known
                .retain(|address, known| known.is_fresh() || view.layout.nodes().contains(address));
        }
        let dialer = self.dial.dialer_to(address)?;
        let link = Link::new(dialer, self.request_timeout, self.observers.clone());
        let node = Arc::new(Node {
            address: address.clone(),
            link,
        });
        let used = Instant::now();
        known.insert(
            address.clone(),
            Known {
                node: Arc::clone(&node),
                used,
            },
        );
        Ok(node)
    }

    /// The ways to the known nodes, or to the seeds while none is known. Whoever asks has lost a node or knows none, which
    /// is a reason to look.
    pub(super) fn dialers(self: &Arc<Self>) -> Vec<Dialer> {
        self.look(false);
        match self.seen() {
            Some(view) => {
                let links = view.nodes.iter().map(|node| &node.link);
                links.map(|link| link.dialer().clone()).collect()
            }
            None => {
                let seeds = self.seeds.iter();
                seeds
                    .filter_map(|seed| self.dial.dialer_to(seed).ok())
                    .collect()
            }
        }
    }

    /// Takes no more calls.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Ends the look under way and all connections.
    pub(super) async fn end(&self) {
        self.stop_looking();
        let nodes: Vec<Arc<Node>> = {
            let mut known = self.known.lock();
            known.drain().map(|(_, known)| known.node).collect()
        };
        let seen = self.view.write().take();
        for node in nodes.iter().chain(seen.iter().flat_map(|view| &view.nodes)) {
            node.link.close().await;
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("seeds", &self.seeds)
            .field("view", &self.seen())
            .finish_non_exhaustive()
    }
}

/// No node could be asked in time, or none so soon after the last failure.
fn unseen(kind: ErrorKind, operation: Operation) -> Error {
    Error::new(kind, operation.name).with_detail("no node told the layout of the cluster")
}
