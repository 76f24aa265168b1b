//! What `keys` computes by itself, compared with what real servers do.

use cachekit::keys::{CompanionKind, Key, Pattern};
use cachekit_testkit::{
    RawClient, RawReply,
    server::{Kind, Server},
};

/// Bytes that matter to slots, so that short random strings hit their corner cases.
const OF_SLOTS: &[u8] = b"{}{}:%ab\xff";
/// Bytes that matter to globs.
const OF_PATTERNS: &[u8] = b"**??[[]]^-\\aab\xff";
/// Few bytes, so that random patterns match random keys often.
const OF_KEYS: &[u8] = b"aaab]^-\\\xff";

/// The seed of this run, `CACHEKIT_TEST_SEED` where a failed run is repeated; assertions show it.
fn seed() -> u64 {
    match std::env::var("CACHEKIT_TEST_SEED") {
        Ok(seed) => seed.parse().expect("CACHEKIT_TEST_SEED is a number"),
        Err(_) => fastrand::u64(..),
    }
}

fn random(rng: &mut fastrand::Rng, alphabet: &[u8], max_len: usize) -> Vec<u8> {
    let len = rng.usize(1..=max_len);
    (0..len)
        .map(|_| alphabet[rng.usize(..alphabet.len())])
        .collect()
}

fn slot_on(raw: &mut RawClient, key: &[u8]) -> u16 {
    let reply = raw.call(&[b"CLUSTER", b"KEYSLOT", key]).unwrap();
    reply
        .as_integer()
        .and_then(|slot| u16::try_from(slot).ok())
        .expect("a slot")
}

#[tokio::test]
async fn slots_are_those_of_the_server_and_companions_share_them() {
    let Some(server) = Server::start_with(Kind::Redis7, &["--cluster-enabled", "yes"])
        .await
        .unwrap()
    else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut companions = 0;
    for _ in 0..3_000 {
        let key = Key::from_raw(random(&mut rng, OF_SLOTS, 12)).unwrap();
        let slot = slot_on(&mut raw, key.as_bytes());
        assert_eq!(key.slot(), slot, "seed {seed}: {key:?}");
        if let Ok(companion) = key.companion(CompanionKind::Lease) {
            companions += 1;
            assert_eq!(
                slot_on(&mut raw, companion.as_bytes()),
                slot,
                "seed {seed}: {key:?} {companion:?}"
            );
        }
    }
    assert!(
        companions > 300,
        "seed {seed}: only {companions} keys had a companion"
    );
}

#[tokio::test]
async fn a_pattern_matches_exactly_what_the_servers_glob_matches() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut matches = 0;
    for _ in 0..60 {
        raw.text(&["FLUSHALL"]).unwrap();
        let keys: Vec<Vec<u8>> = (0..40).map(|_| random(&mut rng, OF_KEYS, 4)).collect();
        for key in &keys {
            raw.call(&[b"SET", key, b"v"]).unwrap();
        }
        for _ in 0..150 {
            let text = random(&mut rng, OF_PATTERNS, 6);
            let Ok(pattern) = Pattern::raw(text.clone()) else {
                continue;
            };
            let found = keys_on(&mut raw, &text);
            for key in &keys {
                let here = pattern.matches(key);
                matches += usize::from(here);
                assert_eq!(
                    here,
                    found.contains(key),
                    "seed {seed}: pattern {:?}, key {:?}",
                    lossy(&text),
                    lossy(key)
                );
            }
        }
    }
    assert!(
        matches > 1_000,
        "seed {seed}: only {matches} matches were compared"
    );
}

fn lossy(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn keys_on(raw: &mut RawClient, pattern: &[u8]) -> Vec<Vec<u8>> {
    match raw
        .call(&[b"SCAN", b"0", b"MATCH", pattern, b"COUNT", b"10000"])
        .unwrap()
    {
        RawReply::List(parts) => match parts.into_iter().nth(1) {
            Some(RawReply::List(keys)) => {
                keys.into_iter().filter_map(RawReply::into_bytes).collect()
            }
            other => panic!("unexpected reply {other:?}"),
        },
        other => panic!("unexpected reply {other:?}"),
    }
}
