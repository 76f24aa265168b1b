//! How a batch is cut into parts, and what becomes of their replies.

use cachekit_keys::Key;
use redis::Value;

use super::super::work::{Part, Work};
use crate::{Result, redis::request::Operation};

const READ: Operation = Operation::read("read");

fn keys(names: &[&str]) -> Vec<Key> {
    names
        .iter()
        .map(|name| Key::from_raw((*name).to_owned()).unwrap())
        .collect()
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn places(part: &Part) -> Vec<usize> {
    part.places().collect()
}

/// What is sent for the parts, in words.
fn sent(work: Work<'_>, parts: &mut [Part], asking: bool) -> Vec<String> {
    let pipeline = work.pipeline(parts, asking);
    let commands = pipeline.cmd_iter().map(|command| {
        let words = command.args_iter().filter_map(|arg| match arg {
            redis::Arg::Simple(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        words.collect::<Vec<_>>().join(" ")
    });
    commands.collect()
}

fn answers(
    work: Work<'_>,
    part: &Part,
    replies: Vec<Value>,
    count: usize,
) -> Vec<Option<Result<Value>>> {
    let mut answers: Vec<Option<Result<Value>>> = (0..count).map(|_| None).collect();
    work.place(READ, part, replies, &mut answers);
    answers
}

#[test]
fn keys_of_one_slot_are_one_part() {
    let keys = keys(&["{a}1", "b", "{a}2", "c", "{a}1"]);
    let parts = Part::by_slot(&keys);
    assert_eq!(parts.len(), 3);
    let together = parts.iter().find(|part| part.len() > 1).unwrap();
    assert_eq!(places(together), [0, 2, 4]);
    assert_eq!(together.slot, Some(keys[0].slot()));
}

#[test]
fn each_kind_of_work_has_its_commands() {
    let keys = keys(&["{a}1", "{a}2"]);
    let parts = || Part::by_slot(&keys);
    assert_eq!(
        sent(Work::Values(&keys), &mut parts(), false),
        ["MGET {a}1 {a}2"]
    );
    assert_eq!(
        sent(Work::Unlink(&keys), &mut parts(), true),
        ["ASKING", "UNLINK {a}1 {a}2"]
    );
    assert_eq!(
        sent(Work::Entries(&keys), &mut parts(), true),
        [
            "ASKING",
            "MULTI",
            "GET {a}1",
            "PTTL {a}1",
            "GET {a}2",
            "PTTL {a}2",
            "EXEC"
        ]
    );
    let command = || Part::new(0, None, Some(redis::cmd("PING")));
    let work = Work::Commands(None);
    assert_eq!(
        sent(work, &mut [command(), command()], false),
        ["PING", "PING"]
    );
}

#[test]
fn a_part_has_as_many_replies_as_commands() {
    let keys = keys(&["{a}1", "{a}2", "{a}3"]);
    for work in [
        Work::Values(&keys),
        Work::Unlink(&keys),
        Work::Entries(&keys),
    ] {
        let mut parts = Part::by_slot(&keys);
        let width = work.width(&parts[0]);
        assert_eq!(sent(work, &mut parts, false).len(), width);
    }
}

#[test]
fn values_return_to_the_places_of_their_keys() {
    let keys = keys(&["{a}1", "b", "{a}2"]);
    let parts = Part::by_slot(&keys);
    let part = parts.iter().find(|part| part.len() == 2).unwrap();
    let reply = Value::Array(vec![text("one"), Value::Nil]);
    let answers = answers(Work::Values(&keys), part, vec![reply], 3);
    assert_eq!(answers[0].as_ref().unwrap().as_ref().unwrap(), &text("one"));
    assert!(answers[1].is_none());
    assert_eq!(answers[2].as_ref().unwrap().as_ref().unwrap(), &Value::Nil);
}

#[test]
fn counts_add_up_to_that_of_the_part() {
    let keys = keys(&["{a}1", "{a}2"]);
    let part = &Part::by_slot(&keys)[0];
    let answers = answers(Work::Unlink(&keys), part, vec![Value::Int(2)], 2);
    let counts: Vec<Value> = answers
        .into_iter()
        .map(|answer| answer.unwrap().unwrap())
        .collect();
    assert_eq!(counts, [Value::Int(2), Value::Int(0)]);
}

#[test]
fn entries_are_pairs_out_of_their_transaction() {
    let keys = keys(&["{a}1", "{a}2"]);
    let part = &Part::by_slot(&keys)[0];
    let queued = || Value::SimpleString("QUEUED".to_owned());
    let done = Value::Array(vec![text("v"), Value::Int(5), Value::Nil, Value::Int(-2)]);
    let replies = vec![Value::Okay, queued(), queued(), queued(), queued(), done];
    let answers = answers(Work::Entries(&keys), part, replies, 2);
    let pair = |value, left| Value::Array(vec![value, Value::Int(left)]);
    assert_eq!(
        answers[0].as_ref().unwrap().as_ref().unwrap(),
        &pair(text("v"), 5)
    );
    assert_eq!(
        answers[1].as_ref().unwrap().as_ref().unwrap(),
        &pair(Value::Nil, -2)
    );
}

#[test]
fn a_reply_of_another_length_is_unexpected_for_all_places() {
    let keys = keys(&["{a}1", "{a}2"]);
    let part = &Part::by_slot(&keys)[0];
    for reply in [
        Value::Array(vec![text("v")]),
        Value::Okay,
        Value::Array(Vec::new()),
    ] {
        let answers = answers(Work::Values(&keys), part, vec![reply], 2);
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().unwrap().is_err())
        );
    }
}

#[test]
fn a_part_is_split_into_its_keys() {
    let keys = keys(&["{a}1", "b", "{a}2"]);
    let parts = Part::by_slot(&keys);
    let part = parts.into_iter().find(|part| part.len() == 2).unwrap();
    let slot = part.slot;
    let single: Vec<Part> = part.split().collect();
    assert_eq!(single.len(), 2);
    assert_eq!((places(&single[0]), places(&single[1])), (vec![0], vec![2]));
    assert!(single.iter().all(|part| part.slot == slot));
}
