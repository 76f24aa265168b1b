//! Bad names are refused with the error that tells what to do.

use crate::{GlobalKey, Key, KeyError, KeyPath, Namespace, Segment, SessionId, UserId};

#[test]
fn empty_and_long_names_are_refused() {
    assert_eq!(
        SessionId::new(""),
        Err(KeyError::Empty { what: "session id" })
    );
    assert!(UserId::new("x".repeat(256)).is_ok());
    assert_eq!(
        UserId::new("x".repeat(257)),
        Err(KeyError::TooLong {
            what: "user id",
            bytes: 257,
            max: 256
        })
    );
    // The limit is on the encoded text: 86 blanks take 258 bytes.
    assert_eq!(
        UserId::new(" ".repeat(86)),
        Err(KeyError::TooLong {
            what: "user id",
            bytes: 258,
            max: 256
        })
    );
    assert!(Key::from_raw("x".repeat(1024)).is_ok());
    assert!(matches!(
        Key::from_raw("x".repeat(1025)),
        Err(KeyError::TooLong { .. })
    ));
    assert!(matches!(Key::from_raw(""), Err(KeyError::Empty { .. })));
}

#[test]
fn a_path_is_limited_as_a_whole_and_by_the_segment() {
    let longest = format!("{}:{}", "x".repeat(256), "y".repeat(255));
    assert!(KeyPath::new(&longest).is_ok());
    assert!(KeyPath::from_encoded(&longest).is_ok());
    assert_eq!(
        KeyPath::new(longest + ":"),
        Err(KeyError::TooLong {
            what: "key path",
            bytes: 513,
            max: 512
        })
    );
    // The second segment takes 258 bytes, encoded.
    for text in ["x".repeat(257), format!("a:{}", " ".repeat(86))] {
        assert!(
            matches!(KeyPath::new(&text), Err(KeyError::TooLong { max: 256, .. })),
            "{text}"
        );
        assert!(
            matches!(
                GlobalKey::new(&text),
                Err(KeyError::TooLong { max: 256, .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn control_characters_and_white_space_are_encoded_as_bytes_of_utf8() {
    for (raw, encoded) in [
        ("a\nb", "a%0Ab"),
        ("\u{7f}", "%7F"),
        ("\u{85}", "%C2%85"),
        ("\u{3000}", "%E3%80%80"),
        ("\u{2028}", "%E2%80%A8"),
        ("né*[?", "né*[?"),
    ] {
        assert_eq!(Segment::new(raw).expect("a short id").as_encoded(), encoded);
    }
}

#[test]
fn text_that_new_would_not_produce_is_not_canonical() {
    for text in [
        "a:b", "a b", "%3a", "%41", "%", "%4", "%zz", "%FF", "{", "é%C3",
    ] {
        assert!(
            matches!(
                Segment::from_encoded(text),
                Err(KeyError::NotCanonical { .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn paths_without_a_segment_are_refused() {
    for text in [":", "a:", ":a", "a::b"] {
        assert!(
            matches!(KeyPath::new(text), Err(KeyError::Empty { .. })),
            "{text}"
        );
    }
}

#[test]
fn words_of_the_kit_are_no_namespaces() {
    for word in ["ck", "session", "cost", "events", "notifications", "system"] {
        assert!(
            matches!(Namespace::new(word), Err(KeyError::Reserved { .. })),
            "{word}"
        );
    }
    assert!(Namespace::new("n".repeat(65)).is_err());
}

#[test]
fn global_texts_of_other_levels_or_malformed_families_are_refused() {
    for text in ["session:a:b", "session", "project:a:b", "ck:x", "ck"] {
        assert!(
            matches!(GlobalKey::new(text), Err(KeyError::Reserved { .. })),
            "{text}"
        );
    }
    for text in ["quota:user123", "model:gpt-4", "cost", "provider:a:b:c"] {
        assert!(
            matches!(GlobalKey::new(text), Err(KeyError::NotOfFamily { .. })),
            "{text}"
        );
    }
    for text in [
        "quota:u:api_calls:2024-13-02",
        "model:m:v:a1b2c3d4:response",
        "cost:u:2023-02-29",
    ] {
        assert!(
            matches!(GlobalKey::new(text), Err(KeyError::Malformed { .. })),
            "{text}"
        );
    }
}

#[test]
fn errors_show_the_start_of_a_text_and_nothing_that_moves_a_cursor() {
    let error = KeyPath::from_encoded(&"\u{1b}[2J ".repeat(40))
        .expect_err("not encoded")
        .to_string();
    assert!(
        error.contains("\\u{1b}") && error.contains('…') && error.len() < 400,
        "{error}"
    );
    assert!(!error.contains('\u{1b}'));
}
