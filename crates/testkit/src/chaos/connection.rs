//! One connection through the proxy, from its acceptance to its end.

use std::sync::{Arc, atomic::Ordering};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use super::{
    pipe::{End, Pipe},
    proxy::Shared,
    trap::{Moment, Watch},
};

/// What a sprung trap leaves to do.
type Done = Mutex<Option<oneshot::Sender<()>>>;

/// A connection that was accepted; it counts as open until this is dropped.
pub(super) struct Accepted {
    client: TcpStream,
    /// How often everything had been cut by then.
    cuts: u64,
    open: Open,
}

struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Accepted {
    pub(super) fn new(client: TcpStream, shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self {
            client,
            cuts: shared.settings.borrow().cuts,
            open: Open(Arc::clone(shared)),
        }
    }
}

/// Passes bytes both ways until both sides have closed, or until it is cut.
pub(super) async fn serve(accepted: Accepted) {
    let Accepted {
        mut client,
        cuts,
        open,
    } = accepted;
    let shared = Arc::clone(&open.0);
    let Ok(mut server) = TcpStream::connect(&shared.upstream).await else {
        return reset(client);
    };
    // An option that cannot be set makes it slower and nothing else.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut changed = shared.settings.subscribe();
    let done = Done::default();
    let end = tokio::select! {
        end = pass(&mut client, &mut server, &shared, &done) => end,
        _ = changed.wait_for(|settings| settings.cuts != cuts) => Err(End::Broken),
    };
    let Err(end) = end else { return };
    reset(client);
    drop(open);
    if matches!(end, End::ReplyWithheld) {
        // The server carries out what it has received before it sees the end, which it then answers with its own.
        let _ = server.shutdown().await;
        let _ = server.read_to_end(&mut Vec::new()).await;
    }
    if let Some(done) = done.into_inner() {
        // Nobody may be waiting for it.
        let _ = done.send(());
    }
}

async fn pass(
    client: &mut TcpStream,
    server: &mut TcpStream,
    shared: &Shared,
    done: &Done,
) -> Result<(), End> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut watch = Watch::default();
    let requests = Pipe {
        from: from_client,
        to: to_server,
        settings: shared.settings.subscribe(),
        delay: |settings| settings.delay_to_server,
    };
    let requests = requests.run(|chunk| {
        let Some(trap) = watch.spring(chunk, &shared.trap) else {
            return Ok(());
        };
        *done.lock() = Some(trap.done);
        match trap.moment {
            Moment::AtRequest => Err(End::Broken),
            Moment::AtReply => Ok(()),
        }
    });
    let replies = Pipe {
        from: from_server,
        to: to_client,
        settings: shared.settings.subscribe(),
        delay: |settings| settings.delay_to_client,
    };
    let replies = replies.run(|_| match &*done.lock() {
        Some(_) => Err(End::ReplyWithheld),
        None => Ok(()),
    });
    tokio::try_join!(requests, replies).map(drop)
}

/// Closes so that the peer sees an error and not an orderly end.
pub(super) fn reset(stream: TcpStream) {
    // Where it cannot be set, the peer sees an orderly end.
    let _ = stream.set_zero_linger();
}
