//! How text patterns are rendered, and which are refused.

use super::report_key::ReportKey;
use crate::{GlobalKey, KeyError, KeySchema, Namespace, Pattern};

fn rendered(schema: &KeySchema, text: &str) -> String {
    match schema.pattern(text) {
        Ok(pattern) => pattern.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn text_patterns_are_rendered_in_the_active_format() {
    for (text, plain, sharded) in [
        (
            "project:proj456:*",
            "project:proj456:*",
            "project:{proj456}:*",
        ),
        ("project:proj*:x", "project:proj*:x", "project:{proj*}:x"),
        ("project:*", "project:*", "project:{*"),
        ("project:proj*", "project:proj*", "project:{proj*"),
        ("project:*_tree", "project:*_tree", "project:{*_tree"),
        (
            "project:a b:x y",
            "project:a%20b:x%20y",
            "project:{a%20b}:x%20y",
        ),
        (r"project:a\*b:*", r"project:a\*b:*", r"project:{a\*b}:*"),
        (r"project:a\:b:*", "project:a%3Ab:*", "project:{a%3Ab}:*"),
        ("project:{a}:*", "project:%7Ba%7D:*", "project:{%7Ba%7D}:*"),
        ("project:p[0-9]:*", "project:p[0-9]:*", "project:{p[0-9]}:*"),
        ("project:p?:*", "project:p?:*", "project:{p?}:*"),
        ("session:s:a:b:*", "session:s:a:b:*", "session:{s}:a:b:*"),
        ("model:gpt-4:*", "model:gpt-4:*", "model:gpt-4:*"),
        ("model:*:response", "model:*:response", "model:*:response"),
        (
            "provider:*:health_status",
            "provider:*:health_status",
            "provider:{*}:health_status",
        ),
        (
            "quota:u1:*:2024-12-02",
            "quota:u1:*:2024-12-02",
            "quota:{u1}:*:2024-12-02",
        ),
        (
            "cost:u1:monthly:*",
            "cost:u1:monthly:*",
            "cost:{u1}:monthly:*",
        ),
        (
            "ratelimit:u1:requests:*",
            "ratelimit:u1:requests:*",
            "ratelimit:{u1}:requests:*",
        ),
    ] {
        assert_eq!(rendered(&KeySchema::plain(), text), plain);
        assert_eq!(rendered(&KeySchema::sharded(), text), sharded);
    }
}

#[test]
fn the_namespace_stands_before_a_pattern_and_is_escaped() {
    let schema = KeySchema::sharded().with_namespace(Namespace::new("a*").expect("a short name"));
    assert_eq!(rendered(&schema, "project:p:*"), r"a\*:project:{p}:*");
    assert_eq!(schema.all_keys().to_string(), r"a\*:*");
}

#[test]
fn patterns_of_no_known_family_are_refused_and_shown_the_way_out() {
    for text in [
        "*",
        "legacy:*",
        "proj*:x",
        "?",
        "[p]roject:x:*",
        "ck:lease:*",
        r"\*",
    ] {
        let error = KeySchema::plain().pattern(text).expect_err(text);
        assert!(
            matches!(error, KeyError::UnknownPattern { .. }),
            "{text}: {error}"
        );
        assert!(error.to_string().contains("Pattern::raw"));
    }
}

#[test]
fn patterns_that_can_match_no_key_are_refused() {
    for text in [
        "project:proj456",
        "project",
        "project:p?",
        "project::x",
        "project:p:",
        "project:p[abc:*",
        "project:p[é]:*",
        "ratelimit:u1:request:2024-12-02",
        "quota:u1:api_calls",
        "quota:u1:api_calls:2024-12-02:x",
        "cost:u1:yearly:2024",
        "model:gpt-4:v1:hash:respons?x",
        r"project:p:a\:b*",
    ] {
        for schema in [KeySchema::plain(), KeySchema::sharded()] {
            let error = schema.pattern(text).expect_err(text);
            assert!(
                matches!(error, KeyError::UnusablePattern { .. }),
                "{text}: {error}"
            );
        }
    }
    assert!(matches!(
        KeySchema::plain().pattern(""),
        Err(KeyError::Empty { .. })
    ));
    let long = format!("project:{}:*", "x".repeat(2000));
    assert!(matches!(
        KeySchema::plain().pattern(&long),
        Err(KeyError::TooLong { .. })
    ));
}

#[test]
fn a_declared_family_has_text_patterns_too() {
    let schema = KeySchema::sharded();
    let pattern = |text| {
        schema
            .pattern_of::<ReportKey>(text)
            .map(|pattern| pattern.to_string())
    };
    assert_eq!(
        pattern("report:eu:u1:file:*").as_deref(),
        Ok("report:eu:{u1}:file:*")
    );
    assert_eq!(pattern("report:eu:*").as_deref(), Ok("report:eu:{*"));
    assert_eq!(pattern("report:*").as_deref(), Ok("report:*"));
    assert!(pattern("project:p:*").is_err());
    assert!(schema.pattern("report:eu:u1:file:*").is_err());
}

#[test]
fn free_global_keys_have_text_patterns() {
    let schema = KeySchema::sharded();
    let pattern = schema
        .pattern_of::<GlobalKey>("flags:beta*")
        .expect("a free key");
    let key = schema.key(&GlobalKey::new("flags:beta:x").expect("a free key"));
    assert!(pattern.matches(key.as_bytes()));
    assert!(schema.pattern_of::<GlobalKey>("*").is_err());
    assert!(schema.pattern_of::<GlobalKey>("ck:*").is_err());
}

#[test]
fn raw_patterns_need_a_literal_byte() {
    for everything in ["*", "**", "?*", "*?", "[^]*", "[a-z]*", "[^a]", "?", "["] {
        let error = Pattern::raw(everything).expect_err(everything);
        assert!(
            matches!(error, KeyError::MatchesEverything { .. }),
            "{everything}"
        );
    }
    assert!(matches!(Pattern::raw(""), Err(KeyError::Empty { .. })));
    assert!(matches!(
        Pattern::raw("a".repeat(5000)),
        Err(KeyError::TooLong { .. })
    ));
    for constrained in ["a*", r"\*", "*:*", "[a]b", "\\"] {
        assert!(Pattern::raw(constrained).is_ok(), "{constrained}");
    }
    assert!(Pattern::everything().is_everything());
}
