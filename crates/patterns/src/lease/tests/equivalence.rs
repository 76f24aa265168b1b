//! Random calls of the scripts leave the same leases, values and members behind in memory and on servers, and answer the same.

use cachekit_store::{Reply, Script, sha1hex};
use cachekit_testkit::{
    equivalence::{Answer, Blob, Call, Draw, ScriptFamily, check_family},
    server::Kind,
};

use crate::lease::scripts::{FILL, RELEASE, REMOVE, RENEW, TAKE};

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
                keys: draw.call_keys(1),
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
        if script.name == TAKE.name
            && parts.len() > 2
            && let Some(Reply::Integer(left)) = parts.last_mut()
        {
            *left = left.signum();
        }
        Reply::Array(parts).into()
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

/// Behind the other arguments where the third key is a word's.
fn word(draw: &mut Draw, args: &mut Vec<Blob>) {
    if draw.rng().bool() {
        args.push("1".into());
    }
}

fn take(draw: &mut Draw) -> Call {
    let seen = sha1hex(loaded(draw).as_bytes());
    let seen = if draw.rng().bool() {
        seen
    } else {
        String::new()
    };
    let mut args = vec![
        token(draw),
        ttl(draw),
        seen.into(),
        ttl(draw),
        draw.member(),
    ];
    word(draw, &mut args);
    let count = draw.rng().usize(3..=5);
    Call {
        keys: draw.call_keys(count),
        args,
    }
}

fn fill(draw: &mut Draw) -> Call {
    let trim = draw.one_of(&["0", "1", "100"]).into();
    let mut args = vec![
        token(draw),
        loaded(draw).into(),
        ttl(draw),
        trim,
        draw.member(),
    ];
    word(draw, &mut args);
    let count = draw.rng().usize(3..=5);
    Call {
        keys: draw.call_keys(count),
        args,
    }
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
