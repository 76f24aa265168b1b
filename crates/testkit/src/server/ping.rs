//! `PING` over a bare socket: whether a server answers, without any client library.
//!
//! The launchers must not trust a log line alone, and a proof that a container runs should not rest on the code that
//! is under test.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Between two attempts. Short, because it is paid once by every server that a test starts.
const RETRY_EVERY: Duration = Duration::from_millis(10);
/// One attempt. A paused server accepts connections and answers nothing.
const ATTEMPT: Duration = Duration::from_millis(500);

/// Sends `PING` to `host:port` and returns the first line of the reply, without its line end (`+PONG`, `-NOAUTH ...`).
///
/// # Errors
/// The socket's error; `TimedOut` after half a second without a reply; `UnexpectedEof` if the peer closes first.
///
/// # Cancel safety
/// Dropping the future closes the connection; a `PING` changes nothing.
pub async fn ping(host: &str, port: u16) -> io::Result<String> {
    timeout(ATTEMPT, exchange(host, port))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(host: &str, port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut reply = Vec::new();
    loop {
        let mut chunk = [0; 256];
        match stream.read(&mut chunk).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => reply.extend_from_slice(&chunk[..n]),
        }
        if let Some(end) = reply.windows(2).position(|pair| pair == b"\r\n") {
            return Ok(String::from_utf8_lossy(&reply[..end]).into_owned());
        }
    }
}

/// Waits until the server takes commands. A demand for a password is an answer; `LOADING` is not.
pub(super) async fn wait_until_ready(host: &str, port: u16, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        match ping(host, port).await {
            Ok(reply) if !reply.starts_with("-LOADING") => return true,
            _ => sleep(RETRY_EVERY).await,
        }
    }
    false
}
