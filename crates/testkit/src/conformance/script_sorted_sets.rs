//! Sorted sets within scripts.

use cachekit_keys::Key;
use cachekit_store::{ErrorKind, Reply};

use super::{
    commands::{
        EXISTS, HSET, PEXPIRE, ZADD, ZCARD, ZCOUNT, ZRANGE, ZREM, ZREMRANGE, ZSCORE, string,
        strings,
    },
    fixture::{Fixture, millis},
};

const EVERYTHING: [&str; 3] = ["-inf", "+inf", "1000"];

async fn numbers(fixture: &Fixture) -> Key {
    let key = fixture.key("a");
    let members = ["1", "one", "2", "two", "3", "three", "2", "deux"];
    assert_eq!(fixture.call(&ZADD, &key, &members).await, Reply::Integer(4));
    key
}

pub(super) async fn members_are_ordered_by_score_then_bytes(fixture: &Fixture) {
    let key = numbers(fixture).await;
    let all = ["one", "1", "deux", "2", "two", "2", "three", "3"];
    assert_eq!(
        fixture.call(&ZRANGE, &key, &EVERYTHING).await,
        strings(&all)
    );
    // A shorter name comes before what continues it, upper case before lower case, a negative score before all.
    let members = ["2", "tw", "2", "Two", "-1.5", "minus"];
    fixture.call(&ZADD, &key, &members).await;
    let low = [
        "minus", "-1.5", "one", "1", "Two", "2", "deux", "2", "tw", "2", "two", "2",
    ];
    assert_eq!(
        fixture.call(&ZRANGE, &key, &["-inf", "2", "1000"]).await,
        strings(&low)
    );
}

pub(super) async fn zadd_obeys_its_condition(fixture: &Fixture) {
    let key = fixture.key("a");
    let steps: [(&[&str], i64, Option<&str>); 10] = [
        (&["XX", "1", "m"], 0, None),
        (&["NX", "5", "m"], 1, Some("5")),
        (&["NX", "6", "m"], 0, Some("5")),
        (&["XX", "4", "m"], 0, Some("4")),
        (&["GT", "3", "m"], 0, Some("4")),
        (&["GT", "7", "m"], 0, Some("7")),
        (&["LT", "8", "m"], 0, Some("7")),
        (&["LT", "2", "m"], 0, Some("2")),
        (&["9", "m"], 0, Some("9")),
        (&["9", "m", "1", "other"], 1, Some("9")),
    ];
    for (args, added, score) in steps {
        let reply = fixture.call(&ZADD, &key, args).await;
        assert_eq!(reply, Reply::Integer(added), "{args:?}");
        let found = fixture.call(&ZSCORE, &key, &["m"]).await;
        assert_eq!(found, score.map_or(Reply::Nil, string), "{args:?}");
    }
    // A condition on the old score does not keep new members out.
    let added = fixture.call(&ZADD, &key, &["GT", "1", "new"]).await;
    assert_eq!(added, Reply::Integer(1));
    let added = fixture.call(&ZADD, &key, &["LT", "1", "newer"]).await;
    assert_eq!(added, Reply::Integer(1));
}

pub(super) async fn a_refused_condition_makes_no_set(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.call(&ZADD, &key, &["XX", "1", "m"]).await;
    assert_eq!(fixture.call(&EXISTS, &key, &[]).await, Reply::Integer(0));
    assert_eq!(fixture.call(&ZCARD, &key, &[]).await, Reply::Integer(0));
    assert_eq!(fixture.call(&ZSCORE, &key, &["m"]).await, Reply::Nil);
    assert_eq!(fixture.call(&ZREM, &key, &["m"]).await, Reply::Integer(0));
    assert_eq!(
        fixture.call(&ZREMRANGE, &key, &["-inf", "+inf"]).await,
        Reply::Integer(0)
    );
    assert_eq!(fixture.call(&ZRANGE, &key, &EVERYTHING).await, strings(&[]));
}

pub(super) async fn bounds_are_included_excluded_or_absent(fixture: &Fixture) {
    let key = numbers(fixture).await;
    for (from, to, count) in [
        ("-inf", "+inf", 4),
        ("1", "2", 3),
        ("(1", "2", 2),
        ("1", "(2", 1),
        ("(1", "(2", 0),
        ("(1", "(3", 2),
        ("3", "+inf", 1),
        ("(3", "+inf", 0),
        ("-inf", "(1", 0),
        ("2", "2", 2),
        ("(2", "2", 0),
        ("2", "1", 0),
        ("inf", "1", 0),
        ("1.5", "2.5", 2),
    ] {
        let range = fixture.call(&ZCOUNT, &key, &[from, to]).await;
        assert_eq!(range, Reply::Integer(count), "from {from} to {to}");
        let members = fixture.call(&ZRANGE, &key, &[from, to, "1000"]).await;
        assert!(
            matches!(&members, Reply::Array(parts) if parts.len() as i64 == 2 * count),
            "from {from} to {to}: {members:?}"
        );
    }
}

pub(super) async fn a_range_stops_at_its_limit(fixture: &Fixture) {
    let key = numbers(fixture).await;
    assert_eq!(
        fixture.call(&ZRANGE, &key, &["(1", "+inf", "2"]).await,
        strings(&["deux", "2", "two", "2"])
    );
    assert_eq!(
        fixture.call(&ZRANGE, &key, &["-inf", "+inf", "0"]).await,
        strings(&[])
    );
}

pub(super) async fn infinite_scores_come_first_and_last(fixture: &Fixture) {
    let key = numbers(fixture).await;
    fixture
        .call(&ZADD, &key, &["inf", "last", "-inf", "first"])
        .await;
    assert_eq!(
        fixture.call(&ZRANGE, &key, &["-inf", "(1", "9"]).await,
        strings(&["first", "-inf"])
    );
    assert_eq!(
        fixture.call(&ZRANGE, &key, &["(3", "+inf", "9"]).await,
        strings(&["last", "inf"])
    );
    for (from, to, count) in [
        ("(-inf", "(inf", 4),
        ("(inf", "+inf", 0),
        ("inf", "inf", 1),
        ("-inf", "(-inf", 0),
    ] {
        let reply = fixture.call(&ZCOUNT, &key, &[from, to]).await;
        assert_eq!(reply, Reply::Integer(count), "from {from} to {to}");
    }
}

pub(super) async fn the_two_zeros_are_one_score(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture
        .call(&ZADD, &key, &["0", "b", "-0.0", "c", "0", "a"])
        .await;
    let Reply::Array(parts) = fixture.call(&ZRANGE, &key, &["0", "0", "9"]).await else {
        panic!("a list")
    };
    let names: Vec<Reply> = parts.into_iter().step_by(2).collect();
    assert_eq!(Reply::Array(names), strings(&["a", "b", "c"]));
    let raised = fixture.call(&ZADD, &key, &["GT", "0", "c"]).await;
    assert_eq!(raised, Reply::Integer(0));
    assert_eq!(
        fixture.call(&ZCOUNT, &key, &["-0.0", "+inf"]).await,
        Reply::Integer(3)
    );
    assert_eq!(
        fixture.call(&ZCOUNT, &key, &["(-0.0", "+inf"]).await,
        Reply::Integer(0)
    );
}

pub(super) async fn a_score_keeps_microseconds_exactly(fixture: &Fixture) {
    let key = fixture.key("a");
    let members = ["1767225600000001", "early", "1767225600000002", "late"];
    fixture.call(&ZADD, &key, &members).await;
    let bounds = ["(1767225600000001", "1767225600000002", "9"];
    assert_eq!(
        fixture.call(&ZRANGE, &key, &bounds).await,
        strings(&["late", "1767225600000002"])
    );
}

pub(super) async fn what_is_no_number_is_no_score(fixture: &Fixture) {
    let key = numbers(fixture).await;
    let refused = fixture
        .refusal(&ZADD, &key, &["7", "seven", "nan", "eight"])
        .await;
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    assert_eq!(
        fixture.call(&ZSCORE, &key, &["seven"]).await,
        Reply::Nil,
        "all scores are checked before any is written"
    );
    let refused = fixture.refusal(&ZCOUNT, &key, &["nan", "+inf"]).await;
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
}

pub(super) async fn an_emptied_set_is_gone(fixture: &Fixture) {
    let key = numbers(fixture).await;
    assert_eq!(
        fixture.call(&ZREM, &key, &["one", "one", "four"]).await,
        Reply::Integer(1)
    );
    assert_eq!(
        fixture.call(&ZREMRANGE, &key, &["(2", "+inf"]).await,
        Reply::Integer(1)
    );
    assert_eq!(fixture.call(&ZCARD, &key, &[]).await, Reply::Integer(2));
    assert_eq!(
        fixture.call(&ZREMRANGE, &key, &["2", "2"]).await,
        Reply::Integer(2)
    );
    fixture.assert_missing(&key).await;
    fixture.put(&key, "text").await;
    fixture.assert_value(&key, "text").await;
}

pub(super) async fn many_members_come_and_go_in_order(fixture: &Fixture) {
    let key = fixture.key("a");
    for number in 0..300 {
        let score = (number * 7 % 300).to_string();
        let member = format!("m{score}");
        fixture.call(&ZADD, &key, &[&score, &member]).await;
    }
    for first in (0..300).step_by(50) {
        let (from, to) = (first.to_string(), format!("({}", first + 50));
        let expected: Vec<String> = (first..first + 50)
            .flat_map(|score| [format!("m{score}"), score.to_string()])
            .collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let found = fixture.call(&ZRANGE, &key, &["-inf", &to, "1000"]).await;
        assert_eq!(found, strings(&expected));
        assert_eq!(
            fixture.call(&ZREMRANGE, &key, &[&from, &to]).await,
            Reply::Integer(50)
        );
    }
    fixture.assert_missing(&key).await;
}

pub(super) async fn writes_to_a_set_keep_its_ttl(fixture: &Fixture) {
    let key = numbers(fixture).await;
    fixture.assert_forever(&key).await;
    fixture.call(&PEXPIRE, &key, &["600000"]).await;
    fixture.call(&ZADD, &key, &["9", "nine", "4", "one"]).await;
    fixture.call(&ZREM, &key, &["two"]).await;
    fixture.call(&ZREMRANGE, &key, &["3", "3"]).await;
    fixture.assert_ttl(&key, millis(600_000)).await;
}

pub(super) async fn set_commands_refuse_other_types(fixture: &Fixture) {
    let (hash, list) = (fixture.key("hash"), fixture.key("list"));
    fixture.call(&HSET, &hash, &["field", "1"]).await;
    fixture.subject.put_list(&list).await;
    for key in [hash, list] {
        for (script, args) in [
            (ZADD, &["1", "m"][..]),
            (ZREM, &["m"]),
            (ZSCORE, &["m"]),
            (ZCARD, &[]),
            (ZCOUNT, &["-inf", "+inf"]),
            (ZRANGE, &EVERYTHING),
            (ZREMRANGE, &["-inf", "+inf"]),
        ] {
            let refused = fixture.refusal(&script, &key, args).await;
            assert_eq!(refused.kind(), ErrorKind::WrongType, "{refused}");
        }
    }
}
