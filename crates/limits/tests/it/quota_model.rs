//! Random calls on a quota of days and weeks: every answer is the one of a plain ledger.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, QuotaMetric};
use cachekit_limits::{Quota, QuotaPlan, Settlement, Unit, Weekday};
use cachekit_store::MemoryStore;
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest},
};

use crate::support::{START, at, paused, user};

const DAY: u64 = 86_400_000_000;
const LIMITS: [u64; 2] = [50, 120];

#[derive(Clone, Copy, Debug)]
enum Step {
    Increment(u64),
    Decrement(u64),
    Charge(u64),
    Reserve(u8, u64, u64),
    Commit(u8, u64),
    /// The sum of all parts so far.
    Part(u8, u64),
    Cancel(u8),
    Extend(u8, u64),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let hold = || 1..DAY;
    prop_oneof![
        1 => (0_u64..30).prop_map(Step::Increment),
        1 => (0_u64..30).prop_map(Step::Decrement),
        2 => (0_u64..50).prop_map(Step::Charge),
        4 => (0_u8..6, 0_u64..50, hold()).prop_map(|(id, amount, hold)| Step::Reserve(id, amount, hold)),
        3 => (0_u8..6, 0_u64..60).prop_map(|(id, amount)| Step::Commit(id, amount)),
        4 => (0_u8..6, 0_u64..60).prop_map(|(id, so_far)| Step::Part(id, so_far)),
        1 => (0_u8..6).prop_map(Step::Cancel),
        1 => (0_u8..6, hold()).prop_map(|(id, hold)| Step::Extend(id, hold)),
        3 => (0..DAY / 2).prop_map(Step::Advance),
        1 => Just(Step::Advance(2 * DAY)),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Held,
    Expired,
    Committed,
    Cancelled,
}

struct Entry {
    amount: u64,
    /// Parts and all.
    charged: u64,
    state: State,
    made: u64,
    due: u64,
}

/// The day, and the week of seven days that began on a Thursday, as the epoch did.
fn windows(now: u64) -> [u64; 2] {
    [now / DAY, now / DAY / 7]
}

#[derive(Default)]
struct Ledger {
    used: [BTreeMap<u64, u64>; 2],
    entries: BTreeMap<u8, Entry>,
}

impl Ledger {
    /// What every call does first: holds that are over are free, and what is settled for a day is forgotten.
    fn sweep(&mut self, now: u64) {
        for entry in self.entries.values_mut() {
            if entry.state == State::Held && entry.due <= now {
                entry.state = State::Expired;
                entry.due += DAY;
            }
        }
        self.entries.retain(|_, entry| entry.due > now);
    }

    fn used(&self, now: u64) -> [u64; 2] {
        let windows = windows(now);
        [0, 1].map(|unit| self.used[unit].get(&windows[unit]).copied().unwrap_or(0))
    }

    fn held(&self, now: u64) -> [u64; 2] {
        let present = windows(now);
        [0, 1].map(|unit| {
            let here = |entry: &&Entry| {
                entry.state == State::Held && windows(entry.made)[unit] == present[unit]
            };
            self.entries
                .values()
                .filter(here)
                .map(|entry| entry.amount.saturating_sub(entry.charged))
                .sum()
        })
    }

    fn has_room(&self, now: u64, amount: u64) -> bool {
        let (used, held) = (self.used(now), self.held(now));
        [0, 1]
            .iter()
            .all(|&unit| used[unit] + held[unit] + amount <= LIMITS[unit])
    }

    fn add(&mut self, then: u64, amount: u64) {
        for (unit, window) in windows(then).into_iter().enumerate() {
            *self.used[unit].entry(window).or_default() += amount;
        }
    }

    fn reserve(&mut self, now: u64, id: u8, amount: u64, hold: u64) -> Option<bool> {
        match self.entries.get(&id).map(|entry| entry.state) {
            Some(State::Cancelled) => return None,
            Some(State::Held | State::Committed) => return Some(true),
            Some(State::Expired) | None => {}
        }
        // Parts that were charged before the hold was over are charged.
        let charged = self.entries.get(&id).map_or(0, |entry| entry.charged);
        let passes = self.has_room(now, amount.saturating_sub(charged));
        if passes {
            let entry = Entry {
                amount,
                charged,
                state: State::Held,
                made: now,
                due: now + hold,
            };
            self.entries.insert(id, entry);
        }
        Some(passes)
    }

    /// Charges what is more than was charged before; answers what is charged by now, if that may be charged at all.
    fn charge_up_to(&mut self, id: u8, amount: u64) -> Result<&mut Entry, Settlement> {
        let entry = self.entries.get(&id).ok_or(Settlement::Unknown)?;
        match entry.state {
            State::Cancelled => return Err(Settlement::Cancelled),
            State::Committed => return Err(Settlement::Committed(entry.charged)),
            State::Held | State::Expired => {}
        }
        self.add(entry.made, amount.saturating_sub(entry.charged));
        let entry = self.entries.get_mut(&id).ok_or(Settlement::Unknown)?;
        entry.charged = entry.charged.max(amount);
        Ok(entry)
    }

    fn part(&mut self, id: u8, so_far: u64) -> Settlement {
        match self.charge_up_to(id, so_far) {
            Ok(entry) => Settlement::Committed(entry.charged),
            Err(settled) => settled,
        }
    }

    fn commit(&mut self, now: u64, id: u8, amount: u64) -> Settlement {
        match self.charge_up_to(id, amount) {
            Ok(entry) => {
                (entry.state, entry.due) = (State::Committed, now + DAY);
                Settlement::Committed(entry.charged)
            }
            Err(settled) => settled,
        }
    }

    fn cancel(&mut self, now: u64, id: u8) -> Settlement {
        let Some(entry) = self.entries.get_mut(&id) else {
            return Settlement::Unknown;
        };
        if matches!(entry.state, State::Held | State::Expired) {
            entry.due = now + DAY;
            entry.state = match entry.charged {
                0 => State::Cancelled,
                _ => State::Committed,
            };
        }
        match entry.state {
            State::Committed => Settlement::Committed(entry.charged),
            _ => Settlement::Cancelled,
        }
    }
}

async fn one(quota: &Quota, ledger: &mut Ledger, now: u64, step: Step) {
    let user = user();
    ledger.sweep(now);
    match step {
        Step::Increment(amount) => {
            ledger.add(now, amount);
            quota.increment(&user, amount).await.unwrap();
        }
        Step::Decrement(amount) => {
            for (unit, window) in windows(now).into_iter().enumerate() {
                let used = ledger.used[unit].entry(window).or_default();
                *used = used.saturating_sub(amount);
            }
            quota.decrement(&user, amount).await.unwrap();
        }
        Step::Charge(amount) => {
            let passes = ledger.has_room(now, amount);
            if passes {
                ledger.add(now, amount);
            }
            let decision = quota.charge(&user, amount).await.unwrap();
            assert_eq!(decision.is_allowed(), passes);
            if !passes {
                let retry = decision.retry_after().expect("windows end");
                let then = now + u64::try_from(retry.as_micros()).unwrap();
                assert_ne!(windows(then), windows(now));
            }
        }
        Step::Reserve(id, amount, hold) => {
            let expected = ledger.reserve(now, id, amount, hold);
            let hold = Duration::from_micros(hold.max(1_000));
            let decision = quota.reserve(&user, &id.to_string(), amount, hold).await;
            assert_eq!(
                decision.ok().map(|decision| decision.is_allowed()),
                expected
            );
        }
        Step::Commit(id, amount) => {
            let expected = ledger.commit(now, id, amount);
            let settled = quota.commit(&user, &id.to_string(), amount).await.unwrap();
            assert_eq!(settled, expected);
        }
        Step::Part(id, so_far) => {
            let expected = ledger.part(id, so_far);
            let part = quota.commit_part(&user, &id.to_string(), so_far).await;
            assert_eq!(part.unwrap(), expected);
        }
        Step::Cancel(id) => {
            let expected = ledger.cancel(now, id);
            assert_eq!(
                quota.cancel(&user, &id.to_string()).await.unwrap(),
                expected
            );
        }
        Step::Extend(id, hold) => {
            let held = ledger
                .entries
                .get_mut(&id)
                .filter(|entry| entry.state == State::Held);
            let expected = held
                .map(|entry| entry.due = now + hold.max(1_000))
                .is_some();
            let hold = Duration::from_micros(hold.max(1_000));
            assert_eq!(
                quota.extend(&user, &id.to_string(), hold).await.unwrap(),
                expected
            );
        }
        Step::Advance(_) => {}
    }
    let usage = quota.usage(&user).await.unwrap();
    let seen = usage.windows();
    assert_eq!([seen[0].used(), seen[1].used()], ledger.used(now));
    assert_eq!([seen[0].held(), seen[1].held()], ledger.held(now));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_quota_answers_as_a_plain_ledger(steps in vec(step(), 1..60)) {
        paused(async {
            let store = MemoryStore::new();
            store.set_wall_clock(at(START));
            let week = Unit::Week { starts: Weekday::Thursday };
            let plan = QuotaPlan::per(Unit::Day, LIMITS[0]).unwrap().and_per(week, LIMITS[1]).unwrap();
            let schema = KeySchema::plain();
            let quota = Quota::metric(Arc::new(store), schema, QuotaMetric::api_calls(), plan);
            let (mut ledger, mut now) = (Ledger::default(), START);
            for step in steps {
                if let Step::Advance(by) = step {
                    now += by;
                    tokio::time::advance(Duration::from_micros(by)).await;
                }
                one(&quota, &mut ledger, now, step).await;
            }
        });
    }
}
