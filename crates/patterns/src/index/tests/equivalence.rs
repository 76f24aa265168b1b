//! Random calls of the scripts leave the same members, scores, lifetimes and values behind in memory and on servers, and
//! answer the same.

use cachekit_store::{Reply, Script};
use cachekit_testkit::{
    equivalence::{Answer, Blob, Call, Draw, ScriptFamily, check_family},
    server::Kind,
};

use crate::index::scripts::{CLEAR, FORGET, NOTE, PAGE, SET, SET_MANY};

/// How many operations each kind of server is compared on, unless the environment says otherwise.
const OPERATIONS: usize = 10_000;

/// The scripts of an index. Members are sometimes keys of the list and sometimes not, indices sometimes of another type.
#[derive(Debug)]
struct Indices;

impl ScriptFamily for Indices {
    fn scripts(&self) -> &[Script] {
        &[SET, SET_MANY, NOTE, PAGE, CLEAR, FORGET]
    }

    fn generate(&self, script: &Script, draw: &mut Draw) -> Call {
        match script.name {
            "index_set" => set(draw),
            "index_set_many" => set_many(draw),
            "index_note" => note(draw),
            "index_page" => page(draw),
            "index_clear" => clear(draw),
            _ => forget(draw),
        }
    }

    /// A score is compared as a number: the other operations of a list write scores that are not whole.
    fn canonical(&self, script: &Script, _call: &Call, reply: Reply) -> Answer {
        match reply {
            reply if script.name == PAGE.name => Answer::scored(reply),
            reply => reply.into(),
        }
    }
}

fn condition(draw: &mut Draw) -> Blob {
    draw.one_of(&["", "", "NX", "XX"]).into()
}

fn trim(draw: &mut Draw) -> Blob {
    draw.one_of(&["0", "1", "2", "100"]).into()
}

fn ttl(draw: &mut Draw) -> Blob {
    // Short against the jumps of the scripts' clock, so that members are over by later calls.
    draw.ttl().as_millis().to_string().into()
}

/// One TTL for all of `count`, or one for each.
fn ttls(draw: &mut Draw, count: usize) -> Vec<Blob> {
    let count = if draw.rng().bool() { count } else { 1 };
    (0..count).map(|_| ttl(draw)).collect()
}

fn set(draw: &mut Draw) -> Call {
    let count = draw.rng().usize(2..=5);
    Call {
        keys: draw.call_keys(count),
        args: vec![
            draw.value(),
            ttl(draw),
            trim(draw),
            condition(draw),
            draw.member(),
        ],
    }
}

fn set_many(draw: &mut Draw) -> Call {
    let (indices, count) = (draw.rng().usize(0..=2), draw.rng().usize(1..=3));
    let mut keys = draw.call_keys(indices + 2 * count);
    if count > 1 && draw.one_in(3) {
        keys[indices + 1] = keys[indices]; // the same key twice
    }
    let mut args = vec![indices.to_string().into(), trim(draw), condition(draw)];
    args.extend((0..count).map(|_| draw.value()));
    args.extend((0..count).map(|_| draw.member()));
    args.extend(ttls(draw, count));
    Call { keys, args }
}

fn note(draw: &mut Draw) -> Call {
    let count = draw.rng().usize(1..=5);
    let mut args = vec![trim(draw), count.to_string().into()];
    args.extend((0..count).map(|_| draw.member()));
    args.extend(ttls(draw, count));
    Call {
        keys: draw.call_keys(1),
        args,
    }
}

fn page(draw: &mut Draw) -> Call {
    let highest = draw.one_of(&["inf", "inf", "0", "1700000000000"]);
    let limit = draw.rng().usize(1..=4);
    Call {
        keys: draw.call_keys(1),
        args: vec![highest.into(), limit.to_string().into()],
    }
}

fn clear(draw: &mut Draw) -> Call {
    let indices = draw.rng().usize(1..=2);
    let count = draw.rng().usize(1..=3);
    let mut args = vec![indices.to_string().into()];
    args.extend((0..count).map(|_| draw.member()));
    Call {
        keys: draw.call_keys(indices + 2 * count),
        args,
    }
}

fn forget(draw: &mut Draw) -> Call {
    let count = draw.rng().usize(1..=4);
    let mut args: Vec<Blob> = (0..count).map(|_| draw.member()).collect();
    args.extend((0..count).map(|_| draw.score().into()));
    Call {
        keys: draw.call_keys(1),
        args,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_7() {
    check_family(Kind::Redis7, Indices, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_8() {
    check_family(Kind::Redis8, Indices, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_valkey_8() {
    check_family(Kind::Valkey8, Indices, OPERATIONS).await;
}
