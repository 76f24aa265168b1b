//! Paired rounds: ours and the peer in turn, so that a machine whose speed drifts treats both alike.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde::Serialize;

use crate::bounds;

/// Rounds that count; one more comes first and does not.
const ROUNDS: usize = 15;

/// What one row of the table says.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// `get/json-256/64`: what, the value, the number of tasks.
    pub(crate) name: String,
    /// Median rate of ours.
    pub(crate) ours: f64,
    /// Median rate of the peer.
    pub(crate) peer: f64,
    pub(crate) peer_name: String,
    pub(crate) unit: String,
    /// Median of the rounds' ratios, ours to peer; above 1 is better for us.
    pub(crate) ratio: f64,
    /// Lowest ratio of a round.
    pub(crate) low: f64,
    /// Highest ratio of a round.
    pub(crate) high: f64,
    /// What the ratio must be at least; see [`bounds`].
    pub(crate) at_least: Option<f64>,
}

impl Row {
    /// Whether the ratio is as it must be, where anything is demanded of it.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.at_least.map(|bound| self.ratio >= bound)
    }
}

/// Runs both sides in turn; each answers how many operations it did.
pub(crate) async fn compare<O, P>(
    name: &str,
    peer_name: &str,
    mut ours: impl FnMut() -> O,
    mut peer: impl FnMut() -> P,
) -> Row
where
    O: Future<Output = usize>,
    P: Future<Output = usize>,
{
    compare_samples(name, peer_name, || timed(ours()), || timed(peer())).await
}

/// The same for work that says itself how long the part took that counts, because it has to prepare each round.
pub(crate) async fn compare_samples<O, P>(
    name: &str,
    peer_name: &str,
    mut ours: impl FnMut() -> O,
    mut peer: impl FnMut() -> P,
) -> Row
where
    O: Future<Output = Sample>,
    P: Future<Output = Sample>,
{
    ours().await;
    peer().await;
    let mut pairs = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        // Who goes first alternates, so that neither always finds the caches warm.
        let pair = if round % 2 == 0 {
            let our_rate = ours().await.rate();
            (our_rate, peer().await.rate())
        } else {
            let peer_rate = peer().await.rate();
            (ours().await.rate(), peer_rate)
        };
        pairs.push(pair);
    }
    row(name, peer_name, &pairs)
}

/// Operations, and the time that they took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) operations: usize,
    pub(crate) elapsed: Duration,
}

impl Sample {
    fn rate(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "operation counts are far below 2^53"
        )]
        let operations = self.operations as f64;
        operations / self.elapsed.as_secs_f64()
    }
}

/// Times work from its first poll to its end.
pub(crate) async fn timed(work: impl Future<Output = usize>) -> Sample {
    let started = Instant::now();
    let operations = work.await;
    Sample {
        operations,
        elapsed: started.elapsed(),
    }
}

/// Runs the same work in so many tasks; answers how many operations that were, `each` of a task.
pub(crate) async fn spawned<F>(tasks: usize, each: usize, work: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    for done in join_all((0..tasks).map(|task| tokio::spawn(work(task)))).await {
        assert!(done.is_ok(), "a task failed");
    }
    tasks * each
}

fn row(name: &str, peer_name: &str, pairs: &[(f64, f64)]) -> Row {
    let ratios = sorted(pairs.iter().map(|(ours, peer)| ours / peer));
    Row {
        name: name.to_owned(),
        ours: median(&sorted(pairs.iter().map(|pair| pair.0))),
        peer: median(&sorted(pairs.iter().map(|pair| pair.1))),
        peer_name: peer_name.to_owned(),
        unit: "operations/s".to_owned(),
        ratio: median(&ratios),
        low: ratios[0],
        high: ratios[ratios.len() - 1],
        at_least: bounds::of(name),
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn a_row_is_met_where_its_ratio_reaches_its_bound() {
        let row = |ours| row("get/json-256/64", "peer", &[(ours, 1.0)]);
        assert_eq!(row(1.0).is_met(), Some(true));
        assert_eq!(row(0.1).is_met(), Some(false));
        assert_eq!(super::row("unknown", "peer", &[(0.1, 1.0)]).is_met(), None);
    }

    #[test]
    fn the_ratio_is_the_median_of_pairs_and_not_the_ratio_of_medians() {
        let row = row("x", "peer", &[(1.0, 2.0), (10.0, 10.0), (3.0, 1.0)]);
        assert!((row.ratio - 1.0).abs() < 1e-9);
        assert!((row.low - 0.5).abs() < 1e-9 && (row.high - 3.0).abs() < 1e-9);
    }
}
