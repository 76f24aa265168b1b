//! What both sides are asked to do, as plain data.

use std::fmt;

use cachekit_keys::Ttl;
use cachekit_store::{ExpireChange, SetOptions};

use super::{Blob, code};

/// One step of a list. Keys are places in the list's pool, see [`Draw::key`](super::Draw::key). `Debug` prints Rust code.
///
/// # Examples
/// ```
/// use cachekit_testkit::equivalence::Operation;
///
/// let operation = Operation::Delete { keys: vec![0, 3] };
/// assert_eq!(format!("{operation:?}"), "Operation::Delete { keys: vec![0, 3] }");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::get`](cachekit_store::Store::get)
    Get {
        /// Which.
        key: usize,
    },
    /// [`Store::get_many`](cachekit_store::Store::get_many)
    GetMany {
        /// Which, perhaps some twice.
        keys: Vec<usize>,
    },
    /// [`Store::get_entries`](cachekit_store::Store::get_entries)
    GetEntries {
        /// Which, perhaps some twice.
        keys: Vec<usize>,
    },
    /// [`Store::set`](cachekit_store::Store::set)
    Set(Write),
    /// [`Store::set_many`](cachekit_store::Store::set_many)
    SetMany {
        /// In this order.
        writes: Vec<Write>,
    },
    /// [`Store::delete`](cachekit_store::Store::delete)
    Delete {
        /// Which, perhaps some twice.
        keys: Vec<usize>,
    },
    /// [`Store::expire`](cachekit_store::Store::expire)
    Expire {
        /// Which.
        keys: Vec<usize>,
        /// How.
        change: ExpireChange,
    },
    /// [`Store::expiries`](cachekit_store::Store::expiries)
    Expiries {
        /// Which, perhaps some twice.
        keys: Vec<usize>,
    },
    /// [`Store::increment`](cachekit_store::Store::increment)
    Increment {
        /// In this order.
        additions: Vec<Addition>,
    },
    /// A walk with [`Store::scan`](cachekit_store::Store::scan) to its end.
    Scan {
        /// What the names in the list's namespace must match.
        pattern: Blob,
        /// How many keys a step looks at.
        count: usize,
    },
    /// [`Store::run_script`](cachekit_store::Store::run_script)
    Script {
        /// The name of a script of one of the comparison's families.
        script: &'static str,
        /// The calls of the batch.
        calls: Vec<Call>,
    },
    /// Gives keys a life of 1 ms and waits until it has ended.
    Outlive {
        /// Which, each once.
        keys: Vec<usize>,
        /// By what means.
        ending: Ending,
    },
    /// Sets what scripts read as `now`, which then stands still.
    Clock {
        /// Microseconds since the Unix epoch.
        micros: u64,
    },
}

/// One write of a string.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub key: usize,
    /// What.
    pub value: Blob,
    /// How.
    pub options: SetOptions,
}

/// One addition to a counter.
#[derive(Clone, PartialEq, Eq)]
pub struct Addition {
    /// Which.
    pub key: usize,
    /// How much.
    pub by: i64,
    /// The life of a counter that has none.
    pub ttl: Option<Ttl>,
}

/// One run of a script.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// `KEYS`, as places in the pool.
    pub keys: Vec<usize>,
    /// `ARGV`.
    pub args: Vec<Blob>,
}

/// By what means [`Operation::Outlive`] ends keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// [`Store::expire`](cachekit_store::Store::expire), whatever the type.
    Expire,
    /// [`Store::set_many`](cachekit_store::Store::set_many), which overwrites any type.
    Set,
    /// [`Store::increment`](cachekit_store::Store::increment), which gives a counter a life only where it has none.
    Increment,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&code::operation(self))
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&code::write(self))
    }
}

impl fmt::Debug for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&code::addition(self))
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&code::call(self))
    }
}
