//! Two sides, and the scripts that both know.

use std::sync::Arc;

use cachekit_store::Script;

use super::{Failed, Mismatch, Operation, Program, ScriptFamily, Side, generate::Abilities, list};

/// The sides to compare, with the families of scripts that both run.
///
/// # Examples
/// ```
/// use cachekit_store::{MemoryStore, SetOptions};
/// use cachekit_testkit::equivalence::{Comparison, Operation, Side, Write, ttl};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let memory = || Side::memory(MemoryStore::new);
/// let comparison = Comparison::new(memory(), memory()); // rather: a server as the second
/// let write = Write { key: 0, value: b"v".into(), options: SetOptions::ttl(ttl(1_000_000)) };
/// let operations = [Operation::Set(write), Operation::Get { key: 0 }];
/// assert_eq!(comparison.replay(&operations).await.unwrap(), None);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Comparison {
    pub(super) memory: Side,
    pub(super) server: Side,
    pub(super) families: Vec<Arc<dyn ScriptFamily>>,
}

impl Comparison {
    /// The memory store's side and the server's, with [`Program`] as their scripts.
    #[must_use]
    pub fn new(memory: Side, server: Side) -> Self {
        Self {
            memory,
            server,
            families: vec![Arc::new(Program)],
        }
    }

    /// Adds scripts.
    #[must_use]
    pub fn with_family(mut self, family: impl ScriptFamily) -> Self {
        self.families.push(Arc::new(family));
        self
    }

    /// Plays `operations` on both sides in a fresh namespace, and cleans up; answers the first difference.
    ///
    /// # Errors
    /// [`Failed::Trouble`] where the server could not be asked, or so slowly that lifetimes cannot be compared.
    ///
    /// # Panics
    /// For a script that belongs to no family.
    ///
    /// # Cancel safety
    /// A dropped call leaves the keys of its namespace behind.
    pub async fn replay(&self, operations: &[Operation]) -> Result<Option<Mismatch>, Failed> {
        list::play(self, operations).await
    }

    /// What both sides can do. Nothing is connected for it.
    pub(super) fn abilities(&self) -> Abilities {
        let (memory, server) = (self.memory.seat(), self.server.seat());
        Abilities {
            scripts: memory.runs_scripts() && server.runs_scripts(),
            clock: memory.has_clock() && server.has_clock(),
        }
    }

    /// The script of this name and its family.
    pub(super) fn script(&self, name: &str) -> (&dyn ScriptFamily, Script) {
        self.families
            .iter()
            .find_map(|family| {
                let script = family.scripts().iter().find(|script| script.name == name)?;
                Some((&**family, *script))
            })
            .unwrap_or_else(|| panic!("no family has a script {name}"))
    }
}
