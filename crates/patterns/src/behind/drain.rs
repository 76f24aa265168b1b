//! One round of a worker: what is due is claimed, given to the sink, and ended.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, KeyFamily, WriteKey};
use cachekit_store::{Error, ErrorKind, Event, Observer, Result, WritesDrained};
use futures_util::future::join_all;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use super::{
    Drained, SinkError, SinkErrorKind, WriteItem, WriteOperation, WriteToken,
    backoff::Backoff,
    claim::{Again, Begun, Claim, Dead, Done, Ended},
    companion::{HEAD, Head, decode},
    deliver::deliver,
    options::Options,
    shared::Shared,
};
use crate::announce::Telling;

/// How often the end of a claim is sent to a store that does not answer.
const TRIES: u32 = 3;

/// What a round brought.
pub(super) struct Round {
    pub(super) drained: Drained,
    /// How many keys were claimed.
    pub(super) claimed: usize,
    /// The time until something is due, as far as is known.
    pub(super) next: Option<Duration>,
    /// What kept a part of the queue from being looked at, or a claim from being begun.
    pub(super) failure: Option<Error>,
}

/// Where a claimed write comes from.
struct Origin {
    /// Which claim, and which of its keys.
    claim: usize,
    place: usize,
    /// The sequence as it stands in the header; empty for any.
    sequence: Bytes,
    /// How many bytes there are, header included.
    size: usize,
}

struct Taken<K, V> {
    origin: Origin,
    item: WriteItem<K, V>,
}

/// What is to be done with a claimed key.
enum Verdict {
    Done {
        count: u32,
    },
    Again {
        pause: Duration,
        attempts: Option<u32>,
    },
    Dead {
        reason: String,
        attempts: Option<u32>,
    },
}

struct Judged {
    origin: Origin,
    verdict: Verdict,
}

impl<K, V> Shared<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Takes a batch and sees it through.
    ///
    /// # Errors
    /// Those of the store. What was claimed is taken by someone when the claim is over.
    pub(super) async fn round(&self, backoff: &Backoff, is_all: bool) -> Result<Round> {
        let options = &self.queue.options;
        let start = Instant::now();
        let look = self.queue.claim(options.batch, is_all).await?;
        let claimed = look.claims.iter().map(|claim| claim.keys.len()).sum();
        let mut round = Round {
            drained: Drained::default(),
            claimed,
            next: look.next,
            failure: look.failure,
        };
        if let Some(error) = &round.failure {
            self.report_failure(error);
        }
        if claimed == 0 {
            return Ok(round);
        }
        let mut judged = Vec::with_capacity(claimed);
        let (taken, failure) = self.begin_all(&look.claims, &mut judged).await?;
        round.failure = round.failure.or(failure);
        for batch in batches(taken, options) {
            let left = options.claim.saturating_sub(start.elapsed());
            let within = options.sink_timeout().unwrap_or_default().min(left);
            if within < options.claim / 10 {
                // The claims would be over before the sink is done: somebody takes these anew.
                judged.extend(batch.into_iter().map(put_back));
                continue;
            }
            let (origins, items): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|taken| (taken.origin, taken.item))
                .unzip();
            let results = deliver(&*self.sink, &items, within).await;
            for ((origin, item), result) in origins.into_iter().zip(items).zip(results) {
                let unavailable = |error: &SinkError| error.kind() == SinkErrorKind::Unavailable;
                round.drained.unavailable |= result.as_ref().is_err_and(unavailable);
                let verdict = self.verdict(&item, result, backoff);
                judged.push(Judged { origin, verdict });
            }
        }
        round.drained += self.end_all(&look.claims, judged).await?;
        self.report(&round.drained, start.elapsed());
        if round.drained.persisted + round.drained.dead_letters > 0 {
            self.queue.wake(WriteKey::Progress).await;
        }
        Ok(round)
    }

    /// Begins the attempts; what cannot be given to the sink is judged at once.
    async fn begin_all(
        &self,
        claims: &[Claim],
        judged: &mut Vec<Judged>,
    ) -> Result<(Vec<Taken<K, V>>, Option<Error>)> {
        let filled = claims.iter().filter(|claim| !claim.keys.is_empty()).count();
        let bytes = self.queue.options.batch_bytes / filled.max(1);
        let mut taken = Vec::new();
        let mut failed = None;
        // At the same time, so that a node which hangs does not keep the others' claims from ending in time.
        let begin = claims.iter().map(|claim| self.begin(claim, bytes));
        for (number, begun) in join_all(begin).await.into_iter().enumerate() {
            let claim = &claims[number];
            let begun = match begun {
                Ok(begun) => begun,
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            for (place, (key, begun)) in claim.keys.iter().zip(begun).enumerate() {
                let bytes = match begun {
                    Begun::Bytes(bytes) => bytes,
                    Begun::Later | Begun::Missing => Bytes::new(),
                };
                let origin = Origin {
                    claim: number,
                    place,
                    sequence: bytes.slice(1.min(bytes.len())..17.min(bytes.len())),
                    size: bytes.len(),
                };
                // One that is gone is taken out of the queue by the same step.
                let item = match bytes.is_empty() {
                    true => Err(again_at_once(None)),
                    false => self.item(key, &bytes, claim.at),
                };
                match item {
                    Ok(item) => taken.push(Taken { origin, item }),
                    Err(verdict) => judged.push(Judged { origin, verdict }),
                }
            }
        }
        match failed {
            Some(error) if taken.is_empty() && judged.is_empty() => Err(error),
            failed => {
                failed.iter().for_each(|error| self.report_failure(error));
                Ok((taken, failed))
            }
        }
    }

    /// Begins the attempts of one claim. Where that fails, what was claimed in vain is given back, so that it does not count as
    /// an attempt, unless that fails too, or there was an attempt before that may not have been counted.
    async fn begin(&self, claim: &Claim, bytes: usize) -> Result<Vec<Begun>> {
        if claim.keys.is_empty() {
            return Ok(Vec::new());
        }
        let begun = self.queue.begin(claim, bytes).await;
        if begun.is_err() {
            let is_expired = |place: u64| claim.expired.contains(&place);
            let places = (1..).zip(&claim.keys);
            let again = places
                .filter(|(place, _)| !is_expired(*place))
                .map(|(_, key)| Again {
                    key,
                    sequence: Bytes::new(),
                    pause: Duration::ZERO,
                    attempts: None,
                });
            let again: Vec<Again<'_>> = again.collect();
            let _ = self.queue.retry(claim, &again).await;
        }
        begun
    }

    /// What the sink is given for a stored write.
    fn item(&self, key: &Key, bytes: &Bytes, now: u64) -> Result<WriteItem<K, V>, Verdict> {
        let options = &self.queue.options;
        let dead = |reason: String| Verdict::Dead {
            reason,
            attempts: None,
        };
        let later = || Verdict::Again {
            pause: options.max_backoff,
            attempts: None,
        };
        let head = Head::parse(bytes).map_err(|error| match error.kind() {
            ErrorKind::Newer => later(),
            _ => dead(error.to_string()),
        })?;
        // One more than the most, as a claim that was lost on the way counts as if an attempt had begun.
        if head.attempts > options.max_attempts {
            return Err(dead(format!(
                "no attempt came to its end: {} of them ended with their worker or its claim",
                options.max_attempts
            )));
        }
        let parsed = self.queue.schema.parse::<K>(key);
        let parsed = parsed.map_err(|error| dead(format!("not a key of the family: {error}")))?;
        let operation = match head.is_put {
            false => WriteOperation::Delete,
            true => match self.decode(key, &bytes[HEAD..]) {
                Ok(value) => WriteOperation::Put(value),
                // A newer version of the program has written it, and drains it.
                Err(error) if error.kind() == ErrorKind::Newer => return Err(later()),
                Err(error) => return Err(dead(error.to_string())),
            },
        };
        Ok(WriteItem {
            key: parsed,
            operation,
            token: WriteToken::new(key.clone(), head.sequence),
            attempt: head.attempts + 1,
            coalesced: head.count,
            age: Duration::from_millis(now.saturating_sub(head.first)),
        })
    }

    /// # Errors
    /// `Corrupt`, `Newer` and others for a value that cannot be read.
    pub(super) fn decode(&self, key: &Key, bytes: &[u8]) -> Result<V> {
        decode(&self.cache.access.base().format, key, bytes)
    }

    fn verdict(
        &self,
        item: &WriteItem<K, V>,
        result: Result<(), SinkError>,
        backoff: &Backoff,
    ) -> Verdict {
        let error = match result {
            Ok(()) => {
                return Verdict::Done {
                    count: item.coalesced,
                };
            }
            Err(error) => error,
        };
        match error.kind() {
            SinkErrorKind::Unavailable => Verdict::Again {
                pause: backoff.pause(item.attempt),
                attempts: Some(item.attempt.saturating_sub(1)),
            },
            SinkErrorKind::Transient if item.attempt < self.queue.options.max_attempts => {
                Verdict::Again {
                    pause: backoff.pause(item.attempt),
                    attempts: Some(item.attempt),
                }
            }
            _ => Verdict::Dead {
                reason: error.to_string(),
                attempts: Some(item.attempt),
            },
        }
    }

    /// Ends the claims as was judged, each whatever becomes of the others.
    ///
    /// # Errors
    /// The first.
    async fn end_all(&self, claims: &[Claim], judged: Vec<Judged>) -> Result<Drained> {
        let mut drained = Drained::default();
        let mut by_claim: Vec<Vec<Judged>> = claims.iter().map(|_| Vec::new()).collect();
        for one in judged {
            by_claim[one.origin.claim].push(one);
        }
        let ends = claims.iter().zip(by_claim);
        let ends = ends.map(async |(claim, judged)| {
            let mut drained = Drained::default();
            let ended = self.end(claim, judged, &mut drained).await;
            (drained, ended)
        });
        let mut ended = Ok(());
        for (of_claim, end) in join_all(ends).await {
            drained += of_claim;
            ended = ended.and(end);
        }
        ended.map(|()| drained)
    }

    async fn end(&self, claim: &Claim, judged: Vec<Judged>, drained: &mut Drained) -> Result<()> {
        let (mut done, mut again, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        for Judged { origin, verdict } in judged {
            let (key, sequence) = (&claim.keys[origin.place], origin.sequence);
            match verdict {
                Verdict::Done { count } => done.push(Done {
                    key,
                    sequence,
                    count,
                    size: origin.size,
                }),
                Verdict::Again { pause, attempts } => again.push(Again {
                    key,
                    sequence,
                    pause,
                    attempts,
                }),
                Verdict::Dead { reason, attempts } => dead.push(Dead {
                    key,
                    sequence,
                    reason,
                    attempts,
                }),
            }
        }
        let mut soonest: Option<Duration> = None;
        let mut newer = false;
        if !done.is_empty() {
            let mut tries = Tries::new();
            let ended = loop {
                match self.queue.acknowledge(claim, &done).await {
                    Err(error) if tries.again(&error).await => {}
                    ended => break ended?,
                }
            };
            newer |= ended.contains(&Ended::Newer);
            for (done, ended) in done.iter().zip(ended) {
                if ended != Ended::Nothing {
                    drained.persisted += 1;
                    drained.writes += u64::from(done.count);
                }
            }
        }
        if !again.is_empty() {
            let mut tries = Tries::new();
            let ended = loop {
                match self.queue.retry(claim, &again).await {
                    Err(error) if tries.again(&error).await => {}
                    ended => break ended?,
                }
            };
            soonest = again.iter().map(|again| again.pause).min();
            let counted = again.iter().zip(ended);
            let counted = counted
                .filter(|(again, ended)| *ended != Ended::Nothing && !again.sequence.is_empty());
            drained.retried += counted.count() as u64;
        }
        for dead in &dead {
            let mut tries = Tries::new();
            let ended = loop {
                let telling = self.removal(dead.key);
                let ended = self.queue.bury(claim, dead).await;
                match Telling::end(telling, ended) {
                    Err(error) if tries.again(&error).await => {}
                    ended => break ended?,
                }
            };
            match ended {
                Ended::Done => drained.dead_letters += 1,
                Ended::Newer => newer = true,
                Ended::Nothing => {}
            }
        }
        let soonest = if newer { Some(Duration::ZERO) } else { soonest };
        if let (Some(slot), Some(delay)) = (claim.shard.shard, soonest) {
            // Workers come upon it all the same, as they look into every slot now and then.
            let _ = self.queue.note_slots([slot], delay).await;
        }
        Ok(())
    }

    pub(super) fn report_failure(&self, error: &Error) {
        let observers = &self.cache.access.base().observers;
        observers.observe(&Event::drain_failed(self.queue.name.as_encoded(), error));
    }

    fn report(&self, drained: &Drained, elapsed: Duration) {
        let observers = &self.cache.access.base().observers;
        if !observers.is_empty() && !drained.is_empty() {
            let mut counts = WritesDrained::default();
            counts.persisted = drained.persisted;
            counts.writes = drained.writes;
            counts.retried = drained.retried;
            counts.dead_letters = drained.dead_letters;
            let event = Event::writes_drained(self.queue.name.as_encoded(), counts, elapsed);
            observers.observe(&event);
        }
    }
}

/// Batches of what goes well, none larger than asked for, and one for each item that has used up half of its attempts: it may be what
/// takes others down.
fn batches<K, V>(taken: Vec<Taken<K, V>>, options: &Options) -> Vec<Vec<Taken<K, V>>> {
    let is_suspect = |taken: &Taken<K, V>| {
        taken.item.attempt > 1 && 2 * taken.item.attempt > options.max_attempts
    };
    let (suspects, mut rest): (Vec<_>, Vec<_>) = taken.into_iter().partition(is_suspect);
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let behind = rest.split_off(rest.len().min(options.batch));
        batches.push(std::mem::replace(&mut rest, behind));
    }
    batches.extend(suspects.into_iter().map(|suspect| vec![suspect]));
    batches
}

fn put_back<K, V>(taken: Taken<K, V>) -> Judged {
    Judged {
        origin: taken.origin,
        verdict: again_at_once(Some(taken.item.attempt.saturating_sub(1))),
    }
}

fn again_at_once(attempts: Option<u32>) -> Verdict {
    Verdict::Again {
        pause: Duration::ZERO,
        attempts,
    }
}

/// Ends a claim although the store fails now and then: done twice, it finds the claim ended, and does nothing.
struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    const fn new() -> Self {
        Self {
            left: TRIES,
            pause: Duration::from_millis(20),
        }
    }

    /// Whether to try again, after a pause.
    async fn again(&mut self, error: &Error) -> bool {
        self.left -= 1;
        let is_worth_it = error.is_retryable() && self.left > 0;
        if is_worth_it {
            sleep(self.pause).await;
            self.pause *= 4;
        }
        is_worth_it
    }
}
