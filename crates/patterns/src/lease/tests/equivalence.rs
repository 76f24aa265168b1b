//! Random calls of the scripts leave the same leases, values and members behind in memory and on servers, and answer the same.

use cachekit_store::{Reply, Script, sha1hex};
use cachekit_testkit::{
    equivalence::{Answer, Blob, Call, Draw, ScriptFamily, check_family},
    server::Kind,
};

use crate::lease::scripts::{FILL, Lease, RELEASE, REMOVE, RENEW, TAKE};

/// How many operations each kind of server is compared on, unless the environment says otherwise.
const OPERATIONS: usize = 10_000;

/// The scripts of a lease, on keys that are sometimes of another type. Few tokens and few values, so that they often fit.
#[derive(Debug)]
struct Leases;

impl ScriptFamily for Leases {
    fn scripts(&self) -> &[Script] {
        &[TAKE, FILL, RENEW, RELEASE, REMOVE]
    }

    fn generate(&self, script: &Script, draw: &mut Draw) -> Call {
        match script.name {
            "lease_take" => take(draw),
            "lease_fill" => fill(draw),
            "lease_renew" => Call {
                keys: draw.call_keys(1),
                args: vec![token(draw), ttl(draw)],
            },
            "lease_release" => Call {
                keys: {
                    let count = draw.rng().usize(1..=2);
                    draw.call_keys(count)
                },
                args: vec![token(draw)],
            },
            _ => {
                let count = draw.rng().usize(1..=3);
                Call {
                    keys: draw.call_keys(2 * count),
                    args: Vec::new(),
                }
            }
        }
    }

    /// What is left of a life is compared by whether there is one.
    fn canonical(&self, script: &Script, _call: &Call, reply: Reply) -> Answer {
        let Reply::Array(mut parts) = reply else {
            return reply.into();
        };
        let answers = parts.iter_mut().filter(|_| script.name == TAKE.name);
        for answer in answers {
            if let Reply::Array(answer) = answer
                && let Some(Reply::Integer(left)) = answer.last_mut()
            {
                *left = left.signum();
            }
        }
        Reply::Array(parts).into()
    }

    /// A lease tells when the value expires that was there, which the script knows by what is left of its life.
    fn canonical_string(&self, string: &[u8]) -> Option<Answer> {
        let lease = Lease::read(string)?;
        let expiry = std::str::from_utf8(lease.expiry).ok()?.parse().ok()?;
        let rest = Lease {
            expiry: b"",
            ..lease
        };
        let rest = Answer::Bytes(rest.to_bytes().into());
        Some(Answer::List(vec![rest, Answer::Millis(expiry)]))
    }
}

fn token(draw: &mut Draw) -> Blob {
    draw.one_of(&["mine", "mine", "theirs"]).into()
}

fn ttl(draw: &mut Draw) -> Blob {
    draw.ttl().as_millis().to_string().into()
}

fn loaded(draw: &mut Draw) -> &'static str {
    draw.one_of(&["one", "two"])
}

/// Something where there is the key of a word.
fn word(draw: &mut Draw) -> Blob {
    draw.one_of(&["", "1"]).into()
}

/// Keys for `n` values and as many leases, and for a word and indices behind them.
fn keys(draw: &mut Draw, n: usize) -> Vec<usize> {
    let more = draw.rng().usize(1..=3).min(8 - 2 * n);
    draw.call_keys(2 * n + more)
}

/// The same with as many unpersisted writes before the indices.
fn keys_with_writes(draw: &mut Draw, n: usize) -> Vec<usize> {
    let more = draw.rng().usize(1..=3).min(8 - 3 * n);
    draw.call_keys(3 * n + more)
}

fn take(draw: &mut Draw) -> Call {
    let n = draw.rng().usize(1..=2);
    let mut args = vec![n.to_string().into(), word(draw), ttl(draw), ttl(draw)];
    args.extend((0..n).map(|_| token(draw)));
    args.extend((0..n).map(|_| match draw.rng().bool() {
        true => sha1hex(loaded(draw).as_bytes()).into(),
        false => Blob::from(""),
    }));
    // Nothing, less than any life, and more than any: what is left of one differs by a little.
    args.extend((0..n).map(|_| draw.one_of(&["", "", "0", "1000000000000"]).into()));
    args.extend((0..n).map(|_| draw.member()));
    let keys = keys_with_writes(draw, n);
    Call { keys, args }
}

fn fill(draw: &mut Draw) -> Call {
    let n = draw.rng().usize(1..=3);
    let trim = draw.one_of(&["0", "1", "100"]).into();
    let mut args = vec![n.to_string().into(), word(draw), trim];
    args.extend((0..n).map(|_| token(draw)));
    args.extend((0..n).map(|_| Blob::from(loaded(draw))));
    args.extend((0..n).map(|_| ttl(draw)));
    args.extend((0..n).map(|_| draw.member()));
    let keys = keys(draw, n);
    Call { keys, args }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_7() {
    check_family(Kind::Redis7, Leases, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_8() {
    check_family(Kind::Redis8, Leases, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_valkey_8() {
    check_family(Kind::Valkey8, Leases, OPERATIONS).await;
}
