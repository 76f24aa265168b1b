//! Random calls of the scripts leave the same numbers and lifetimes behind in memory and on servers, and answer the same.

use cachekit_keys::HitCount;
use cachekit_store::{Reply, Script};
use cachekit_testkit::{
    equivalence::{Answer, Blob, Call, Draw, ScriptFamily, check_family},
    server::Kind,
};

use crate::scripts::{ADD, READ};

/// How many operations each kind of server is compared on, unless the environment says otherwise.
const OPERATIONS: usize = 10_000;

/// The scripts of hit counts, on keys that are sometimes of another type, and fields that sometimes hold no number.
#[derive(Debug)]
struct Hits;

impl ScriptFamily for Hits {
    fn scripts(&self) -> &[Script] {
        &[ADD, READ]
    }

    fn generate(&self, script: &Script, draw: &mut Draw) -> Call {
        if script.name == READ.name {
            return Call {
                keys: draw.call_keys(1),
                args: Vec::new(),
            };
        }
        // Few numbers, so that additions meet their copies and their successors.
        let number = format!("{:016}", draw.rng().u8(..6));
        let ttl = draw.ttl().as_millis().to_string();
        let mut args: Vec<Blob> = vec![number.into(), ttl.into()];
        for _ in 0..draw.rng().usize(..4) {
            args.push(match draw.one_in(3) {
                true => draw.member(),
                false => {
                    let family = draw.one_of(&["project", "session"]);
                    draw.one_of(&HitCount::ALL).field(family).into()
                }
            });
            args.push(draw.addend().to_string().into());
        }
        Call {
            keys: draw.call_keys(2),
            args,
        }
    }

    fn canonical(&self, script: &Script, _call: &Call, reply: Reply) -> Answer {
        match script.name == READ.name {
            true => Answer::pairs(reply),
            false => reply.into(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_7() {
    check_family(Kind::Redis7, Hits, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_8() {
    check_family(Kind::Redis8, Hits, OPERATIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_valkey_8() {
    check_family(Kind::Valkey8, Hits, OPERATIONS).await;
}
