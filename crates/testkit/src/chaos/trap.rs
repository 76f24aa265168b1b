//! Cuts that wait for a certain request.

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// When a trap cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The request is not passed on.
    AtRequest,
    /// The request is passed on and its reply is not.
    AtReply,
}

/// Waits on all connections of a proxy for a request with these bytes.
#[derive(Debug)]
pub(super) struct Trap {
    pub(super) bytes: Vec<u8>,
    pub(super) moment: Moment,
    pub(super) done: oneshot::Sender<()>,
}

/// A cut that was asked for and may still be to come.
///
/// Dropping it changes nothing: the trap stays.
#[derive(Debug)]
pub struct Cut(pub(super) oneshot::Receiver<()>);

impl Cut {
    /// Waits until the connection has been cut, and until the server has carried out whatever it was given on it.
    ///
    /// # Panics
    /// If it cannot happen any more: another trap took its place, or the proxy ended.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn happened(self) {
        self.0.await.expect("the trap was taken away before it cut");
    }
}

/// Looks for a trap's bytes in what one connection sends, across the ends of what is read at once.
#[derive(Debug, Default)]
pub(super) struct Watch {
    tail: Vec<u8>,
}

impl Watch {
    /// The trap, taken out of its place, if it waited for what `chunk` completes.
    pub(super) fn spring(&mut self, chunk: &[u8], place: &Mutex<Option<Trap>>) -> Option<Trap> {
        self.tail.extend_from_slice(chunk);
        let mut place = place.lock();
        let bytes = &place.as_ref()?.bytes;
        if self.tail.windows(bytes.len()).any(|seen| seen == bytes) {
            self.tail.clear();
            return place.take();
        }
        let keep = bytes.len() - 1;
        self.tail.drain(..self.tail.len().saturating_sub(keep));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, Mutex, Trap, Watch, oneshot};

    fn armed(bytes: &[u8]) -> Mutex<Option<Trap>> {
        Mutex::new(Some(Trap {
            bytes: bytes.to_vec(),
            moment: Moment::AtReply,
            done: oneshot::channel().0,
        }))
    }

    #[test]
    fn bytes_are_found_across_the_ends_of_chunks_and_once() {
        let place = armed(b"INCRBY");
        let mut watch = Watch::default();
        for chunk in [&b"*3\r\n$6\r\nIN"[..], b"CR", b"INCRB"] {
            assert!(watch.spring(chunk, &place).is_none());
        }
        assert!(watch.spring(b"Y\r\n", &place).is_some());
        assert!(watch.spring(b"INCRBY", &place).is_none(), "it is taken");
    }
}
