//! Which reads are looked at.

use std::sync::atomic::Ordering;

use crate::shard::Sharded;

/// One read in so many, by a hash of its number: as good as chance against reads that come in a rhythm, and the same again
/// from the same seed.
#[derive(Debug)]
pub(super) struct Sampling {
    reads: Sharded<1>,
    one_in: u32,
    seed: u64,
    /// Hashes up to this one are drawn.
    last: u64,
}

/// The draws of one batch.
pub(super) struct Draws {
    number: u64,
    seed: u64,
    last: u64,
}

impl Sampling {
    pub(super) fn new(one_in: u32, seed: u64) -> Self {
        Self {
            reads: Sharded::new(),
            one_in,
            seed,
            last: u64::MAX / u64::from(one_in.max(1)),
        }
    }

    pub(super) fn one_in(&self) -> u32 {
        self.one_in
    }

    pub(super) fn draws(&self, reads: usize) -> Draws {
        let [counter] = self.reads.mine();
        Draws {
            number: counter.fetch_add(reads as u64, Ordering::Relaxed),
            seed: self.seed,
            last: self.last,
        }
    }
}

impl Draws {
    pub(super) fn next_is_drawn(&mut self) -> bool {
        let number = self.number;
        self.number = number.wrapping_add(1);
        mixed(number.wrapping_add(self.seed)) <= self.last
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014) at
/// this place of its sequence.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
