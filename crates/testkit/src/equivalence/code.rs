//! Operations as the Rust code that makes them.

use std::fmt::Debug;

use cachekit_keys::Ttl;
use cachekit_store::{Condition, Expiration, ExpireChange, SetOptions};

use super::{Addition, Call, Operation, Write};

/// A life in milliseconds, for operations that are written down.
///
/// # Panics
/// Outside of the range of [`Ttl`].
///
/// # Examples
/// ```
/// assert_eq!(cachekit_testkit::equivalence::ttl(1_500).as_millis(), 1_500);
/// ```
#[must_use]
pub fn ttl(millis: i64) -> Ttl {
    Ttl::from_millis(millis).expect("a number of milliseconds from 1 to 200 years")
}

pub(super) fn operation(operation: &Operation) -> String {
    let fields = match operation {
        Operation::Get { key } => format!("Get {{ key: {key} }}"),
        Operation::GetMany { keys } => format!("GetMany {{ keys: vec!{keys:?} }}"),
        Operation::GetEntries { keys } => format!("GetEntries {{ keys: vec!{keys:?} }}"),
        Operation::Set(write) => format!("Set({write:?})"),
        Operation::SetMany { writes } => format!("SetMany {{ writes: vec!{writes:?} }}"),
        Operation::Delete { keys } => format!("Delete {{ keys: vec!{keys:?} }}"),
        Operation::Expire { keys, change } => {
            let change = expire_change(*change);
            format!("Expire {{ keys: vec!{keys:?}, change: {change} }}")
        }
        Operation::Expiries { keys } => format!("Expiries {{ keys: vec!{keys:?} }}"),
        Operation::Increment { additions } => {
            format!("Increment {{ additions: vec!{additions:?} }}")
        }
        Operation::Scan { pattern, count } => {
            format!("Scan {{ pattern: {pattern:?}, count: {count} }}")
        }
        Operation::Script { script, calls } => {
            format!("Script {{ script: {script:?}, calls: vec!{calls:?} }}")
        }
        Operation::Outlive { keys, ending } => {
            format!("Outlive {{ keys: vec!{keys:?}, ending: Ending::{ending:?} }}")
        }
        Operation::Clock { micros } => format!("Clock {{ micros: {micros} }}"),
    };
    format!("Operation::{fields}")
}

pub(super) fn write(write: &Write) -> String {
    let Write {
        key,
        value,
        options,
    } = write;
    let options = set_options(*options);
    format!("Write {{ key: {key}, value: {value:?}, options: {options} }}")
}

pub(super) fn addition(addition: &Addition) -> String {
    let Addition { key, by, ttl } = addition;
    let ttl = ttl.map_or_else(|| "None".to_owned(), |ttl| format!("Some({})", life(ttl)));
    format!("Addition {{ key: {key}, by: {by}, ttl: {ttl} }}")
}

pub(super) fn call(call: &Call) -> String {
    let Call { keys, args } = call;
    format!("Call {{ keys: vec!{keys:?}, args: vec!{args:?} }}")
}

fn set_options(options: SetOptions) -> String {
    let new = match options.expiration {
        Expiration::After(ttl) => format!("SetOptions::ttl({})", life(ttl)),
        other => format!("SetOptions::new(Expiration::{other:?})"),
    };
    match options.condition {
        Condition::Always => new,
        other => format!("{new}.with_condition(Condition::{other:?})"),
    }
}

fn expire_change(change: ExpireChange) -> String {
    let with = |name: &str, ttl| format!("ExpireChange::{name}({})", life(ttl));
    match change {
        ExpireChange::After(ttl) => with("After", ttl),
        ExpireChange::IfNone(ttl) => with("IfNone", ttl),
        ExpireChange::AtLeast(ttl) => with("AtLeast", ttl),
        other => path("ExpireChange", &other),
    }
}

fn life(ttl: Ttl) -> String {
    format!("ttl({})", ttl.as_millis())
}

fn path(name: &str, variant: &dyn Debug) -> String {
    format!("{name}::{variant:?}")
}
