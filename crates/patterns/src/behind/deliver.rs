//! Calling the sink, so that there is a result for each item whatever it does.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::time::timeout;

use super::{Sink, SinkError, WriteItem};

/// Gives a batch to the sink. What it does not answer for has failed.
pub(super) async fn deliver<K: 'static, V: 'static>(
    sink: &dyn Sink<K, V>,
    batch: &[WriteItem<K, V>],
    within: Duration,
) -> Vec<Result<(), SinkError>> {
    // A panic may come while the future is made, too.
    let call = AssertUnwindSafe(async { sink.write(batch).await }).catch_unwind();
    let (mut results, missing) = match timeout(within, call).await {
        Ok(Ok(results)) => (results, "the sink gave no result for the item"),
        Ok(Err(_)) => (Vec::new(), "the sink panicked"),
        Err(_) => (Vec::new(), "the sink did not answer in time"),
    };
    results.truncate(batch.len());
    while results.len() < batch.len() {
        results.push(Err(SinkError::transient(missing)));
    }
    results
}
