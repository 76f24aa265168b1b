//! The proxy and its controls.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::{AbortHandle, JoinSet},
};

use crate::raw::addresses;

use super::{
    connection::{Accepted, reset, serve},
    settings::Settings,
    trap::{Cut, Moment, Trap},
};

/// A TCP proxy on the loopback interface whose faults a test turns on and off. Dropping it ends its connections.
///
/// It passes everything on until told otherwise; every control takes effect at once, on connections that are open too.
///
/// # Examples
/// A write is cut off after the server has carried it out, and before its reply:
/// ```no_run
/// use cachekit_testkit::chaos::Proxy;
///
/// # async fn write() {}
/// # async fn example() -> std::io::Result<()> {
/// let proxy = Proxy::start("redis://127.0.0.1:6379/").await?;
/// // ... a store is connected to proxy.url() ...
/// let cut = proxy.cut_at_reply("the:key");
/// write().await; // fails, and may have applied
/// cut.happened().await; // and did
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: AbortHandle,
}

/// What the proxy shares with its connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) upstream: String,
    pub(super) settings: watch::Sender<Settings>,
    pub(super) trap: Mutex<Option<Trap>>,
    pub(super) open: AtomicUsize,
    accepted: AtomicU64,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream`, as `host:port` or `redis://host:port/`.
    ///
    /// The proxy runs on the tokio runtime of this call, until it is dropped.
    ///
    /// # Errors
    /// Those of binding a port. Whether the upstream is there shows with the first connection.
    pub async fn start(upstream: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: addresses(upstream)[0].to_owned(),
            settings: watch::Sender::default(),
            trap: Mutex::default(),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            address,
            shared,
            acceptor,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:PORT/`
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many connections were accepted so far, those that were refused included.
    #[must_use]
    pub fn accepted_connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Delays what arrives from now on, each way by its own time. What follows is not held up beyond that.
    pub fn delay(&self, to_server: Duration, to_client: Duration) {
        self.change(|settings| {
            settings.delay_to_server = to_server;
            settings.delay_to_client = to_client;
        });
    }

    /// Keeps connections open, accepts new ones, and passes nothing on until [`pass`](Self::pass), which then delivers
    /// what was held back: as a network that has lost its way, or a frozen server.
    pub fn stall(&self) {
        self.change(|settings| settings.stalled = true);
    }

    /// Resets new connections as soon as they are made. Those that are open go on.
    pub fn refuse(&self) {
        self.change(|settings| settings.refusing = true);
    }

    /// Ends every fault, takes a trap away, and passes everything on.
    pub fn pass(&self) {
        self.shared.trap.lock().take();
        self.change(|settings| {
            *settings = Settings {
                cuts: settings.cuts,
                ..Settings::default()
            };
        });
    }

    /// Resets every connection that is open; what was under way is lost. New ones are taken.
    pub fn cut(&self) {
        self.change(|settings| settings.cuts += 1);
    }

    /// Resets the connection on which the next request with these bytes comes, instead of passing it on: the server
    /// never sees it.
    ///
    /// The bytes may be of a key, of an argument or of a command's name. There is one trap at a time; a new one takes
    /// the place of the old.
    ///
    /// # Panics
    /// For no bytes.
    pub fn cut_at_request(&self, bytes: impl AsRef<[u8]>) -> Cut {
        self.set_trap(bytes.as_ref(), Moment::AtRequest)
    }

    /// Passes on the next request with these bytes, and resets its connection at the first reply after it: the server
    /// has carried it out, and the client cannot know.
    ///
    /// Where earlier requests are still unanswered, the first reply may be theirs. The server carries out all the same
    /// what it was given: see [`Cut::happened`]. A reply may also be a refusal, such as that of a script that the server
    /// does not know yet, which a client would otherwise answer by sending the text. There is one trap at a time; a new one takes the place of the old.
    ///
    /// # Panics
    /// For no bytes.
    pub fn cut_at_reply(&self, bytes: impl AsRef<[u8]>) -> Cut {
        self.set_trap(bytes.as_ref(), Moment::AtReply)
    }

    fn set_trap(&self, bytes: &[u8], moment: Moment) -> Cut {
        assert!(!bytes.is_empty(), "a trap waits for some bytes");
        let (done, waiting) = oneshot::channel();
        *self.shared.trap.lock() = Some(Trap {
            bytes: bytes.to_vec(),
            moment,
            done,
        });
        Cut(waiting)
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        self.shared.settings.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.shared.trap.lock().take();
        self.acceptor.abort();
    }
}

/// Ends with the proxy, and its connections with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => admit(client, &shared, &mut connections),
                // The machine is short of something for the moment.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn admit(client: TcpStream, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    shared.accepted.fetch_add(1, Ordering::SeqCst);
    if shared.settings.borrow().refusing {
        return reset(client);
    }
    connections.spawn(serve(Accepted::new(client, shared)));
}
