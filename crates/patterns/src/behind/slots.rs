//! Which slots of a cluster hold writes of a queue.
//!
//! A write's own slot holds all that changes with it. What a worker needs besides is where to look, and that lies in other
//! slots: so it is noted *before* the write, for when the write will be due. A note that leads nowhere is harmless. No worker
//! takes a note before its time, so that one which is not half a window old covers further writes; and a writer that was
//! held up between the two notes again, before it says that the write was accepted. Should it die in between, nobody was told
//! that the write was accepted; workers come upon it all the same, as they look into every slot now and then.
//!
//! A slot that was noted more than once since the last look, or is looked at before its time, is looked at once more a window
//! later, whatever is found: the last of those who noted it may not have written yet, and does not note it again for half a
//! window.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, KeySchema, WriteKey};
use cachekit_store::{Error, Reply, Result, ScriptCall};
use tokio::time::Instant;

use super::{
    queue::{Queue, Status, millis, parts, unsigned},
    scripts::{SLOTS_LIST, SLOTS_NOTE, SLOTS_SETTLE, SLOTS_TAKE},
};
use crate::index::{number, unexpected};

/// For how long a worker keeps others from a slot while it claims there.
const TAKEN_FOR: Duration = Duration::from_secs(2);
/// How many slots a worker takes from each part at once.
const A_PART: u64 = 4;
/// How many slots of its own a worker looks into at once.
const STRANDED: usize = 32;
/// How many slots one call asks when it looks into all.
const A_SWEEP: usize = 1_024;
const SLOTS: u16 = 16_384;

/// Slots that were taken.
pub(super) struct TakenSlots {
    pub(super) slots: Vec<u16>,
    /// Those that are to be looked at once more within a window, whatever is found there.
    pub(super) unsure: BTreeSet<u16>,
    /// By part, the score from taking them.
    scores: Vec<u64>,
    /// The time until the next note.
    pub(super) next: Option<Duration>,
    /// What kept some of the parts from being asked.
    pub(super) failure: Option<Error>,
}

/// When a slot is to be looked at again.
pub(super) enum Later {
    In(Duration),
    /// Only dead letters are there.
    OnlyLetters,
    Empty,
}

impl Queue {
    fn part(&self, part: u8) -> Key {
        self.schema.write_key(&self.name, WriteKey::Slots(part))
    }

    fn part_of(&self, slot: u16) -> Key {
        // Of what is left of a division by 16, a byte has room.
        self.part((slot % u16::from(KeySchema::SLOT_PARTS)).to_le_bytes()[0])
    }

    /// Notes that slots are to be looked at when so much time has passed.
    pub(super) async fn note_slots(
        &self,
        slots: impl IntoIterator<Item = u16>,
        delay: Duration,
    ) -> Result<()> {
        let calls: Vec<ScriptCall> = slots
            .into_iter()
            .map(|slot| self.note(slot, delay))
            .collect();
        if calls.is_empty() {
            return Ok(());
        }
        self.store.run_script(&SLOTS_NOTE, &calls).await.map(drop)
    }

    fn note(&self, slot: u16, delay: Duration) -> ScriptCall {
        let args = vec![number(u64::from(slot)), number(millis(delay))];
        ScriptCall::new(vec![self.part_of(slot)], args)
    }

    /// Notes the slots of writes that are about to be accepted, but those for which that was done just now.
    pub(super) async fn note_ahead(&self, slots: &BTreeSet<u16>) -> Result<()> {
        let half = self.options.window / 2;
        let is_covered = |slot: &u16| {
            let noted = self.noted.lock();
            noted.get(slot).is_some_and(|noted| noted.elapsed() < half)
        };
        let due: Vec<u16> = slots
            .iter()
            .filter(|slot| !is_covered(slot))
            .copied()
            .collect();
        let before = Instant::now();
        self.note_slots(due.iter().copied(), self.options.window)
            .await?;
        let mut noted = self.noted.lock();
        noted.extend(due.into_iter().map(|slot| (slot, before)));
        Ok(())
    }

    /// Notes them once more where the writes took so long that a worker may have looked before.
    pub(super) async fn note_behind(&self, slots: &BTreeSet<u16>) -> Result<()> {
        let limit = self.options.window * 4 / 5;
        let late = |slot: &&u16| {
            let noted = self.noted.lock();
            noted
                .get(*slot)
                .is_none_or(|noted| noted.elapsed() >= limit)
        };
        let late: Vec<u16> = slots.iter().filter(late).copied().collect();
        self.note_slots(late, self.options.window).await
    }

    /// How many keys the slots hold that answer, of those that are noted where somebody answers.
    ///
    /// # Errors
    /// Those of the store, where nobody does.
    pub(super) async fn known_count(&self) -> Result<u64> {
        let (listed, _) = self.run_apart(&SLOTS_LIST, &self.list_calls()).await?;
        let mut asked = Vec::new();
        for reply in listed.into_iter().flatten() {
            for slot in parts(&SLOTS_LIST, reply)? {
                asked.push((Some(slot_of(slot)?), 0));
            }
        }
        let statuses = self.known_statuses(&asked).await.into_iter().flatten();
        Ok(statuses.map(|status| status.pending + status.dead).sum())
    }

    fn list_calls(&self) -> Vec<ScriptCall> {
        let parts_of = (0..KeySchema::SLOT_PARTS).map(|part| self.part(part));
        parts_of
            .map(|part| ScriptCall::new(vec![part], Vec::new()))
            .collect()
    }

    pub(super) async fn listed_slots(&self) -> Result<Vec<u16>> {
        let calls = self.list_calls();
        let mut slots = Vec::new();
        for reply in self.store.run_script(&SLOTS_LIST, &calls).await? {
            for slot in parts(&SLOTS_LIST, reply)? {
                slots.push(slot_of(slot)?);
            }
        }
        Ok(slots)
    }

    /// Takes slots that are due for a look, from the parts that answer.
    pub(super) async fn take_slots(&self, is_all: bool) -> Result<TakenSlots> {
        // A slot may be noted for the end of what is held there.
        let ahead = self.options.longest_hold() + self.options.window + TAKEN_FOR;
        let args = vec![
            number(A_PART),
            number(millis(TAKEN_FOR)),
            number(millis(ahead)),
            number(u64::from(is_all)),
        ];
        let parts_of = (0..KeySchema::SLOT_PARTS).map(|part| self.part(part));
        let calls: Vec<ScriptCall> = parts_of
            .map(|part| ScriptCall::new(vec![part], args.clone()))
            .collect();
        let (replies, failure) = self.run_apart(&SLOTS_TAKE, &calls).await?;
        let mut taken = TakenSlots {
            slots: Vec::new(),
            unsure: BTreeSet::new(),
            scores: Vec::new(),
            next: None,
            failure,
        };
        for reply in replies {
            let Some(reply) = reply else {
                taken.scores.push(0);
                continue;
            };
            let reply = parts(&SLOTS_TAKE, reply)?;
            let score = unsigned(&SLOTS_TAKE, reply.first())?;
            taken.scores.push(score.unwrap_or_default());
            if let Some(next) = unsigned(&SLOTS_TAKE, reply.get(1))? {
                let next = Duration::from_millis(next);
                taken.next = Some(taken.next.map_or(next, |known| known.min(next)));
            }
            let mut reply = reply.into_iter().skip(2);
            let (Some(Reply::Array(slots)), Some(Reply::Array(unsure))) =
                (reply.next(), reply.next())
            else {
                return Err(unexpected(&SLOTS_TAKE));
            };
            for slot in slots {
                taken.slots.push(slot_of(slot)?);
            }
            for slot in unsure {
                taken.unsure.insert(slot_of(slot)?);
            }
        }
        let known: BTreeSet<u16> = taken.slots.iter().copied().collect();
        taken.slots.extend(self.some_stranded().difference(&known));
        Ok(taken)
    }

    /// Some of the slots that this process alone knows of, others each time.
    fn some_stranded(&self) -> BTreeSet<u16> {
        let stranded = self.stranded.lock();
        let first = fastrand::u16(..SLOTS);
        let (before, after) = (stranded.range(..first), stranded.range(first..));
        after.chain(before).take(STRANDED).copied().collect()
    }

    /// Says when the slots that were taken are to be looked at again. Those of which that cannot be said are looked at when the time
    /// is over for which they were taken.
    pub(super) async fn settle_slots(&self, taken: &TakenSlots, later: &[(u16, Later)]) {
        let mut calls = Vec::new();
        for (part, score) in (0..KeySchema::SLOT_PARTS).zip(&taken.scores) {
            let mut args = vec![number(*score)];
            let of_part = |slot: u16| slot % u16::from(KeySchema::SLOT_PARTS) == u16::from(part);
            for (slot, later) in later.iter().filter(|(slot, _)| of_part(*slot)) {
                args.push(number(u64::from(*slot)));
                args.push(match later {
                    Later::In(delay) => number(millis(*delay)),
                    Later::OnlyLetters => Bytes::from_static(b"inf"),
                    Later::Empty => Bytes::new(),
                });
            }
            if args.len() > 1 {
                calls.push(ScriptCall::new(vec![self.part(part)], args));
            }
        }
        let _ = self.run_apart(&SLOTS_SETTLE, &calls).await;
    }

    /// Looks into every slot, and notes those with writes or dead letters; as far as the nodes answer.
    pub(super) async fn sweep_slots(&self) {
        let all: Vec<u16> = (0..SLOTS).collect();
        for slots in all.chunks(A_SWEEP) {
            let asked: Vec<_> = slots.iter().map(|slot| (Some(*slot), 0)).collect();
            let statuses = self.known_statuses(&asked).await;
            let holds = |status: Status| status.pending + status.dead > 0;
            let found = slots.iter().zip(statuses);
            let found = found.filter(|(_, status)| status.is_some_and(holds));
            let found: Vec<u16> = found.map(|(slot, _)| *slot).collect();
            self.note_or_keep(&found).await;
        }
    }

    /// Notes slots; those of which the part is out of reach are kept by this process, which looks into them itself.
    async fn note_or_keep(&self, slots: &[u16]) {
        let notes: Vec<ScriptCall> = slots
            .iter()
            .map(|slot| self.note(*slot, Duration::ZERO))
            .collect();
        let noted = self.run_apart(&SLOTS_NOTE, &notes).await;
        let is_noted = noted.map_or_else(
            |_| vec![false; slots.len()],
            |(noted, _)| noted.iter().map(Option::is_some).collect(),
        );
        let mut stranded = self.stranded.lock();
        for (slot, is_noted) in slots.iter().zip(is_noted) {
            match is_noted {
                true => stranded.remove(slot),
                false => stranded.insert(*slot),
            };
        }
    }
}

fn slot_of(reply: Reply) -> Result<u16> {
    let text = match &reply {
        Reply::Bytes(text) => std::str::from_utf8(text).ok(),
        _ => None,
    };
    let slot = text.and_then(|text| text.parse().ok());
    slot.filter(|slot| *slot < SLOTS)
        .ok_or_else(|| unexpected(&SLOTS_LIST))
}
