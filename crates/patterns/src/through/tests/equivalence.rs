//! Random calls of the scripts leave the same leases, values and members behind in memory and on servers, and answer the same.

use cachekit_store::Script;
use cachekit_testkit::{
    equivalence::{Blob, Call, Draw, ScriptFamily, check_family},
    server::Kind,
};

use crate::through::scripts::{BEGIN, CONFIRM, SETTLE, UNDO};

/// How many operations each kind of server is compared on, unless the environment says otherwise.
const OPERATIONS: usize = 10_000;

/// The scripts of a write through the cache. Few tokens and few values, so that they often fit.
#[derive(Debug)]
struct Writes;

impl ScriptFamily for Writes {
    fn scripts(&self) -> &[Script] {
        &[BEGIN, SETTLE, UNDO, CONFIRM]
    }

    fn generate(&self, script: &Script, draw: &mut Draw) -> Call {
        match script.name {
            "through_begin" => begin(draw),
            "through_settle" => settle(draw),
            "through_undo" => Call {
                keys: draw.call_keys(2),
                args: vec![token(draw), value(draw)],
            },
            _ => {
                let mut call = settle(draw);
                call.args.remove(0);
                call
            }
        }
    }
}

fn token(draw: &mut Draw) -> Blob {
    draw.one_of(&["mine", "mine", "theirs"]).into()
}

fn value(draw: &mut Draw) -> Blob {
    draw.one_of(&["one", "two"]).into()
}

fn ttl(draw: &mut Draw) -> Blob {
    draw.ttl().as_millis().to_string().into()
}

/// Something where there is the key of a word.
fn word(draw: &mut Draw) -> Blob {
    draw.one_of(&["", "1"]).into()
}

fn keys(draw: &mut Draw) -> Vec<usize> {
    let count = draw.rng().usize(3..=5);
    draw.call_keys(count)
}

fn begin(draw: &mut Draw) -> Call {
    let mut args = vec![token(draw), ttl(draw), ttl(draw), draw.member(), word(draw)];
    if draw.rng().bool() {
        args.extend([value(draw), ttl(draw)]);
    }
    let keys = keys(draw);
    Call { keys, args }
}

fn settle(draw: &mut Draw) -> Call {
    let trim = draw.one_of(&["0", "1", "100"]).into();
    let args = vec![
        token(draw),
        value(draw),
        ttl(draw),
        trim,
        draw.member(),
        word(draw),
    ];
    let keys = keys(draw);
    Call { keys, args }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_7() {
    check_family(Kind::Redis7, Writes, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_8() {
    check_family(Kind::Redis8, Writes, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_valkey_8() {
    check_family(Kind::Valkey8, Writes, OPERATIONS).await;
}
