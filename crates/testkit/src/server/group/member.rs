//! One server of a group, as its clients see it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::{RawClient, RawReply};

/// Between two questions to servers that are not yet as they should be.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// More than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(5);
/// A server that answers a `PING` within this is there. A frozen one takes connections and answers nothing.
const PRESENT_WITHIN: Duration = Duration::from_secs(1);

/// A server's addresses.
#[derive(Clone, Debug)]
pub(in crate::server) struct Member {
    /// Where this process reaches it.
    pub(in crate::server) host: String,
    pub(in crate::server) port: u16,
    /// Another port of it, for clients that speak TLS.
    pub(in crate::server) tls_port: u16,
    /// Another port of it, where the other servers reach it.
    pub(in crate::server) bus: u16,
}

impl Member {
    /// How many ports a server may need.
    pub(super) const PORTS: usize = 3;

    pub(super) fn new(host: &str, ports: &[u16]) -> Self {
        Self {
            host: host.to_owned(),
            port: ports[0],
            tls_port: ports[1],
            bus: ports[2],
        }
    }

    pub(in crate::server) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Sends one command on a connection of its own; an error reply is an error.
    pub(in crate::server) fn ask(&self, command: &[impl AsRef<[u8]>]) -> Result<RawReply, String> {
        self.ask_within(PATIENCE, command)
    }

    fn ask_within(
        &self,
        patience: Duration,
        command: &[impl AsRef<[u8]>],
    ) -> Result<RawReply, String> {
        let parts: Vec<&[u8]> = command.iter().map(AsRef::as_ref).collect();
        let says = |what: &dyn fmt::Display| {
            let command = String::from_utf8_lossy(&parts.join(&b' ')).into_owned();
            format!("{} answers {command}: {what}", self.address())
        };
        let mut client = RawClient::connect(&self.address()).map_err(|error| says(&error))?;
        client.set_timeout(patience).map_err(|error| says(&error))?;
        match client.call(&parts).map_err(|error| says(&error))? {
            RawReply::Error(error) => Err(says(&error)),
            reply => Ok(reply),
        }
    }

    /// The same for a reply of text.
    pub(in crate::server) fn ask_text(&self, command: &[&str]) -> Result<String, String> {
        let bytes = self.ask(command)?.into_bytes().unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The name by which a cluster's nodes know each other.
    pub(in crate::server) fn id(&self) -> Result<String, String> {
        self.ask_text(&["CLUSTER", "MYID"])
    }

    pub(in crate::server) fn answers(&self) -> bool {
        self.ask_within(PRESENT_WITHIN, &["PING"]).is_ok()
    }
}

/// Tries until it succeeds; the last failure when the time is over.
pub(in crate::server) fn eventually<T>(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(ASK_EVERY),
            outcome => return outcome,
        }
    }
}
