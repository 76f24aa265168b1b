//! The answers by which a node says that a command belongs elsewhere.

use redis::{ServerError, Value};

use super::super::refusal::Refusal;
use crate::redis::address::Address;

fn asked() -> Address {
    Address::new("asked.example", 7000)
}

/// As the client library reads it from the wire.
fn error(line: &str) -> Value {
    let bytes = format!("-{line}\r\n");
    let value = redis::parse_redis_value(bytes.as_bytes());
    value.unwrap_or_else(|error| {
        let server = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
        Value::ServerError(ServerError::clone(server.expect("an error of the server")))
    })
}

fn refusal(line: &str) -> Option<Refusal> {
    Refusal::among(&[Value::Okay, error(line)], &asked())
}

#[test]
fn redirections_name_a_node() {
    let moved = |host: &str| Some(Refusal::Moved(Address::new(host, 6381)));
    assert_eq!(refusal("MOVED 3999 10.0.0.1:6381"), moved("10.0.0.1"));
    assert_eq!(
        refusal("MOVED 3999 node.internal:6381"),
        moved("node.internal")
    );
    assert_eq!(refusal("MOVED 3999 fd00::1:6381"), moved("fd00::1"));
    assert_eq!(refusal("MOVED 3999 [fd00::1]:6381"), moved("fd00::1"));
    assert_eq!(refusal("MOVED 3999 :6381"), moved("asked.example"));
    assert_eq!(refusal("MOVED 3999 ?:6381"), moved("asked.example"));
    let ask = Refusal::Ask(Address::new("10.0.0.1", 6381));
    assert_eq!(refusal("ASK 3999 10.0.0.1:6381"), Some(ask));
}

#[test]
fn refusals_without_a_node_are_told_apart() {
    let tryagain = refusal("TRYAGAIN Multiple keys request during rehashing of slot");
    assert_eq!(tryagain, Some(Refusal::TryAgain));
    let down = refusal("CLUSTERDOWN Hash slot not served");
    assert_eq!(down, Some(Refusal::ClusterDown));
    let unknown = refusal("NOSCRIPT No matching script.");
    assert_eq!(unknown, Some(Refusal::NoScript));
}

#[test]
fn other_errors_are_answers() {
    for line in [
        "ERR unknown",
        "WRONGTYPE Operation against a key",
        "MOVED",
        "MOVED 1",
        "MOVED 1 nowhere",
        "MOVED 1 10.0.0.1:0",
        "ASK 1 10.0.0.1:port",
        "MOVED far 10.0.0.1:6381",
        "TRYAGAIN no node said this script: 33bdd, on @user_script:1.",
        "TRYAGAIN later",
        "CLUSTERDOWN so a script says",
        "NOSCRIPT of mine",
    ] {
        assert_eq!(refusal(line), None, "{line}");
    }
    assert_eq!(Refusal::among(&[Value::Okay, Value::Nil], &asked()), None);
}

#[test]
fn addresses_are_shown_as_they_are_written() {
    assert_eq!(asked().to_string(), "asked.example:7000");
    assert_eq!(Address::new("fd00::1", 1).to_string(), "[fd00::1]:1");
}
