//! What a difference prints is the code of its operations.

use cachekit_store::{Condition, Expiration, ExpireChange, SetOptions};

use crate::equivalence::{Addition, Blob, Call, Ending, Operation, Write, ttl};

/// Asserts that an expression's value prints as the expression.
macro_rules! assert_prints_itself {
    ($($operation:expr),+ $(,)?) => {
        $(assert_eq!(packed(&format!("{:?}", $operation)), packed(stringify!($operation)));)+
    };
}

/// Without white space and without commas that end a list, which are matters of layout.
fn packed(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",}", "}")
        .replace(",]", "]")
        .replace(",)", ")")
}

#[test]
fn operations_print_as_the_code_that_makes_them() {
    assert_prints_itself![
        Operation::Get { key: 3 },
        Operation::GetMany { keys: vec![0, 9] },
        Operation::GetEntries { keys: vec![] },
        Operation::Delete { keys: vec![0, 0] },
        Operation::Expiries { keys: vec![2] },
        Operation::Set(Write {
            key: 1,
            value: b"a\xff\0\"\\\r\n".into(),
            options: SetOptions::ttl(ttl(1000)),
        }),
        Operation::SetMany {
            writes: vec![Write {
                key: 1,
                value: Blob::repeat(b'x', 5000),
                options: SetOptions::new(Expiration::Keep).with_condition(Condition::IfAbsent),
            }]
        },
        Operation::Expire {
            keys: vec![2],
            change: ExpireChange::AtLeast(ttl(1000)),
        },
        Operation::Expire {
            keys: vec![2],
            change: ExpireChange::Never,
        },
        Operation::Increment {
            additions: vec![
                Addition {
                    key: 0,
                    by: -5,
                    ttl: None,
                },
                Addition {
                    key: 0,
                    by: 5,
                    ttl: Some(ttl(7)),
                },
            ]
        },
        Operation::Scan {
            pattern: b"*".into(),
            count: 7,
        },
        Operation::Script {
            script: "program",
            calls: vec![Call {
                keys: vec![1],
                args: vec![b"GET".into(), b"1".into()],
            }],
        },
        Operation::Outlive {
            keys: vec![1],
            ending: Ending::Set,
        },
        Operation::Clock { micros: 17 },
    ];
}
