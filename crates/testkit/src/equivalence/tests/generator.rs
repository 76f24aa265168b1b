//! Lists come from their seed alone, and reach everything.

use std::collections::BTreeSet;

use super::memory_with_itself;
use crate::equivalence::{
    Call, Config, Draw, Operation, Program, ScriptFamily, generate,
    generate::Abilities,
    pool::{Pool, TOGETHER},
};

const EVERYTHING: Abilities = Abilities {
    scripts: true,
    clock: true,
};

fn list(seed: u64, abilities: Abilities) -> Vec<Operation> {
    let config = Config::new(0, 0).with_list_length(1_000);
    generate::list(&config, &memory_with_itself(), abilities, seed)
}

/// The words of all programs: commands and flags, among others.
fn words(operations: &[Operation]) -> BTreeSet<Vec<u8>> {
    let scripts = operations.iter().filter_map(|operation| match operation {
        Operation::Script { calls, .. } => Some(calls),
        _ => None,
    });
    let args = scripts.flatten().flat_map(|call| &call.args);
    args.map(|arg| arg.as_bytes().to_vec()).collect()
}

#[test]
fn a_seed_makes_one_list_and_another_seed_another() {
    assert_eq!(list(1, EVERYTHING), list(1, EVERYTHING));
    assert_ne!(list(1, EVERYTHING), list(2, EVERYTHING));
}

#[test]
fn every_kind_of_operation_comes_up() {
    let names: BTreeSet<String> = list(3, EVERYTHING)
        .iter()
        .map(|operation| format!("{operation:?}"))
        .map(|code| code.split([' ', '(']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names.len(), 13, "{names:?}");
}

#[test]
fn every_command_comes_up_with_every_flag_also_where_errors_are_passed_over() {
    let words = words(&list(4, EVERYTHING));
    let missing: Vec<&str> = [
        "EXISTS",
        "DEL",
        "PTTL",
        "PERSIST",
        "PEXPIRE",
        "GET",
        "SET",
        "INCRBY",
        "HGET",
        "HGETALL",
        "HSET",
        "HDEL",
        "HINCRBY",
        "HLEN",
        "ZADD",
        "ZREM",
        "ZSCORE",
        "ZCARD",
        "ZCOUNT",
        "ZRANGE",
        "ZREMRANGEBYSCORE",
        "PUBLISH",
        "?SET",
        "?HSET",
        "?ZADD",
        "PX",
        "KEEPTTL",
        "NX",
        "XX",
        "GT",
        "LT",
        "-inf",
        "+inf",
        "nan",
        "@now+0",
    ]
    .into_iter()
    .filter(|word| !words.contains(word.as_bytes()))
    .collect();
    assert_eq!(missing, [""; 0]);
    assert!(words.iter().any(|word| word.starts_with(b"(@now-")));
}

#[test]
fn without_scripts_and_clocks_neither_is_used() {
    let abilities = Abilities {
        scripts: false,
        clock: false,
    };
    let uses = |operation: &Operation| {
        matches!(
            operation,
            Operation::Script { .. } | Operation::Clock { .. }
        )
    };
    assert!(!list(5, abilities).iter().any(uses));
}

#[test]
fn without_clocks_no_script_reads_the_time() {
    let abilities = Abilities {
        scripts: true,
        clock: false,
    };
    assert!(!words(&list(6, abilities)).contains(&b"@now+0"[..]));
}

#[test]
fn the_keys_of_a_call_share_a_slot_unless_others_are_asked_for() {
    let pool = Pool::fresh();
    let slots = |draw: &mut Draw| {
        let keys = pool.keys(&draw.call_keys(2));
        keys[0].slot() == keys[1].slot()
    };
    let mut draw = Draw::new(7);
    assert!((0..500).all(|_| slots(&mut draw)));
    let mut draw = Draw::new(7).with_cross_slot(true);
    assert!((0..500).any(|_| !slots(&mut draw)));
    assert_ne!(pool.key(0).slot(), pool.key(TOGETHER).slot());
}

#[test]
fn lives_are_far_from_each_other() {
    let mut draw = Draw::new(8);
    let mut lives: Vec<u64> = (0..1_000).map(|_| draw.ttl().as_millis()).collect();
    lives.sort_unstable();
    assert!(lives.windows(2).all(|pair| pair[1] - pair[0] >= 100_000));
}

#[test]
fn a_simpler_program_has_a_step_or_a_key_less() {
    let script = Program.scripts()[0];
    let mut draw = Draw::new(9);
    let calls = (0..100).map(|_| Program.generate(&script, &mut draw));
    for call in calls {
        for simpler in Program.simplify(&script, &call) {
            assert!(simpler.args.len() < call.args.len() || simpler.keys.len() < call.keys.len());
            assert!(simpler.keys.iter().all(|key| call.keys.contains(key)));
        }
    }
}

#[test]
fn keys_that_no_step_names_can_go() {
    let step = [&b"GET"[..], b"2", b"0"].map(|arg| bytes::Bytes::from_static(arg).into());
    let call = Call {
        keys: vec![4, 7, 5],
        args: step.to_vec(),
    };
    let simpler = Program.simplify(&Program.scripts()[0], &call);
    let args = [&b"GET"[..], b"1", b"0"].map(|arg| bytes::Bytes::from_static(arg).into());
    let expected = Call {
        keys: vec![7],
        args: args.to_vec(),
    };
    assert_eq!(simpler, [expected]);
}
