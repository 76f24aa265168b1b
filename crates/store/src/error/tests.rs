//! What errors say, and what they keep to themselves.

use std::error::Error as _;

use cachekit_keys::{Key, Pattern, SessionId, Ttl};

use super::{Error, ErrorKind};

#[test]
fn display_names_operation_kind_detail_and_key_but_not_the_source() {
    let source = SessionId::new("").unwrap_err();
    let error = Error::new(ErrorKind::WrongType, "get")
        .with_detail("holds a list")
        .with_key(&Key::from_raw("session:abc:x").unwrap())
        .with_source(source);
    assert_eq!(
        error.to_string(),
        "get: wrong type under the key: holds a list (key \"session:abc:x\")"
    );
    assert!(error.source().is_some());
}

#[test]
fn the_text_of_a_refused_name_or_ttl_tells_the_reason_once() {
    let refused = [
        (
            Error::from(SessionId::new("").unwrap_err()),
            "key: invalid input: the session id is empty: give it at least one character",
        ),
        (
            Error::from(SessionId::new("x".repeat(257)).unwrap_err()),
            "key: invalid input: the session id takes 257 encoded bytes of at most 256: shorten it or use a hash of it",
        ),
        (
            Error::from(Pattern::raw("*").unwrap_err()),
            "key: invalid input: the pattern `*` has no literal part: say `Pattern::everything` to match every key",
        ),
        (
            Error::from(Ttl::from_secs(-1).unwrap_err()),
            "ttl: invalid input: a lifetime cannot be negative",
        ),
    ];
    for (error, text) in refused {
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none(), "{text}");
    }
}

#[test]
fn long_keys_are_shortened() {
    let error =
        Error::new(ErrorKind::Timeout, "get").with_key(&Key::from_raw("k".repeat(500)).unwrap());
    assert_eq!(error.key(), Some(format!("{}...", "k".repeat(64)).as_str()));
}

#[test]
fn only_passing_conditions_are_retryable() {
    assert!(ErrorKind::NotReady.is_retryable());
    for kind in [
        ErrorKind::WrongType,
        ErrorKind::Unauthenticated,
        ErrorKind::PermissionDenied,
        ErrorKind::InvalidInput,
        ErrorKind::CrossSlot,
        ErrorKind::Closed,
        ErrorKind::WritesRefused,
        ErrorKind::NotFound,
        ErrorKind::LoadFailed,
        ErrorKind::WriteFailed,
    ] {
        assert!(!kind.is_retryable(), "{kind:?}");
    }
}

#[test]
fn changing_a_clone_leaves_the_original_alone() {
    let first = Error::new(ErrorKind::Timeout, "set");
    let second = first.clone().with_may_have_applied(true);
    assert!(second.may_have_applied());
    assert!(!first.may_have_applied());
}
