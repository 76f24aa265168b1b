//! Simpler operations in the place of one.

use cachekit_store::{Condition, Expiration, SetOptions};

use super::{Addition, Blob, Call, Comparison, Ending, Operation, Write};

/// Simpler forms of an operation, the simplest first. Each is strictly simpler, so that simplifying ends.
///
/// Keys and lives stay: keys because that other operations name them, lives because their distance matters.
pub(super) fn simplified(comparison: &Comparison, operation: &Operation) -> Vec<Operation> {
    match operation {
        Operation::GetMany { keys } => shorter(keys, |keys| Operation::GetMany { keys }),
        Operation::GetEntries { keys } => shorter(keys, |keys| Operation::GetEntries { keys }),
        Operation::Delete { keys } => shorter(keys, |keys| Operation::Delete { keys }),
        Operation::Expiries { keys } => shorter(keys, |keys| Operation::Expiries { keys }),
        Operation::Expire { keys, change } => {
            let change = *change;
            shorter(keys, |keys| Operation::Expire { keys, change })
        }
        Operation::Outlive { keys, ending } => outlive(keys, *ending),
        Operation::Set(one) => write(one).into_iter().map(Operation::Set).collect(),
        Operation::SetMany { writes } => set_many(writes),
        Operation::Increment { additions } => increment(additions),
        Operation::Scan { pattern, count } => scan(pattern, *count),
        Operation::Script { script, calls } => run_script(comparison, script, calls),
        _ => Vec::new(),
    }
}

/// One item each left out.
fn shorter<T: Clone>(items: &[T], make: impl Fn(Vec<T>) -> Operation) -> Vec<Operation> {
    let without = |index| [&items[..index], &items[index + 1..]].concat();
    (0..items.len()).map(without).map(make).collect()
}

/// One item each in a simpler form.
fn each<T: Clone>(
    items: &[T],
    simpler: impl Fn(&T) -> Vec<T>,
    make: impl Fn(Vec<T>) -> Operation,
) -> Vec<Operation> {
    let mut made = Vec::new();
    for (index, item) in items.iter().enumerate() {
        for simple in simpler(item) {
            let mut items = items.to_vec();
            items[index] = simple;
            made.push(make(items));
        }
    }
    made
}

fn outlive(keys: &[usize], ending: Ending) -> Vec<Operation> {
    let with = |ending| move |keys| Operation::Outlive { keys, ending };
    let mut simpler = shorter(keys, with(ending));
    simpler.retain(
        |operation| !matches!(operation, Operation::Outlive { keys, .. } if keys.is_empty()),
    );
    if ending != Ending::Expire {
        simpler.push(with(Ending::Expire)(keys.to_vec()));
    }
    simpler
}

fn set_many(writes: &[Write]) -> Vec<Operation> {
    let make = |writes| Operation::SetMany { writes };
    let mut simpler = match writes {
        [one] => vec![Operation::Set(one.clone())],
        _ => Vec::new(),
    };
    simpler.extend(shorter(writes, make));
    simpler.extend(each(writes, write, make));
    simpler
}

fn increment(additions: &[Addition]) -> Vec<Operation> {
    let make = |additions| Operation::Increment { additions };
    let mut simpler = shorter(additions, make);
    simpler.extend(each(additions, addition, make));
    simpler
}

fn scan(pattern: &Blob, count: usize) -> Vec<Operation> {
    let mut simpler = Vec::new();
    if pattern.as_bytes() != b"*" {
        let pattern = b"*".into();
        simpler.push(Operation::Scan { pattern, count });
    }
    if count != 1_000 {
        let pattern = pattern.clone();
        simpler.push(Operation::Scan {
            pattern,
            count: 1_000,
        });
    }
    simpler
}

fn run_script(comparison: &Comparison, script: &'static str, calls: &[Call]) -> Vec<Operation> {
    let make = |calls| Operation::Script { script, calls };
    let (family, text) = comparison.script(script);
    let mut simpler = shorter(calls, make);
    simpler.extend(each(calls, |call| family.simplify(&text, call), make));
    simpler
}

fn write(write: &Write) -> Vec<Write> {
    let mut simpler: Vec<Write> = Vec::new();
    let options = write.options;
    let mut with = |options| {
        simpler.push(Write {
            options,
            ..write.clone()
        });
    };
    if options.condition != Condition::Always {
        with(SetOptions::new(options.expiration));
    }
    if options.expiration != Expiration::Never {
        with(SetOptions::new(Expiration::Never).with_condition(options.condition));
    }
    simpler.extend(value(&write.value).map(|value| Write {
        value,
        ..write.clone()
    }));
    simpler
}

fn value(value: &Blob) -> Option<Blob> {
    (value.as_bytes() != b"1").then(|| b"1".into())
}

fn addition(addition: &Addition) -> Vec<Addition> {
    let mut simpler = Vec::new();
    if addition.ttl.is_some() {
        simpler.push(Addition {
            ttl: None,
            ..addition.clone()
        });
    }
    if addition.by != 1 {
        simpler.push(Addition {
            by: 1,
            ..addition.clone()
        });
    }
    simpler
}
