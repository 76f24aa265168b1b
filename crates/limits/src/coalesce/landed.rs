//! What a call for many comes back with.

use cachekit_keys::UserId;
use cachekit_store::{Error, ErrorKind, Result};

/// One caller's check.
pub(crate) struct Request {
    pub(crate) subject: UserId,
    pub(crate) cost: u64,
}

/// What came back, in the numbers of the scripts.
pub(crate) struct Landed {
    /// What each run of the script answered.
    runs: Vec<Result<Vec<i64>>>,
    /// For each place, the run and where in it the answer begins.
    places: Vec<(usize, usize)>,
}

impl Landed {
    pub(crate) fn new(runs: Vec<Result<Vec<i64>>>, places: Vec<(usize, usize)>) -> Self {
        Self { runs, places }
    }

    /// Nobody was there.
    pub(crate) fn empty() -> Self {
        Self::new(Vec::new(), Vec::new())
    }

    /// A caller's answer and what follows it.
    pub(crate) fn answer(&self, place: usize) -> Result<&[i64]> {
        let missing = || Error::new(ErrorKind::Unexpected, "check");
        let (run, begin) = self.places.get(place).copied().ok_or_else(missing)?;
        match self.runs.get(run).ok_or_else(missing)? {
            Ok(numbers) => numbers.get(begin..).ok_or_else(missing),
            Err(error) => Err(error.clone()),
        }
    }
}
