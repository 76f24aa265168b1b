//! Replies of `CLUSTER SLOTS` in the shapes that servers give them.

use redis::Value;

use super::super::layout::Layout;
use crate::redis::address::Address;

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn node(endpoint: Value, port: i64, metadata: Value) -> Value {
    Value::Array(vec![endpoint, Value::Int(port), text("id"), metadata])
}

fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
    let mut entry = vec![Value::Int(first), Value::Int(last)];
    entry.extend(nodes);
    Value::Array(entry)
}

fn plain(endpoint: Value, port: i64) -> Value {
    node(endpoint, port, Value::Array(Vec::new()))
}

fn asked() -> Address {
    Address::new("asked.example", 7000)
}

fn read(ranges: Vec<Value>) -> Layout {
    Layout::read(&Value::Array(ranges), &asked()).unwrap()
}

/// Where slot 0 is, of a node that is told of like this.
fn address_of(node: Value) -> Option<Address> {
    let layout = read(vec![range(0, 16_383, vec![node])]);
    layout.owner(0).map(|place| layout.nodes()[place].clone())
}

#[test]
fn each_slot_has_its_primary_and_replicas_serve_none() {
    let layout = read(vec![
        range(
            8_192,
            16_383,
            vec![plain(text("10.0.0.2"), 6379), plain(text("10.0.0.9"), 6379)],
        ),
        range(0, 4_095, vec![plain(text("10.0.0.1"), 6379)]),
        range(4_096, 8_191, vec![plain(text("10.0.0.2"), 6379)]),
    ]);
    let nodes = [
        Address::new("10.0.0.1", 6379),
        Address::new("10.0.0.2", 6379),
    ];
    assert_eq!(layout.nodes(), nodes, "in the order of their lowest slots");
    for (slot, place) in [(0, 0), (4_095, 0), (4_096, 1), (8_192, 1), (16_383, 1)] {
        assert_eq!(layout.owner(slot), Some(place), "{slot}");
    }
    assert!(layout.is_complete());
}

#[test]
fn a_slot_that_nobody_serves_has_no_owner() {
    let layout = read(vec![range(5, 6, vec![plain(text("10.0.0.1"), 6379)])]);
    assert_eq!(
        (layout.owner(4), layout.owner(5), layout.owner(7)),
        (None, Some(0), None)
    );
    assert_eq!((layout.served(), layout.is_complete()), (2, false));
    assert_eq!(read(Vec::new()).served(), 0);
}

#[test]
fn a_missing_endpoint_is_that_of_the_server_asked() {
    for endpoint in [Value::Nil, text("")] {
        let address = address_of(plain(endpoint, 6380));
        assert_eq!(address, Some(Address::new("asked.example", 6380)));
    }
}

#[test]
fn names_and_addresses_of_the_sixth_version_are_endpoints() {
    for host in ["node-1.redis.internal", "fd00::1"] {
        let address = address_of(plain(text(host), 6379));
        assert_eq!(address, Some(Address::new(host, 6379)));
    }
}

#[test]
fn a_node_without_a_name_is_reached_by_its_address_where_names_are_preferred() {
    let pairs = vec![text("ip"), text("10.0.0.7")];
    let list = node(text("?"), 6379, Value::Array(pairs));
    let map = Value::Map(vec![(text("ip"), text("10.0.0.7"))]);
    let map = node(text("?"), 6379, map);
    for node in [list, map] {
        assert_eq!(address_of(node), Some(Address::new("10.0.0.7", 6379)));
    }
    assert_eq!(address_of(plain(text("?"), 6379)), None);
}

#[test]
fn layouts_have_one_fingerprint_only_if_they_are_the_same() {
    let of = |first: &str, split: i64| {
        read(vec![
            range(0, split, vec![plain(text(first), 6379)]),
            range(split + 1, 16_383, vec![plain(text("b"), 6379)]),
        ])
        .fingerprint()
    };
    assert_eq!(of("a", 100), of("a", 100));
    assert_ne!(of("a", 100), of("a", 101), "a slot has moved");
    assert_ne!(of("a", 100), of("c", 100), "another node took over");
}

#[test]
fn what_is_no_layout_is_not_taken_for_one() {
    let node = || plain(text("10.0.0.1"), 6379);
    let wrong = [
        Value::Nil,
        Value::Okay,
        Value::Array(vec![Value::Int(1)]),
        Value::Array(vec![range(0, 1, Vec::new())]),
        Value::Array(vec![range(-1, 1, vec![node()])]),
        Value::Array(vec![range(0, 16_384, vec![node()])]),
        Value::Array(vec![range(2, 1, vec![node()])]),
        Value::Array(vec![range(0, 1, vec![Value::Nil])]),
    ];
    for reply in wrong {
        assert_eq!(Layout::read(&reply, &asked()), None, "{reply:?}");
    }
    for port in [0, -1, 65_536] {
        assert_eq!(address_of(plain(text("10.0.0.1"), port)), None, "{port}");
    }
}
