//! A clock that stands still around the memory store, while the rest of the test lives in real time.

use std::{future::poll_fn, pin::Pin, time::Duration};

use tokio::runtime::{Builder, Runtime};

/// A future of one call of a store.
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A runtime with paused time that runs nothing: its clock is what tokio shows inside [`Frozen::enter`].
#[derive(Debug)]
pub(super) struct Frozen {
    /// Always there, until the drop.
    runtime: Option<Runtime>,
}

impl Frozen {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without input and output opens nothing");
        Self {
            runtime: Some(runtime),
        }
    }

    /// Runs `work` where tokio's clock is this one.
    pub(super) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        work()
    }

    /// Polls `future` where tokio's clock is this one. The future must not wait for time.
    pub(super) async fn run<T>(&self, mut future: BoxFuture<'_, T>) -> T {
        poll_fn(|context| self.enter(|| future.as_mut().poll(context))).await
    }

    /// Puts the clock forward.
    pub(super) async fn advance(&self, by: Duration) {
        self.run(Box::pin(tokio::time::advance(by))).await;
    }
}

impl Drop for Frozen {
    /// A runtime must not be dropped inside another one, where it would wait for its threads; this one has none.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
