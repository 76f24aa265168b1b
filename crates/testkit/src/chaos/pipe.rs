//! One direction of a connection.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::settings::Settings;

/// Chunks on their way. Whoever sends more has to wait, as with any network.
const IN_TRANSIT: usize = 256;
const CHUNK: usize = 16 << 10;

/// Why a connection ended before both sides had closed it.
#[derive(Debug)]
pub(super) enum End {
    /// One side reset it, the proxy was told to, or a trap cut at a request.
    Broken,
    /// A trap cut at a reply.
    ReplyWithheld,
}

/// Passes bytes on, each as late as the settings of its arrival say, until the sender closes.
pub(super) struct Pipe<'a> {
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) settings: watch::Receiver<Settings>,
    pub(super) delay: fn(&Settings) -> Duration,
}

impl Pipe<'_> {
    /// `inspect` sees every chunk as it arrives and may end the connection.
    pub(super) async fn run(
        self,
        mut inspect: impl FnMut(&[u8]) -> Result<(), End>,
    ) -> Result<(), End> {
        let Self {
            mut from,
            mut to,
            settings,
            delay,
        } = self;
        let (sender, mut arrived) = mpsc::channel::<(Instant, Vec<u8>)>(IN_TRANSIT);
        let mut gate = settings.clone();
        let read = async move {
            loop {
                let mut chunk = vec![0; CHUNK];
                let len = from.read(&mut chunk).await.map_err(broken)?;
                if len == 0 {
                    return Ok(());
                }
                chunk.truncate(len);
                inspect(&chunk)?;
                let due = Instant::now() + delay(&settings.borrow());
                sender.send((due, chunk)).await.map_err(broken)?;
            }
        };
        let write = async move {
            while let Some((due, chunk)) = arrived.recv().await {
                sleep_until(due).await;
                gate.wait_for(|settings| !settings.stalled)
                    .await
                    .map_err(broken)?;
                to.write_all(&chunk).await.map_err(broken)?;
            }
            to.shutdown().await.map_err(broken)
        };
        tokio::try_join!(read, write).map(drop)
    }
}

/// For a proxy, a connection that broke is an ordinary end.
fn broken<E>(_: E) -> End {
    End::Broken
}
