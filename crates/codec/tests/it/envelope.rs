//! Events: what the SDKs of other languages write is read, and whatever the bytes, reading answers.

use std::time::{Duration, SystemTime};

use cachekit_codec::{Attribute, CodecErrorKind, Envelope};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

fn read(text: &str) -> Envelope {
    Envelope::from_json(text.as_bytes()).unwrap()
}

fn refused(text: impl AsRef<[u8]>) -> CodecErrorKind {
    Envelope::from_json(text.as_ref()).unwrap_err().kind()
}

fn with(member: &str, value: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"b","{member}":{value}}}"#)
}

#[test]
fn what_the_sdk_for_python_writes_is_read() {
    // cloudevents.conversion.to_json of version 1.x, with an extension and an offset in the time.
    let event = read(
        r#"{"specversion": "1.0", "id": "5ce0-11", "source": "https://example.com/app", "type": "com.example.sampletype1",
            "datacontenttype": "application/json", "time": "2024-12-02T10:00:00.123456+00:00", "ext1": "v",
            "data": {"message": "Hello World!"}}"#,
    );
    assert_eq!(event.kind(), "com.example.sampletype1");
    let since = Duration::from_micros(1_733_133_600_123_456);
    assert_eq!(event.time(), Some(SystemTime::UNIX_EPOCH + since));
    assert_eq!(event.extension("ext1"), Some(&Attribute::from("v")));
    assert_eq!(event.data::<Value>().unwrap()["message"], "Hello World!");
}

#[test]
fn what_the_sdk_for_node_writes_is_read() {
    // JSON.stringify(new CloudEvent({..})) of version 8.x: data is a Buffer.
    let event = read(
        r#"{"id":"36da","time":"2024-12-02T10:00:00.123Z","type":"t","source":"/s","specversion":"1.0",
            "data_base64":"eyJhIjoxfQ=="}"#,
    );
    assert_eq!(event.data::<Value>().unwrap(), json!({"a": 1}));
    assert_eq!(event.bytes().unwrap(), &br#"{"a":1}"#[..]);
}

#[test]
fn data_that_is_not_json_is_given_as_bytes_alone() {
    let event = read(
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"b","datacontenttype":"image/png","data_base64":"iVA"}"#,
    );
    assert_eq!(event.bytes().unwrap(), &[137, 80][..]);
    let error = event.data::<Value>().unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Corrupt);
}

#[test]
fn data_of_every_json_type_is_data() {
    for data in ["1", "\"text\"", "[1]", "{}", "true", "1.5"] {
        let expected: Value = serde_json::from_str(data).unwrap();
        assert_eq!(read(&with("data", data)).data::<Value>().unwrap(), expected);
    }
    let none = read(&with("data", "null"));
    assert_eq!(none, read(&with("subject", "null")));
    assert_eq!(none.data::<Option<u32>>().unwrap(), None);
    assert_eq!(
        none.data::<u32>().unwrap_err().kind(),
        CodecErrorKind::Corrupt
    );
}

#[test]
fn what_is_no_attribute_is_passed_over() {
    for value in [
        "{\"a\":[1]}",
        "[]",
        "1.5",
        "1e3",
        "null",
        "99999999999999999999",
    ] {
        assert_eq!(
            read(&with("more", value)).extensions().count(),
            0,
            "{value}"
        );
    }
    for name in ["Upper", "with_underscore", ""] {
        assert_eq!(read(&with(name, "1")).extensions().count(), 0, "{name}");
    }
    let kept = [
        ("true", true.into()),
        ("-7", (-7).into()),
        ("\"\"", "".into()),
    ];
    for (value, attribute) in kept {
        assert_eq!(
            read(&with("more", value)).extension("more"),
            Some(&attribute)
        );
    }
}

#[test]
fn an_event_without_a_required_attribute_is_corrupt() {
    let whole = [
        ("specversion", "1.0"),
        ("id", "1"),
        ("source", "/a"),
        ("type", "b"),
    ];
    for left_out in whole {
        let members = whole.into_iter().filter(|member| *member != left_out);
        let members: Vec<String> = members
            .map(|(name, value)| format!("{name:?}:{value:?}"))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        assert_eq!(refused(&text), CodecErrorKind::Corrupt, "{text}");
        let text = format!("{{{},{:?}:null}}", members.join(","), left_out.0);
        assert_eq!(refused(&text), CodecErrorKind::Corrupt, "{text}");
    }
}

#[test]
fn what_contradicts_itself_is_corrupt() {
    let twice = r#"{"specversion":"1.0","id":"1","id":"2","source":"/a","type":"b"}"#;
    let twice_more = r#"{"specversion":"1.0","id":"1","source":"/a","type":"b","x":1,"x":2}"#;
    let both =
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"b","data":1,"data_base64":"MQ=="}"#;
    for text in [twice, twice_more, both] {
        assert_eq!(refused(text), CodecErrorKind::Corrupt, "{text}");
    }
    for (member, value) in [
        ("id", "7"),
        ("time", "\"yesterday\""),
        ("time", "\"2024-12-02T10:00:00\""),
        ("data_base64", "\"%\""),
        ("subject", "{}"),
    ] {
        let text = with(member, value);
        assert_eq!(refused(&text), CodecErrorKind::Corrupt, "{text}");
    }
    for text in [&b""[..], b"[]", b"null", b"\xC1\x6B\x01", b"{", b"\xFF"] {
        assert_eq!(refused(text), CodecErrorKind::Corrupt, "{text:?}");
    }
}

#[test]
fn another_version_is_told_from_damage() {
    let version =
        |version| format!(r#"{{"specversion":"{version}","id":"1","source":"/a","type":"b"}}"#);
    assert_eq!(refused(version("2.0")), CodecErrorKind::Newer);
    assert_eq!(refused(version("1.1")), CodecErrorKind::Newer);
    assert_eq!(refused(version("0.3")), CodecErrorKind::Corrupt);
}

#[test]
fn what_is_too_large_is_refused_in_both_directions() {
    let long = "x".repeat(Envelope::MAX_ATTRIBUTE + 1);
    assert_eq!(
        refused(with("subject", &format!("{long:?}"))),
        CodecErrorKind::TooLarge
    );
    assert_eq!(
        refused(with("more", &format!("{long:?}"))),
        CodecErrorKind::TooLarge
    );
    let many: Vec<String> = (0..=Envelope::MAX_EXTENSIONS)
        .map(|n| format!("\"x{n}\":1"))
        .collect();
    let text = with("x", &format!("1,{}", many.join(",")));
    assert_eq!(refused(text), CodecErrorKind::TooLarge);
    let huge = "x".repeat(Envelope::MAX_SIZE);
    assert_eq!(
        refused(with("data", &format!("{huge:?}"))),
        CodecErrorKind::TooLarge
    );

    let event = || Envelope::new("1", "/a", "b").unwrap();
    let error = event().with_data(&huge).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::TooLarge);
    assert!(!error.to_string().contains("ValueFormat"), "{error}");
    let bytes = event().with_bytes("text/plain", huge);
    assert_eq!(
        bytes.to_json().unwrap_err().kind(),
        CodecErrorKind::TooLarge
    );
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    if let Ok(event) = Envelope::from_json(with("data", &deep).as_bytes()) {
        assert_eq!(
            event.data::<Value>().unwrap_err().kind(),
            CodecErrorKind::Corrupt
        );
    }
    let _ = Envelope::from_json(with("more", &deep).as_bytes());
}

#[test]
fn senders_are_told_what_they_do_wrong() {
    for (id, source, kind) in [
        ("", "/a", "b"),
        ("1", "", "b"),
        ("1", "/a", ""),
        ("1", "a b", "c"),
        ("\n", "/a", "b"),
    ] {
        let error = Envelope::new(id, source, kind).unwrap_err();
        assert_eq!(
            error.kind(),
            CodecErrorKind::Encode,
            "{id:?} {source:?} {kind:?}"
        );
    }
    for name in [
        "id",
        "data",
        "UPPER",
        "",
        "more-than-it",
        "longerthantwentyletters",
    ] {
        let event = Envelope::new("1", "/a", "b").unwrap();
        assert!(event.with_extension(name, 1).is_err(), "{name}");
    }
}

#[test]
fn neither_data_nor_extensions_show_in_debug_or_errors() {
    let event = Envelope::new("1", "/a", "b").unwrap();
    let event = event.with_extension("token", "secret").unwrap();
    let event = event.with_data("secret").unwrap();
    let text = format!(
        "{event:?} {:?} {:?}",
        event.extension("token"),
        event.data::<u32>()
    );
    assert!(!text.contains("secret"), "{text}");
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        any::<String>().prop_map(Attribute::from),
        any::<i64>().prop_map(Attribute::from),
        any::<bool>().prop_map(Attribute::from),
    ]
}

#[derive(Clone, Debug)]
enum Payload {
    None,
    Json(Vec<Option<String>>),
    Bytes(Vec<u8>),
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::None),
        vec(any::<Option<String>>(), 0..5).prop_map(Payload::Json),
        vec(any::<u8>(), 0..40).prop_map(Payload::Bytes),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (
        ("[!-~]{1,20}", "/[a-z/]{0,20}", "[ -~]{1,20}"),
        // Whole nanoseconds between the years 0 and 9999, on both sides of 1970.
        option::of((-62_000_000_000_i64..253_000_000_000, 0_u32..1_000_000_000)),
        (option::of("[ -~]{1,9}"), option::of("[ -~]{1,9}")),
        btree_map("[a-z]{3}x[0-9]{0,9}", attribute(), 0..6),
        payload(),
    )
        .prop_map(
            |((id, source, kind), time, (subject, schema), extensions, payload)| {
                let mut event = Envelope::new(id, source, kind).unwrap();
                if let Some((seconds, nanos)) = time {
                    let whole = Duration::from_secs(seconds.unsigned_abs());
                    let epoch = SystemTime::UNIX_EPOCH;
                    let second = if seconds < 0 {
                        epoch - whole
                    } else {
                        epoch + whole
                    };
                    event = event.with_time(second + Duration::from_nanos(nanos.into()));
                }
                event = event.with_subject(subject.unwrap_or_default());
                event = event.with_schema(schema.unwrap_or_default());
                for (name, value) in extensions {
                    event = event.with_extension(&name, value).unwrap();
                }
                match payload {
                    Payload::None => event,
                    Payload::Json(data) => event.with_data(&data).unwrap(),
                    Payload::Bytes(bytes) => event.with_bytes("application/octet-stream", bytes),
                }
            },
        )
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(event in envelope()) {
        let text = event.to_json().unwrap();
        prop_assert_eq!(Envelope::from_json(&text).unwrap(), event);
        // And is JSON for everybody else.
        let value: Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(&value["specversion"], "1.0");
    }

    #[test]
    fn the_order_of_members_and_unknown_ones_do_not_matter(event in envelope(), seed in any::<u64>()) {
        let text = event.to_json().unwrap();
        let members: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
        let mut members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
            .collect();
        members.push(r#""unknown_one":{"deep":[null]}"#.to_owned());
        let turn = usize::try_from(seed % members.len() as u64).unwrap();
        members.rotate_left(turn);
        if seed % 2 == 0 {
            members.reverse();
        }
        let shuffled = format!("{{{}}}", members.join(" , "));
        prop_assert_eq!(Envelope::from_json(shuffled.as_bytes()).unwrap(), event);
    }

    #[test]
    fn damage_never_panics(event in envelope(), place in any::<usize>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut text = event.to_json().unwrap().to_vec();
        let place = place % text.len();
        match cut {
            true => text.truncate(place),
            false => text[place] = byte,
        }
        if let Ok(event) = Envelope::from_json(&text) {
            let _ = event.data::<Value>();
            prop_assert!(!event.id().is_empty() && !event.source().is_empty() && !event.kind().is_empty());
            // What was read can be passed on.
            prop_assert_eq!(Envelope::from_json(&event.to_json().unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        let kind = Envelope::from_json(&bytes).map_err(|error| error.kind());
        prop_assert!(!matches!(kind, Err(CodecErrorKind::Encode | CodecErrorKind::Configuration)));
    }
}
