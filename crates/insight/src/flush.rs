//! Adding a process's counts to those of the fleet, each exactly once.
//!
//! What was counted and not yet added is the difference between the totals and those of the last addition. An addition has
//! a number, and the server keeps the last one beside the counts. One whose outcome is not known is repeated with its number,
//! in its hour, until its outcome is known; only then comes the next. So nothing is added twice, whatever arrives late, and
//! nothing is lost but what outlives its hour's keeping.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use cachekit_keys::{HitCount, HitKey, HitWindow, KeySchema};
use cachekit_store::{Reply, Result, ScriptCall, Store};

use crate::{
    clock::ServerClock,
    scripts::{ADD, unexpected},
    tally::{COUNTS, Counts, Totals},
};

/// What this process has added, and what it is about to.
#[derive(Debug)]
pub(crate) struct Ledger {
    process: u128,
    /// The number of the last addition.
    number: u64,
    added: Totals,
    pending: Option<Pending>,
}

/// An addition that has not been confirmed.
#[derive(Debug)]
struct Pending {
    window: HitWindow,
    call: ScriptCall,
    /// What has been added when it is confirmed.
    totals: Totals,
    /// It may have been carried out.
    is_uncertain: bool,
}

/// Where additions go.
pub(crate) struct Books<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) schema: &'a KeySchema,
    pub(crate) clock: &'a ServerClock,
    pub(crate) keep: Duration,
}

impl Ledger {
    pub(crate) fn new(process: u128) -> Self {
        Self {
            process,
            number: 0,
            added: BTreeMap::new(),
            pending: None,
        }
    }

    /// Whether everything of `totals` has been added.
    pub(crate) fn is_settled(&self, totals: &Totals) -> bool {
        self.pending.is_none() && self.additions(totals).is_empty()
    }

    /// Adds what is left of an earlier attempt, and then what has been counted since.
    ///
    /// # Errors
    /// Those of the store. Nothing is lost: the next call goes on.
    pub(crate) async fn flush(&mut self, totals: Totals, books: &Books<'_>) -> Result<()> {
        if self.is_settled(&totals) {
            return Ok(());
        }
        let now = books.clock.now(books.store).await?;
        if self.pending.is_some() {
            self.send(now, books).await?;
        }
        self.stage(totals, now, books)?;
        self.send(now, books).await
    }

    /// Fields and what is to be added to each.
    fn additions(&self, totals: &Totals) -> Vec<(String, u64)> {
        let mut additions = Vec::new();
        for (family, counts) in totals {
            let added = self.added.get(family).unwrap_or(&[0; COUNTS]);
            for (count, by) in HitCount::ALL.into_iter().zip(difference(counts, added)) {
                if by > 0 {
                    additions.push((count.field(family), by));
                }
            }
        }
        additions
    }

    fn stage(&mut self, totals: Totals, now: Duration, books: &Books<'_>) -> Result<()> {
        let additions = self.additions(&totals);
        if additions.is_empty() {
            return Ok(());
        }
        let window = HitWindow::at(now.as_secs())?;
        let left = ends(window, books.keep).saturating_sub(now);
        self.number += 1;
        let mut args = vec![
            Bytes::from(format!("{:016}", self.number)),
            Bytes::from(left.as_millis().to_string()),
        ];
        for (field, by) in additions {
            args.extend([Bytes::from(field), Bytes::from(by.to_string())]);
        }
        let process = self.process;
        let keys = [HitKey::Counts(window), HitKey::Flush { window, process }];
        let keys = keys.map(|key| books.schema.hit_key(key)).to_vec();
        self.pending = Some(Pending {
            window,
            call: ScriptCall::new(keys, args),
            totals,
            is_uncertain: false,
        });
        Ok(())
    }

    async fn send(&mut self, now: Duration, books: &Books<'_>) -> Result<()> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        if now >= ends(pending.window, books.keep) {
            // Nobody would read it any more, and whether it was added is no longer kept either.
            self.settle();
            return Ok(());
        }
        // Before the call: whoever drops it half-way does not know its outcome.
        let was_uncertain = std::mem::replace(&mut pending.is_uncertain, true);
        let calls = std::slice::from_ref(&pending.call);
        match books.store.run_script(&ADD, calls).await {
            Ok(replies) => {
                self.settle();
                books.clock.learn(time(replies)?);
                Ok(())
            }
            Err(error) => {
                if !was_uncertain && !error.may_have_applied() {
                    // It counts anew with what is counted until the next attempt, in that one's hour.
                    self.pending = None;
                }
                Err(error)
            }
        }
    }

    fn settle(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.added = pending.totals;
        }
    }
}

/// When the counts of a window cease to be kept.
fn ends(window: HitWindow, keep: Duration) -> Duration {
    Duration::from_secs(window.start() + HitWindow::SECONDS).saturating_add(keep)
}

fn difference(counts: &Counts, added: &Counts) -> Counts {
    std::array::from_fn(|place| counts[place].wrapping_sub(added[place]))
}

fn time(replies: Vec<Reply>) -> Result<Duration> {
    let Some(Reply::Array(parts)) = replies.into_iter().next() else {
        return Err(unexpected(&ADD));
    };
    match parts.first() {
        Some(Reply::Integer(micros)) => {
            Ok(Duration::from_micros(u64::try_from(*micros).unwrap_or(0)))
        }
        _ => Err(unexpected(&ADD)),
    }
}
