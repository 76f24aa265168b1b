//! Smaller lists that still show a difference: chunks and single operations are left out, then what is left is simplified.
//!
//! The first part is delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002)
//! without its complements.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Comparison, Difference, Failed, Mismatch, Operation, Place, simplify::simplified};

/// Most replays for one difference.
const REPLAYS: usize = 5_000;

/// How long one difference is shrunk at most.
const LONGEST: Duration = Duration::from_secs(60);

/// How often the list that showed a difference is played again until it does once more.
const CONFIRMING: usize = 50;

/// Says whether a list still shows what is looked for.
#[async_trait]
pub(super) trait Oracle<T>: Send {
    async fn shows(&mut self, list: &[T]) -> Result<bool, Failed>;
}

/// Shrinks a list that showed a difference; as it is where it does not show one again.
pub(super) async fn difference(
    comparison: &Comparison,
    seed: u64,
    mut operations: Vec<Operation>,
    first: Mismatch,
) -> Result<Difference, Failed> {
    let list_length = operations.len();
    let mut replays = Replays {
        comparison,
        left: REPLAYS,
        until: Instant::now() + LONGEST,
        tries: CONFIRMING,
        last: None,
    };
    if !replays.shows(&operations).await? {
        return Ok(Difference {
            seed,
            list_length,
            operations,
            mismatch: first,
            repeatable: false,
        });
    }
    replays.tries = replays.needed();
    // What comes after the first difference has no part in it.
    if let Some(Mismatch {
        place:
            Place::Operation(index)
            | Place::Denied {
                operation: index, ..
            },
        ..
    }) = &replays.last
    {
        operations.truncate(index + 1);
    }
    let operations = minimal(
        operations,
        |operation| simplified(comparison, operation),
        &mut replays,
    )
    .await?;
    Ok(Difference {
        seed,
        list_length,
        operations,
        mismatch: replays.last.unwrap_or(first),
        repeatable: true,
    })
}

/// Plays lists again, some of them several times: names are others each time and tables are seeded anew, and what depends
/// on them shows only now and then.
struct Replays<'a> {
    comparison: &'a Comparison,
    left: usize,
    until: Instant,
    /// How often a list is played before it counts as one that shows nothing.
    tries: usize,
    /// What the last list that showed a difference showed.
    last: Option<Mismatch>,
}

impl Replays<'_> {
    /// How often a list has to be played after so many tries were needed for the first: once where it shows always.
    fn needed(&self) -> usize {
        match REPLAYS - self.left {
            1 => 1,
            some => (3 * some).min(CONFIRMING),
        }
    }
}

#[async_trait]
impl Oracle<Operation> for Replays<'_> {
    async fn shows(&mut self, list: &[Operation]) -> Result<bool, Failed> {
        for _ in 0..self.tries.min(self.left) {
            if Instant::now() > self.until {
                break;
            }
            self.left -= 1;
            let mismatch = self.comparison.replay(list).await?;
            if mismatch.is_some() {
                self.last = mismatch;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A list from which nothing can be left out and in which nothing can be simplified, as far as the oracle tells.
///
/// `simpler` answers simpler items in the place of one, best first. It must come to an end.
pub(super) async fn minimal<T: Clone + Sync + Send>(
    mut list: Vec<T>,
    simpler: impl Fn(&T) -> Vec<T> + Send,
    oracle: &mut impl Oracle<T>,
) -> Result<Vec<T>, Failed> {
    loop {
        list = without_chunks(list, oracle).await?;
        let (changed, simplified) = with_simpler(list, &simpler, oracle).await?;
        list = simplified;
        if !changed {
            return Ok(list);
        }
    }
}

/// Leaves out chunks, from half of the list down to single items, until no single one can go.
async fn without_chunks<T: Clone + Sync + Send>(
    mut list: Vec<T>,
    oracle: &mut impl Oracle<T>,
) -> Result<Vec<T>, Failed> {
    let mut size = list.len().div_ceil(2).max(1);
    loop {
        let before = list.len();
        // From the end, because what comes late has less that depends on it.
        let mut end = list.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let rest = [&list[..start], &list[end..]].concat();
            if !rest.is_empty() && oracle.shows(&rest).await? {
                list = rest;
            }
            end = start;
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if list.len() == before {
            return Ok(list);
        }
    }
}

/// Takes the first simpler form of each item that still shows it, as long as there is one.
async fn with_simpler<T: Clone + Sync + Send>(
    mut list: Vec<T>,
    simpler: &(impl Fn(&T) -> Vec<T> + Send),
    oracle: &mut impl Oracle<T>,
) -> Result<(bool, Vec<T>), Failed> {
    let mut changed = false;
    let mut index = 0;
    while index < list.len() {
        let mut found = false;
        for candidate in simpler(&list[index]) {
            let kept = std::mem::replace(&mut list[index], candidate);
            if oracle.shows(&list).await? {
                found = true;
                break;
            }
            list[index] = kept;
        }
        changed |= found;
        index += usize::from(!found);
    }
    Ok((changed, list))
}
