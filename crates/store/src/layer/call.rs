//! What a layer knows of a call before it passes it on.

use cachekit_keys::Key;

use crate::{
    Condition, Expiration, ExpireChange, Increment, Script, ScriptCall, ScriptEffect, SetItem,
    SetOptions, SubscribeRequest,
};

/// A call of a store, described: enough to time, count, refuse or repeat it without knowing the method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The method, or the script's name.
    pub(super) operation: &'static str,
    pub(super) class: Class,
    /// What carrying it out once more does.
    pub(super) effect: ScriptEffect,
    pub(super) names: Names<'a>,
}

/// Which deadline a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Read,
    Write,
    Script,
}

/// The keys or channels of a call, where the caller keeps them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names<'a> {
    None,
    Key(&'a Key),
    Keys(&'a [Key]),
    Items(&'a [SetItem]),
    Increments(&'a [Increment]),
    Runs(&'a [ScriptCall]),
    Channel(&'a [u8]),
    Subscription(&'a SubscribeRequest),
}

impl<'a> Call<'a> {
    /// A call that changes nothing.
    pub(super) const fn read(operation: &'static str, names: Names<'a>) -> Self {
        Self {
            operation,
            class: Class::Read,
            effect: ScriptEffect::ReadOnly,
            names,
        }
    }

    /// A call whose repetition changes something anew, or answers something else.
    pub(super) const fn write(operation: &'static str, names: Names<'a>) -> Self {
        Self {
            operation,
            class: Class::Write,
            effect: ScriptEffect::Mutates,
            names,
        }
    }

    const fn with_effect(mut self, effect: ScriptEffect) -> Self {
        self.effect = effect;
        self
    }

    pub(super) const fn set(key: &'a Key, options: SetOptions) -> Self {
        Self::write("set", Names::Key(key)).with_effect(effect_of_set(options))
    }

    pub(super) fn set_many(items: &'a [SetItem]) -> Self {
        let repeatable = items
            .iter()
            .all(|item| effect_of_set(item.options) == ScriptEffect::Idempotent);
        let effect = match repeatable {
            true => ScriptEffect::Idempotent,
            false => ScriptEffect::Mutates,
        };
        Self::write("set_many", Names::Items(items)).with_effect(effect)
    }

    pub(super) const fn expire(keys: &'a [Key], change: ExpireChange) -> Self {
        let effect = match change {
            ExpireChange::After(_) => ScriptEffect::Idempotent,
            // Run again, these answer that nothing changed, although the first run changed something.
            ExpireChange::IfNone(_) | ExpireChange::AtLeast(_) | ExpireChange::Never => {
                ScriptEffect::Mutates
            }
        };
        Self::write("expire", Names::Keys(keys)).with_effect(effect)
    }

    pub(super) const fn run_script(script: &Script, calls: &'a [ScriptCall]) -> Self {
        Self {
            operation: script.name,
            class: Class::Script,
            effect: script.effect,
            names: Names::Runs(calls),
        }
    }

    pub(super) const fn close() -> Self {
        Self::read("close", Names::None)
    }

    /// The same call, repeatable: the caller can do with the answer of a second run.
    pub(super) const fn repeatable(self) -> Self {
        self.with_effect(ScriptEffect::Idempotent)
    }

    /// Whether a lost answer leaves it open that something was changed.
    pub(super) fn writes(&self) -> bool {
        self.effect != ScriptEffect::ReadOnly
    }

    /// Keys or runs in the call; 1 where it has none.
    pub(super) fn batch(&self) -> usize {
        match self.names {
            Names::None | Names::Key(_) | Names::Channel(_) => 1,
            Names::Keys(keys) => keys.len(),
            Names::Items(items) => items.len(),
            Names::Increments(increments) => increments.len(),
            Names::Runs(calls) => calls.len(),
            Names::Subscription(request) => request.channels.len() + request.patterns.len(),
        }
    }

    /// The key, of a call of exactly one: what an error shows.
    pub(super) fn only_key(&self) -> Option<&'a Key> {
        match self.names {
            Names::Key(key) => Some(key),
            Names::Keys([key]) => Some(key),
            Names::Items([item]) => Some(&item.key),
            Names::Increments([increment]) => Some(&increment.key),
            Names::Runs([call]) => call.keys.first(),
            _ => None,
        }
    }

    /// Whether one of the call's keys or channels fulfils `test`.
    pub(super) fn any_name(&self, test: impl Fn(&[u8]) -> bool) -> bool {
        match self.names {
            Names::None => false,
            Names::Key(key) => test(key.as_bytes()),
            Names::Keys(keys) => keys.iter().any(|key| test(key.as_bytes())),
            Names::Items(items) => items.iter().any(|item| test(item.key.as_bytes())),
            Names::Increments(increments) => increments
                .iter()
                .any(|increment| test(increment.key.as_bytes())),
            Names::Runs(calls) => {
                let mut keys = calls.iter().flat_map(|call| &call.keys);
                keys.any(|key| test(key.as_bytes()))
            }
            Names::Channel(channel) => test(channel),
            Names::Subscription(request) => {
                let mut names = request.channels.iter().chain(&request.patterns);
                names.any(|name| test(name))
            }
        }
    }
}

/// A write in any case, with a life of its own, leaves the same behind however often it is carried out.
///
/// A condition does not: the second run meets what the first has written, and answers `false`. Nor does
/// [`Expiration::Keep`]: where the key expires in between, the second run leaves one behind that never does.
const fn effect_of_set(options: SetOptions) -> ScriptEffect {
    match (options.condition, options.expiration) {
        (Condition::Always, Expiration::After(_) | Expiration::Never) => ScriptEffect::Idempotent,
        _ => ScriptEffect::Mutates,
    }
}
