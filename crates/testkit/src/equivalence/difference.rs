//! What is told of a difference: a test to paste, and both answers.

use std::fmt;

use super::{Operation, Outcome};

/// Where two sides answered differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where in the list.
    pub place: Place,
    /// What the memory store answered.
    pub memory: Outcome,
    /// What the server answered.
    pub server: Outcome,
}

/// A place in a list of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The operation at this index.
    Operation(usize),
    /// What the list left under the key at this place of the pool: type, life and content.
    State(usize),
    /// The keys that a scan finds after the list.
    Keys,
    /// What the memory store holds under a key after a script that failed, and said that it changed nothing. The server's
    /// side of the mismatch is what the memory store held before.
    Denied {
        /// The operation's index.
        operation: usize,
        /// The key's place in the pool.
        key: usize,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Operation(index) => writeln!(f, "operation {index}"),
            Place::State(key) => writeln!(f, "what is left under key {key}"),
            Place::Keys => writeln!(f, "the keys that are left"),
            Place::Denied { operation, key } => writeln!(
                f,
                "operation {operation} changed key {key} and denies it; expected is what was there before"
            ),
        }?;
        writeln!(f, "expected (server): {:?}", self.server)?;
        write!(f, "got (memory):      {:?}", self.memory)
    }
}

/// A difference between the sides, shrunk. Its `Display` holds a test to paste.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The seed with which the first list of a run shows it.
    pub seed: u64,
    /// How long the list was before it was shrunk.
    pub list_length: usize,
    /// Operations that show it.
    pub operations: Vec<Operation>,
    /// What they show.
    pub mismatch: Mismatch,
    /// Whether the list showed it again. If not, it was not shrunk.
    pub repeatable: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            list_length,
            operations,
            mismatch,
            repeatable,
        } = self;
        let kept = operations.len();
        writeln!(
            f,
            "the memory store differs from the server: {kept} of {list_length} operations show it"
        )?;
        if !repeatable {
            writeln!(
                f,
                "once, and not again: it depends on time or on other clients"
            )?;
        }
        writeln!(
            f,
            "again, before shrinking: CACHEKIT_EQUIVALENCE_SEED={seed} CACHEKIT_EQUIVALENCE_OPS={list_length}\n"
        )?;
        writeln!(f, "#[tokio::test]")?;
        writeln!(f, "async fn regression_of_seed_{seed}() {{")?;
        for line in mismatch.to_string().lines() {
            writeln!(f, "    // {line}")?;
        }
        writeln!(f, "    let operations = [")?;
        for operation in operations {
            writeln!(f, "        {operation:?},")?;
        }
        writeln!(f, "    ];")?;
        writeln!(f, "    same_on_both(&operations).await;")?;
        write!(f, "}}")
    }
}
