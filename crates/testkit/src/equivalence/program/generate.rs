//! Random programs: steps on one or two keys of mostly the right type.

use super::step::Step;
use crate::equivalence::{Blob, Call, Draw};

/// The commands on keys of any type.
const GENERIC: [&str; 5] = ["EXISTS", "DEL", "PTTL", "PERSIST", "PEXPIRE"];
/// The commands on one type each, by how often they come: what fills a key comes more often than what empties it.
const TYPED: [&[(&str, usize)]; 3] = [
    &[("GET", 2), ("SET", 3), ("INCRBY", 4)],
    &[
        ("HGET", 2),
        ("HGETALL", 2),
        ("HSET", 5),
        ("HDEL", 1),
        ("HINCRBY", 3),
        ("HLEN", 1),
    ],
    &[
        ("ZADD", 9),
        ("ZREM", 1),
        ("ZSCORE", 2),
        ("ZCARD", 1),
        ("ZCOUNT", 2),
        ("ZRANGE", 3),
        ("ZREMRANGEBYSCORE", 1),
    ],
];

/// The commands that only read.
const READERS: [&str; 10] = [
    "EXISTS", "PTTL", "GET", "HGET", "HGETALL", "HLEN", "ZSCORE", "ZCARD", "ZCOUNT", "ZRANGE",
];

/// What a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Everything but to use the time.
    Plain,
    /// Everything, with the time in some of the arguments.
    Timed,
    /// Only to read.
    Reading,
}

/// A call of a program.
pub(super) fn call(manner: Manner, draw: &mut Draw) -> Call {
    let count = draw.one_of(&[1, 1, 2, 3]);
    let keys = draw.call_keys(count);
    let steps = match draw.rng().u8(..10) {
        0..4 => 1,
        4 => 8,
        _ => draw.rng().usize(2..5),
    };
    let mut args = Vec::new();
    for _ in 0..steps {
        let number = draw.rng().usize(1..=keys.len());
        let mut maker = Steps {
            draw,
            manner,
            many: false,
        };
        let step = maker.step(keys[number - 1], number);
        let step = match draw.one_in(6) {
            true => step.guarded(),
            false => step,
        };
        args.extend(step.args());
    }
    Call { keys, args }
}

struct Steps<'a> {
    draw: &'a mut Draw,
    manner: Manner,
    /// Members and fields are drawn from many.
    many: bool,
}

impl Steps<'_> {
    fn is_timed(&self) -> bool {
        self.manner == Manner::Timed
    }

    /// A step on the key at this place of the pool, which is the call's key of this number.
    fn step(&mut self, place: usize, number: usize) -> Step {
        let name = loop {
            let name = self.command(place);
            if self.manner != Manner::Reading || READERS.contains(&name) {
                break name;
            }
        };
        let rest = match name.as_bytes()[0] {
            b'H' => self.hash(name),
            b'Z' => self.sorted_set(name),
            _ => self.string(name),
        };
        Step::new(name, number, rest)
    }

    /// Mostly a command on the type that is at home at this place.
    fn command(&mut self, place: usize) -> &'static str {
        match self.draw.rng().u8(..20) {
            0 if self.draw.one_in(2) => "PUBLISH",
            0..5 => self.draw.one_of(&GENERIC),
            5 => {
                let kind = self.draw.rng().usize(..3);
                self.draw.weighted(TYPED[kind])
            }
            _ => self.draw.weighted(TYPED[place % 3]),
        }
    }

    /// What follows the key of a command on strings or on keys of any type.
    fn string(&mut self, name: &str) -> Vec<Blob> {
        match name {
            "PUBLISH" => vec!["channel".into(), self.value()],
            "PEXPIRE" => {
                let mut rest = vec![self.life()];
                let flag = self
                    .draw
                    .one_of(&[None, Some("NX"), Some("GT"), Some("GT")]);
                rest.extend(flag.map(Blob::from));
                rest
            }
            "SET" => {
                let mut rest = vec![self.value()];
                match self.draw.rng().u8(..3) {
                    0 => rest.extend(["PX".into(), self.life()]),
                    1 => rest.push("KEEPTTL".into()),
                    _ => {}
                }
                rest.extend(
                    self.draw
                        .one_of(&[None, None, Some("NX"), Some("XX")])
                        .map(Blob::from),
                );
                rest
            }
            "INCRBY" => vec![self.draw.addend().to_string().into()],
            _ => Vec::new(),
        }
    }

    fn hash(&mut self, name: &str) -> Vec<Blob> {
        match name {
            "HGET" => vec![self.draw.member()],
            "HSET" => self.some(|steps| vec![steps.member(), steps.value()]),
            "HDEL" => self.some(|steps| vec![steps.member()]),
            "HINCRBY" => vec![self.draw.member(), self.draw.addend().to_string().into()],
            _ => Vec::new(),
        }
    }

    fn sorted_set(&mut self, name: &str) -> Vec<Blob> {
        match name {
            "ZADD" => {
                let condition =
                    self.draw
                        .one_of(&[None, None, Some("NX"), Some("XX"), Some("GT"), Some("LT")]);
                let mut rest: Vec<Blob> = condition.map(Blob::from).into_iter().collect();
                rest.extend(self.some(|steps| vec![steps.score(), steps.member()]));
                rest
            }
            "ZREM" => self.some(|steps| vec![steps.member()]),
            "ZSCORE" => vec![self.draw.member()],
            "ZCOUNT" | "ZREMRANGEBYSCORE" => self.range(),
            "ZRANGE" => {
                let limit = self.draw.one_of(&["0", "1", "2", "100"]);
                let words = ["BYSCORE", "LIMIT", "0", limit, "WITHSCORES"];
                let mut rest = self.range();
                rest.extend(words.map(Blob::from));
                rest
            }
            _ => Vec::new(),
        }
    }

    /// One to three times the same kind of arguments, rarely so many that a collection changes its representation.
    fn some(&mut self, make: impl Fn(&mut Self) -> Vec<Blob>) -> Vec<Blob> {
        self.many = self.draw.one_in(20);
        let count = match self.many {
            true => 150,
            false => self.draw.rng().usize(1..=3),
        };
        let made = (0..count).flat_map(|_| make(self)).collect();
        self.many = false;
        made
    }

    /// One of few; among many, one of so many that nearly all are there.
    fn member(&mut self) -> Blob {
        match self.many {
            true => self.draw.one_of_many(),
            false => self.draw.member(),
        }
    }

    fn life(&mut self) -> Blob {
        self.draw.ttl().as_millis().to_string().into()
    }

    fn value(&mut self) -> Blob {
        match self.is_timed() && self.draw.one_in(3) {
            true => self.moment().into(),
            false => self.draw.value(),
        }
    }

    /// Rarely one that is no number.
    fn score(&mut self) -> Blob {
        if self.is_timed() && self.draw.one_in(2) {
            return self.moment().into();
        }
        match self.draw.one_in(40) {
            true => "nan".into(),
            false => self.draw.score().into(),
        }
    }

    /// Often unbounded, so that something lies in it; sometimes with its ends exchanged.
    fn range(&mut self) -> Vec<Blob> {
        let open = self
            .draw
            .one_of(&[("-inf", "+inf"), ("-inf", "+inf"), ("+inf", "-inf")]);
        let mut end = |open: &str| match self.draw.one_in(2) {
            true => open.into(),
            false => self.bound(),
        };
        vec![end(open.0), end(open.1)]
    }

    fn bound(&mut self) -> Blob {
        let text = match self.is_timed() && self.draw.one_in(2) {
            true => self.moment(),
            false => self.draw.score().to_owned(),
        };
        match self.draw.one_in(3) {
            true => format!("({text}").into(),
            false => text.into(),
        }
    }

    fn moment(&mut self) -> String {
        let distance = self.draw.one_of(&[0, 1, 1_000_000, 60_000_000]);
        let sign = self.draw.one_of(&['+', '-']);
        format!("@now{sign}{distance}")
    }
}
