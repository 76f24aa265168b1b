//! Random lists of operations.

use cachekit_keys::Ttl;
use cachekit_store::{Condition, Expiration, ExpireChange, Script, SetOptions};

use super::{
    Addition, Blob, Comparison, Config, Draw, Ending, Operation, ScriptFamily, Write, list::START,
};

/// What can be generated for a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// Both sides run scripts.
    pub(super) scripts: bool,
    /// Both sides let the test say what `now` is.
    pub(super) clock: bool,
}

/// Patterns behind a list's prefix. The keys' names there begin with a hash tag.
const PATTERNS: [&[u8]; 10] = [
    b"*",
    b"*}a*",
    b"{*}?",
    b"*}[ab]",
    b"*}[^a]*",
    b"*}a\\*b",
    b"*\\\\*",
    b"*\xff*",
    b"*}[a-b]:[0-9]",
    b"nothing",
];

/// The kinds of operations, by how often they come.
#[derive(Clone, Copy)]
enum Kind {
    Get,
    GetMany,
    GetEntries,
    Set,
    SetMany,
    Delete,
    Expire,
    Expiries,
    Increment,
    Scan,
    Script,
    Outlive,
    Clock,
}

const WEIGHTS: [(Kind, usize); 13] = [
    (Kind::Get, 8),
    (Kind::GetMany, 4),
    (Kind::GetEntries, 5),
    (Kind::Set, 10),
    (Kind::SetMany, 5),
    (Kind::Delete, 4),
    (Kind::Expire, 9),
    (Kind::Expiries, 5),
    (Kind::Increment, 9),
    (Kind::Scan, 2),
    (Kind::Script, 40),
    (Kind::Outlive, 3),
    (Kind::Clock, 4),
];

/// The list that belongs to `seed`.
pub(super) fn list(
    config: &Config,
    comparison: &Comparison,
    abilities: Abilities,
    seed: u64,
) -> Vec<Operation> {
    let mut generator = Generator {
        draw: Draw::new(seed).with_cross_slot(config.cross_slot),
        scripts: scripts(comparison, abilities),
        abilities,
        micros: START,
    };
    (0..config.list_length)
        .map(|_| generator.operation())
        .collect()
}

/// The scripts that both sides can run.
fn scripts(comparison: &Comparison, abilities: Abilities) -> Vec<(&'_ dyn ScriptFamily, Script)> {
    let families = comparison.families.iter();
    families
        .flat_map(|family| {
            family
                .scripts()
                .iter()
                .map(move |script| (&**family, *script))
        })
        .filter(|(_, script)| abilities.scripts && (abilities.clock || !script.needs_time))
        .collect()
}

struct Generator<'a> {
    draw: Draw,
    scripts: Vec<(&'a dyn ScriptFamily, Script)>,
    abilities: Abilities,
    micros: u64,
}

impl Generator<'_> {
    fn operation(&mut self) -> Operation {
        loop {
            match self.draw.weighted(&WEIGHTS) {
                Kind::Script if self.scripts.is_empty() => {}
                Kind::Clock if !self.abilities.clock => {}
                kind => return self.of(kind),
            }
        }
    }

    fn of(&mut self, kind: Kind) -> Operation {
        match kind {
            Kind::Get => Operation::Get {
                key: self.draw.key(),
            },
            Kind::GetMany => Operation::GetMany {
                keys: self.draw.keys(4),
            },
            Kind::GetEntries => {
                let count = self.draw.rng().usize(..=3);
                let keys = (0..count).map(|_| self.draw.key_of(0)).collect();
                Operation::GetEntries { keys }
            }
            Kind::Set => Operation::Set(self.write()),
            Kind::SetMany => {
                let count = self.draw.rng().usize(..=4);
                let writes = (0..count).map(|_| self.write()).collect();
                Operation::SetMany { writes }
            }
            Kind::Delete => Operation::Delete {
                keys: self.draw.keys(3),
            },
            Kind::Expire => self.expire(),
            Kind::Expiries => Operation::Expiries {
                keys: self.draw.keys(4),
            },
            Kind::Increment => {
                let count = self.draw.rng().usize(..=3);
                let additions = (0..count).map(|_| self.addition()).collect();
                Operation::Increment { additions }
            }
            Kind::Scan => Operation::Scan {
                pattern: Blob::from(bytes::Bytes::from_static(self.draw.one_of(&PATTERNS))),
                count: self.draw.one_of(&[1, 7, 100, 1_000]),
            },
            Kind::Script => self.script(),
            Kind::Outlive => Operation::Outlive {
                keys: self.draw.distinct_keys(3),
                ending: self
                    .draw
                    .one_of(&[Ending::Expire, Ending::Set, Ending::Increment]),
            },
            Kind::Clock => {
                self.micros = self.draw.moment(self.micros);
                Operation::Clock {
                    micros: self.micros,
                }
            }
        }
    }

    fn write(&mut self) -> Write {
        let expiration = match self.draw.rng().u8(..5) {
            0 => Expiration::Never,
            1 | 2 => Expiration::Keep,
            3 if self.draw.one_in(20) => Expiration::After(Ttl::MAX),
            _ => Expiration::After(self.draw.ttl()),
        };
        let condition = self.draw.one_of(&[
            Condition::Always,
            Condition::Always,
            Condition::IfAbsent,
            Condition::IfPresent,
        ]);
        Write {
            key: self.draw.key_of(0),
            value: self.draw.value(),
            options: SetOptions::new(expiration).with_condition(condition),
        }
    }

    /// Each key once: a second change of one key would depend on whether it comes in the same millisecond.
    fn expire(&mut self) -> Operation {
        let keys = match self.draw.one_in(20) {
            true => Vec::new(),
            false => self.draw.distinct_keys(4),
        };
        let change = match self.draw.rng().u8(..7) {
            0 => ExpireChange::Never,
            1 | 2 => ExpireChange::After(self.draw.ttl()),
            3 | 4 => ExpireChange::IfNone(self.draw.ttl()),
            _ => ExpireChange::AtLeast(self.draw.ttl()),
        };
        Operation::Expire { keys, change }
    }

    fn addition(&mut self) -> Addition {
        let ttl = (!self.draw.one_in(3)).then(|| self.draw.ttl());
        Addition {
            key: self.draw.key_of(0),
            by: self.draw.addend(),
            ttl,
        }
    }

    fn script(&mut self) -> Operation {
        let (family, script) = self.draw.one_of(&self.scripts);
        let count = match self.draw.rng().u8(..20) {
            0 => 0,
            1..3 => 2,
            3 => 3,
            _ => 1,
        };
        let calls = (0..count)
            .map(|_| family.generate(&script, &mut self.draw))
            .collect();
        Operation::Script {
            script: script.name,
            calls,
        }
    }
}
