//! Random choices that collide on purpose.

use std::collections::HashSet;

use cachekit_keys::Ttl;

use super::{
    Blob,
    pool::{ALL, TOGETHER},
};

/// Values that counters take or refuse, and others.
const VALUES: [&[u8]; 26] = [
    b"0",
    b"1",
    b"-1",
    b"7",
    b"42",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"9007199254740993",
    b"9223372036854775800",
    b"-9223372036854775800",
    b"+1",
    b" 1",
    b"1 ",
    b"01",
    b"-0",
    b"1.5",
    b"1e3",
    b"0x10",
    b"",
    b"\0\xff\xfe",
    b"v",
    b"{\"json\":true}",
    b"nan",
    b"a\r\nb",
];

/// Scores as a server takes them; ties, both infinities, both zeros, fractions, and the first integer that is none.
const SCORES: [&str; 14] = [
    "0",
    "-0.0",
    "1",
    "1",
    "2",
    "-3",
    "1.5",
    "0.1",
    "-0.1",
    "inf",
    "-inf",
    "1e300",
    "9007199254740993",
    "1700000000000000",
];

/// Fields and members, which sort by their bytes.
const MEMBERS: [&[u8]; 10] = [
    b"m", b"n", b"M", b"mm", b"", b"\xff\0", b"\x80", b"1", b"10", b"2",
];

/// Random choices for one list, from a seed.
///
/// # Examples
/// ```
/// use cachekit_testkit::equivalence::Draw;
///
/// let (mut one, mut same) = (Draw::new(7), Draw::new(7));
/// assert_eq!(one.value(), same.value());
/// assert_ne!(one.ttl(), one.ttl()); // no two lifetimes of a list are near each other
/// ```
#[derive(Debug)]
pub struct Draw {
    rng: fastrand::Rng,
    lives: HashSet<u64>,
    cross_slot: bool,
}

impl Draw {
    /// The choices that belong to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            lives: HashSet::new(),
            cross_slot: false,
        }
    }

    /// Lets the keys of one script call lie in two slots.
    pub(super) fn with_cross_slot(mut self, cross_slot: bool) -> Self {
        self.cross_slot = cross_slot;
        self
    }

    /// The source of the choices, for those that have no method here.
    pub fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.rng
    }

    /// True in one case of `of`.
    pub fn one_in(&mut self, of: usize) -> bool {
        self.rng.usize(..of) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// On an empty slice.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.rng.usize(..choices.len())].clone()
    }

    /// One of these, in proportion to its weight.
    ///
    /// # Panics
    /// Where the weights add up to nothing.
    pub fn weighted<T: Clone>(&mut self, choices: &[(T, usize)]) -> T {
        let sum: usize = choices.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.rng.usize(..sum);
        for (choice, weight) in choices {
            if drawn < *weight {
                return choice.clone();
            }
            drawn -= weight;
        }
        unreachable!("the number is below the sum")
    }

    /// Any key, as its place in the pool.
    pub fn key(&mut self) -> usize {
        self.rng.usize(..ALL)
    }

    /// Mostly one of the keys at home in this third of the pool, so that operations on one type meet each other;
    /// sometimes any, so that they meet other types.
    pub fn key_of(&mut self, third: usize) -> usize {
        match self.one_in(5) {
            true => self.key(),
            false => third % 3 + 3 * self.rng.usize(..3),
        }
    }

    /// Up to `most` keys, some perhaps twice, and sometimes none.
    pub fn keys(&mut self, most: usize) -> Vec<usize> {
        let count = self.rng.usize(..=most);
        (0..count).map(|_| self.key()).collect()
    }

    /// From one to `most` keys, each once.
    pub fn distinct_keys(&mut self, most: usize) -> Vec<usize> {
        let mut keys: Vec<usize> = (0..ALL).collect();
        self.rng.shuffle(&mut keys);
        keys.truncate(self.rng.usize(1..=most.min(ALL)));
        keys
    }

    /// `count` keys for one call of a script, each once: of one slot, unless the run compares the refusal of others.
    ///
    /// # Panics
    /// Beyond eight, which is how many share a slot.
    pub fn call_keys(&mut self, count: usize) -> Vec<usize> {
        assert!(count <= TOGETHER, "not so many keys share a slot");
        let range = match self.cross_slot && self.one_in(10) {
            true => ALL,
            false => TOGETHER,
        };
        let mut keys: Vec<usize> = (0..range).collect();
        self.rng.shuffle(&mut keys);
        keys.truncate(count);
        keys
    }

    /// A value of a string, a counter or a field.
    pub fn value(&mut self) -> Blob {
        if self.one_in(100) {
            return Blob::repeat(b'x', 5_000);
        }
        let value = self.one_of(&VALUES);
        bytes::Bytes::from_static(value).into()
    }

    /// A field of a hash or a member of a sorted set: mostly one of few, so that they collide.
    pub fn member(&mut self) -> Blob {
        if self.one_in(8) {
            return self.one_of_many();
        }
        let member = self.one_of(&MEMBERS);
        bytes::Bytes::from_static(member).into()
    }

    /// A field or member of 64.
    pub fn one_of_many(&mut self) -> Blob {
        format!("one of many {}", self.rng.u8(..64)).into()
    }

    /// The text of a score.
    pub fn score(&mut self) -> &'static str {
        self.one_of(&SCORES)
    }

    /// What to add to a counter.
    pub fn addend(&mut self) -> i64 {
        match self.rng.u8(..10) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => 0,
            3 => 9_007_199_254_740_993,
            _ => self.rng.i64(-5..=5),
        }
    }

    /// A life of 1 000 s to 500 000 s, at least 100 s apart from every other of the list: far longer than a list takes, so
    /// that no comparison of two lives depends on how fast it ran.
    pub fn ttl(&mut self) -> Ttl {
        loop {
            let life = self.rng.u64(10..5_000);
            if self.lives.insert(life) {
                let seconds = u32::try_from(life * 100).expect("at most 500 000");
                return Ttl::seconds(seconds);
            }
        }
    }

    /// A moment for a script's clock in microseconds: near the last one, or far from it in either direction.
    pub fn moment(&mut self, last: u64) -> u64 {
        let step = match self.rng.u8(..4) {
            0 => self.rng.u64(..=2),
            1 => self.rng.u64(..2_000_000),
            2 => self.rng.u64(..86_400_000_000),
            _ => self.rng.u64(..31_536_000_000_000),
        };
        match self.rng.bool() {
            true => last.saturating_add(step),
            false => last.saturating_sub(step),
        }
    }
}
