//! One list of operations on both sides.

use std::time::{Duration, Instant};

use cachekit_store::ErrorKind;

use super::{
    Answer, Comparison, Failed, Failure, Mismatch, Operation, Outcome, Place, answer::agree, dump,
    execute::execute, pool::Pool, side::Seat,
};

/// What scripts read as `now` at the start of every list, in microseconds.
pub(super) const START: u64 = 1_700_000_000_000_000;

/// A list may not take longer, because lifetimes are drawn this far apart.
const LONGEST: Duration = Duration::from_secs(90);

/// How far the clocks of both sides may drift apart beyond the time that a list takes: a server goes by its machine's
/// wall clock, which somebody may set.
const DRIFT: Duration = Duration::from_secs(5);

/// Plays the list in a fresh namespace, compares everything, cleans up.
pub(super) async fn play(
    comparison: &Comparison,
    operations: &[Operation],
) -> Result<Option<Mismatch>, Failed> {
    let pool = Pool::fresh();
    let table = Table {
        comparison,
        memory: comparison.memory.seat(),
        server: comparison.server.seat(),
        pool: &pool,
        start: Instant::now(),
    };
    let found = table.play(operations).await;
    let Table { memory, server, .. } = table;
    // The memory side is thrown away whole.
    let cleaned = server.call(|store| store.delete(pool.all())).await;
    let found = found?;
    cleaned.map_err(|error| Failed::Trouble(format!("cleaning up: {error}")))?;
    server.close().await;
    memory.close().await;
    Ok(found)
}

struct Table<'a> {
    comparison: &'a Comparison,
    memory: Seat,
    server: Seat,
    pool: &'a Pool,
    start: Instant,
}

impl Table<'_> {
    async fn play(&self, operations: &[Operation]) -> Result<Option<Mismatch>, Failed> {
        let mut micros = START;
        self.set_clocks(micros);
        for (index, operation) in operations.iter().enumerate() {
            if let Operation::Clock { micros: set } = operation {
                micros = *set;
                self.set_clocks(micros);
                continue;
            }
            if let Some(mismatch) = self.step(index, operation).await? {
                return Ok(Some(mismatch));
            }
            if matches!(operation, Operation::Outlive { .. }) {
                self.memory.pass().await;
                self.server.pass().await;
                // The memory store's wall clock has gone on with its other one.
                self.set_clocks(micros);
            }
        }
        self.compare_state().await
    }

    async fn step(&self, index: usize, operation: &Operation) -> Result<Option<Mismatch>, Failed> {
        let before = self.memory_under_keys_of(operation).await;
        let execute = |store| execute(self.comparison, self.pool, operation, store);
        let memory = self.memory.call(execute).await;
        let server = self.server.call(execute).await;
        let denies = matches!(&memory, Err(failure) if !failure.may_have_applied);
        let cautious = matches!(operation, Operation::Script { .. });
        let place = Place::Operation(index);
        let mismatch = self.compare(place, memory, server, cautious)?;
        if mismatch.is_some() || !denies {
            return Ok(mismatch);
        }
        // The memory store's time stands still, so that lives are exactly the same as well.
        let after = self.memory_under_keys_of(operation).await;
        let pairs = before.into_iter().zip(after);
        let changed = pairs.into_iter().find(|(before, after)| before != after);
        Ok(changed.map(|((key, server), (_, memory))| Mismatch {
            place: Place::Denied {
                operation: index,
                key,
            },
            memory,
            server,
        }))
    }

    /// What the memory store holds under the keys of a script's calls: whether a failure tells the truth about them cannot
    /// be seen from the server's answer, which is cautious.
    async fn memory_under_keys_of(&self, operation: &Operation) -> Vec<(usize, Outcome)> {
        let Operation::Script { calls, .. } = operation else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for place in calls.iter().flat_map(|call| &call.keys) {
            let key = self.pool.key(*place);
            let read = |store| dump::read(&key, true, store);
            found.push((*place, self.memory.call(read).await));
        }
        found
    }

    /// With what a family makes of the strings in it.
    fn canonical(&self, answer: Answer) -> Answer {
        match answer {
            Answer::List(parts) => {
                Answer::List(parts.into_iter().map(|part| self.canonical(part)).collect())
            }
            Answer::Bytes(string) => {
                let mut families = self.comparison.families.iter();
                let meant = families.find_map(|family| family.canonical_string(string.as_bytes()));
                meant.unwrap_or(Answer::Bytes(string))
            }
            other => other,
        }
    }

    async fn compare_state(&self) -> Result<Option<Mismatch>, Failed> {
        let everything = Operation::Scan {
            pattern: b"*".into(),
            count: 1_000,
        };
        let scan = |store| execute(self.comparison, self.pool, &everything, store);
        let memory = self.memory.call(scan).await;
        let server = self.server.call(scan).await;
        if let Some(mismatch) = self.compare(Place::Keys, memory, server, false)? {
            return Ok(Some(mismatch));
        }
        let scripts = self.memory.runs_scripts() && self.server.runs_scripts();
        for (place, key) in self.pool.all().iter().enumerate() {
            let read = |store| dump::read(key, scripts, store);
            let memory = self.memory.call(read).await;
            let server = self.server.call(read).await;
            if let Some(mismatch) = self.compare(Place::State(place), memory, server, false)? {
                return Ok(Some(mismatch));
            }
        }
        Ok(None)
    }

    fn compare(
        &self,
        place: Place,
        memory: Outcome,
        server: Outcome,
        cautious: bool,
    ) -> Result<Option<Mismatch>, Failed> {
        let taken = self.start.elapsed();
        if let Err(failure) = &server
            && is_trouble(*failure)
        {
            return Err(Failed::Trouble(format!("the server side: {failure:?}")));
        }
        if taken > LONGEST {
            return Err(Failed::Trouble(format!("a list took {taken:?}")));
        }
        let mismatch = Mismatch {
            place,
            memory: memory.map(|answer| self.canonical(answer)),
            server: server.map(|answer| self.canonical(answer)),
        };
        let Mismatch { memory, server, .. } = &mismatch;
        let same = agree(memory, server, taken + DRIFT, cautious);
        Ok((!same).then_some(mismatch))
    }

    fn set_clocks(&self, micros: u64) {
        self.memory.set_clock(micros);
        self.server.set_clock(micros);
    }
}

/// Whether a failure is of the connection or the server's health, and no answer to what was asked.
fn is_trouble(failure: Failure) -> bool {
    matches!(
        failure.kind,
        ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::NotReady
            | ErrorKind::OutOfMemory
            | ErrorKind::ReadOnly
            | ErrorKind::WritesRefused
            | ErrorKind::Overloaded
            | ErrorKind::Closed
            | ErrorKind::Configuration
            | ErrorKind::Unauthenticated
            | ErrorKind::PermissionDenied
    )
}
