//! The translation of replies, and options that cannot work, without a server.

use std::time::Duration;

use super::{
    error::{from_code, kind_of_code},
    info,
    request::Operation,
    store::RedisStore,
};
use crate::{ErrorKind, RedisStoreBuilder, Store, Topology};

/// Code and text of a server's reply, and what a caller can do about it.
const REPLIES: &[(&str, &str, ErrorKind)] = &[
    (
        "LOADING",
        "Redis is loading the dataset in memory",
        ErrorKind::NotReady,
    ),
    (
        "BUSY",
        "Redis is busy running a script",
        ErrorKind::NotReady,
    ),
    (
        "TRYAGAIN",
        "Multiple keys request during rehashing of slot",
        ErrorKind::NotReady,
    ),
    ("CLUSTERDOWN", "The cluster is down", ErrorKind::NotReady),
    (
        "MASTERDOWN",
        "Link with MASTER is down",
        ErrorKind::NotReady,
    ),
    ("MOVED", "3999 127.0.0.1:6381", ErrorKind::Configuration),
    ("ASK", "3999 127.0.0.1:6381", ErrorKind::Configuration),
    (
        "READONLY",
        "You can't write against a read only replica.",
        ErrorKind::ReadOnly,
    ),
    (
        "NOAUTH",
        "Authentication required.",
        ErrorKind::Unauthenticated,
    ),
    (
        "WRONGPASS",
        "invalid username-password pair",
        ErrorKind::Unauthenticated,
    ),
    (
        "NOPERM",
        "User a has no permissions",
        ErrorKind::PermissionDenied,
    ),
    (
        "OOM",
        "command not allowed when used memory > 'maxmemory'.",
        ErrorKind::OutOfMemory,
    ),
    (
        "MISCONF",
        "Redis is configured to save RDB snapshots",
        ErrorKind::WritesRefused,
    ),
    (
        "NOREPLICAS",
        "Not enough good replicas to write.",
        ErrorKind::WritesRefused,
    ),
    ("WRONGTYPE", "Operation against a key", ErrorKind::WrongType),
    (
        "CROSSSLOT",
        "Keys in request don't hash to the same slot",
        ErrorKind::CrossSlot,
    ),
    (
        "ERR",
        "value is not an integer or out of range",
        ErrorKind::WrongType,
    ),
    ("ERR", "hash value is not an integer", ErrorKind::WrongType),
    ("ERR", "value is not a valid float", ErrorKind::InvalidInput),
    ("ERR", "min or max is not a float", ErrorKind::InvalidInput),
    (
        "ERR",
        "increment or decrement would overflow",
        ErrorKind::InvalidInput,
    ),
    (
        "ERR",
        "invalid expire time in 'set' command",
        ErrorKind::InvalidInput,
    ),
    (
        "ERR",
        "max number of clients reached",
        ErrorKind::Overloaded,
    ),
    ("ERR", "unknown command 'FOO'", ErrorKind::Unsupported),
    ("NOSCRIPT", "No matching script.", ErrorKind::NotReady),
    ("ERR", "something else", ErrorKind::Unexpected),
    ("NEWCODE", "of a later server", ErrorKind::Unexpected),
];

#[test]
fn every_reply_of_the_server_has_a_kind() {
    for &(code, text, kind) in REPLIES {
        assert_eq!(kind_of_code(code, text).0, kind, "{code} {text}");
    }
}

/// A script that writes.
const SCRIPT: Operation = Operation {
    runs_script: true,
    ..Operation::write("script")
};
const PLACE: &str = "script: 33bdd589b8f752b1595a324f515de2db809429e1, on @user_script:1.";

#[test]
fn an_error_that_a_script_met_or_returned_may_follow_what_it_wrote() {
    let raised = format!("Operation against a key {PLACE}");
    for (code, text, kind) in [
        ("WRONGTYPE", &raised[..], ErrorKind::WrongType),
        ("WRONGTYPE", "Operation against a key", ErrorKind::WrongType),
        ("BUSY", "taken", ErrorKind::NotReady),
        ("NOSCRIPT", "mine", ErrorKind::NotReady),
        ("TRYAGAIN", "later", ErrorKind::NotReady),
        ("CLUSTERDOWN", "so I heard", ErrorKind::NotReady),
        ("LOADING", "the next page", ErrorKind::NotReady),
        ("READONLY", "by choice", ErrorKind::ReadOnly),
        ("MISCONF", "of the script", ErrorKind::WritesRefused),
        ("OOM", "of the script", ErrorKind::OutOfMemory),
        ("MOVED", "to another house", ErrorKind::Configuration),
        (
            "NOPERM",
            "ACL failure in script: User a has no permissions to run the 'get' command",
            ErrorKind::PermissionDenied,
        ),
        (
            "ERR",
            "value is not an integer or out of range",
            ErrorKind::WrongType,
        ),
    ] {
        let error = from_code(SCRIPT, code, text);
        let found = (error.kind(), error.may_have_applied());
        assert_eq!(found, (kind, true), "{code} {text}");
        let reading = Operation {
            writes: false,
            ..SCRIPT
        };
        assert!(!from_code(reading, code, text).may_have_applied(), "{code}");
    }
}

#[test]
fn a_servers_own_words_tell_that_nothing_of_a_script_ran() {
    for (code, text) in [
        (
            "BUSY",
            "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ),
        (
            "BUSY",
            "Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ),
        ("LOADING", "Redis is loading the dataset in memory"),
        ("LOADING", "Valkey is loading the dataset in memory"),
        ("NOSCRIPT", "No matching script. Please use EVAL."),
        (
            "MASTERDOWN",
            "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ),
        ("OOM", "command not allowed when used memory > 'maxmemory'."),
        ("NOAUTH", "Authentication required."),
        (
            "NOPERM",
            "User a has no permissions to run the 'evalsha' command",
        ),
        (
            "NOPERM",
            "this user has no permissions to run the 'evalsha' command",
        ),
        ("CLUSTERDOWN", "The cluster is down"),
        ("MOVED", "3999 10.0.0.1:6381"),
        (
            "ERR",
            "unknown command 'EVALSHA', with args beginning with: ",
        ),
    ] {
        assert!(
            !from_code(SCRIPT, code, text).may_have_applied(),
            "{code} {text}"
        );
    }
    // After the first write of a script a server does not refuse others for these reasons.
    for (code, text) in [
        ("READONLY", "You can't write against a read only replica."),
        ("NOREPLICAS", "Not enough good replicas to write."),
    ] {
        let text = format!("{text} {PLACE}");
        assert!(!from_code(SCRIPT, code, &text).may_have_applied(), "{code}");
    }
}

#[test]
fn an_unknown_reply_is_never_retried() {
    assert!(!kind_of_code("NEWCODE", "").0.is_retryable());
    assert!(kind_of_code("NEWCODE", "").1, "what happened is unknown");
}

#[test]
fn options_that_cannot_work_are_refused_before_connecting() {
    for url in [
        "",
        "127.0.0.1",
        "http://127.0.0.1",
        "redis://",
        "redis+sentinel://127.0.0.1",
        "sentinel://127.0.0.1",
        "redis://127.0.0.1:1,127.0.0.1:2",
        "redis+cluster://127.0.0.1/1",
        "redis+cluster://",
        "redis+cluster://127.0.0.1,",
        "redis+cluster+cluster://127.0.0.1",
        "unix+cluster:///tmp/socket",
        "redis://127.0.0.1/0#insecure",
    ] {
        let error = RedisStore::builder(url).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
    }
    for timeout in [Duration::ZERO, Duration::MAX] {
        let request = RedisStore::builder("redis://127.0.0.1").request_timeout(timeout);
        assert_eq!(
            request.build().unwrap_err().kind(),
            ErrorKind::Configuration
        );
        let connect = RedisStore::builder("redis://127.0.0.1").connect_timeout(timeout);
        assert_eq!(
            connect.build().unwrap_err().kind(),
            ErrorKind::Configuration
        );
    }
    let huge = RedisStore::builder("redis://127.0.0.1")
        .max_value_size(1 << 30)
        .build();
    assert_eq!(huge.unwrap_err().kind(), ErrorKind::Configuration);
}

#[test]
fn a_cluster_is_named_by_the_url_or_by_the_topology() {
    let clustered = |builder: RedisStoreBuilder| builder.build().unwrap().capabilities().clustered;
    let builder = RedisStore::builder;
    assert!(!clustered(builder("redis://127.0.0.1")));
    assert!(clustered(builder("redis+cluster://127.0.0.1")));
    assert!(clustered(builder("valkey+cluster://u:p,w@a:1,b,[::1]:2/0")));
    assert!(clustered(
        builder("redis://127.0.0.1").topology(Topology::Cluster)
    ));
    assert!(clustered(
        builder("redis://a:1,b:2")
            .topology(Topology::Cluster)
            .seed("c")
            .seed("redis://d:3")
    ));
    let one = builder("redis+cluster://127.0.0.1").topology(Topology::Standalone);
    assert!(!clustered(one), "what is said in code wins");
}

#[test]
fn seeds_that_cannot_work_are_refused_before_connecting() {
    let cluster = || RedisStore::builder("redis+cluster://127.0.0.1");
    let wrong = [
        RedisStore::builder("redis://127.0.0.1").seed("127.0.0.2"),
        RedisStore::builder("redis://127.0.0.1").topology(Topology::Sentinel),
        cluster().seed(""),
        cluster().seed("a:1,b:2"),
        cluster().seed("redis://user:secret@a"),
        cluster().seed("rediss://a"),
        cluster().seed("unix:///tmp/socket"),
    ];
    for builder in wrong {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn a_clusters_facts_are_those_of_its_primaries_together() {
    let node = |memory, policy| {
        let text = format!(
            "redis_version:7.0.1\r\nused_memory:10\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\n\
             uptime_in_seconds:{memory}\r\naof_enabled:1\r\ncluster_enabled:1\r\ndb0:keys=3\r\n"
        );
        info::parse(&text, 0)
    };
    let facts = info::merge(vec![
        node(5, "noeviction"),
        node(7, "allkeys-lru"),
        node(6, "noeviction"),
    ]);
    let facts = facts.unwrap();
    assert_eq!(
        (facts.keys, facts.used_memory, facts.max_memory),
        (9, 30, 18)
    );
    assert_eq!(
        facts.eviction_policy, "allkeys-lru",
        "one that evicts is enough"
    );
    assert_eq!(facts.uptime, Duration::from_secs(5));
    assert!(facts.append_only && facts.cluster);
    let unlimited = info::merge(vec![node(5, "noeviction"), node(0, "noeviction")]);
    assert_eq!(unlimited.unwrap().max_memory, 0);
    assert_eq!(info::merge(Vec::new()), None);
}

#[test]
fn credentials_are_absent_from_debug_and_errors() {
    let builder = RedisStore::builder("redis://alice:s3cret@127.0.0.1:1").password("hunter2");
    let store = builder.clone().build().unwrap();
    let text = format!("{builder:?} {store:?}");
    assert!(
        !text.contains("s3cret") && !text.contains("hunter2") && !text.contains("alice"),
        "{text}"
    );
    let bad = RedisStore::builder("redis://alice:s3cret@:port")
        .build()
        .unwrap_err();
    assert!(!format!("{bad} {bad:?}").contains("s3cret"));
}

#[test]
fn info_of_redis_and_valkey_is_read() {
    let redis = "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:12\r\nused_memory:1024\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n";
    let facts = info::parse(redis, 0);
    assert_eq!(
        (facts.product.as_str(), facts.version.as_str()),
        ("redis", "7.0.15")
    );
    assert_eq!(
        (facts.keys, facts.used_memory, facts.append_only),
        (3, 1024, true)
    );
    assert_eq!(facts.uptime, Duration::from_secs(12));
    let valkey = info::parse(
        "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n",
        0,
    );
    assert_eq!(
        (valkey.product.as_str(), valkey.version.as_str()),
        ("valkey", "8.1.1")
    );
}
