//! Rendering and parsing are inverse, for every family, id, format and namespace.

use std::fmt::Debug;

use proptest::{
    prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    test_runner::TestCaseError,
};

use super::{
    raw_id, raw_path,
    report_key::{Careless, ReportKey, Wide},
    schema,
};
use crate::{
    BoundedSegment, CivilDate, ContentHash, CostKey, GlobalKey, Key, KeyError, KeyFamily, KeyPath,
    KeySchema, KnownKey, ModelKey, ModelName, ModelVersion, Namespace, ProjectId, ProjectKey,
    ProviderKey, ProviderMetric, ProviderName, QuotaKey, QuotaMetric, QuotaRecord, RateLimitKey,
    RateLimitState, Segment, SessionId, SessionKey, UserId,
};

fn user() -> impl Strategy<Value = UserId> {
    raw_id().prop_map(|id| UserId::new(id).expect("a short id"))
}

fn path() -> impl Strategy<Value = KeyPath> {
    raw_path().prop_map(|path| KeyPath::new(path).expect("a short path"))
}

fn date() -> impl Strategy<Value = CivilDate> {
    (1_u16..=9999, 1_u8..=12, 1_u8..=28)
        .prop_map(|(year, month, day)| CivilDate::new(year, month, day).expect("a real day"))
}

fn hash() -> impl Strategy<Value = ContentHash> {
    (any::<bool>(), any::<String>()).prop_map(|(is_text, content)| match is_text {
        true => ContentHash::of_text(&content),
        false => ContentHash::of(content),
    })
}

fn known() -> impl Strategy<Value = KnownKey> {
    prop_oneof![owned_path(), of_models(), of_a_user()]
}

fn owned_path() -> impl Strategy<Value = KnownKey> {
    prop_oneof![
        (raw_id(), path()).prop_map(|(id, path)| {
            KnownKey::Session(SessionKey::new(
                SessionId::new(id).expect("a short id"),
                path,
            ))
        }),
        (raw_id(), path()).prop_map(|(id, path)| {
            KnownKey::Project(ProjectKey::new(
                ProjectId::new(id).expect("a short id"),
                path,
            ))
        }),
        (raw_id(), hash()).prop_map(|(id, hash)| {
            KnownKey::Project(ProjectKey::analysis(
                ProjectId::new(id).expect("a short id"),
                hash,
            ))
        }),
    ]
}

fn of_models() -> impl Strategy<Value = KnownKey> {
    prop_oneof![
        (raw_id(), raw_id(), hash()).prop_map(|(name, version, hash)| {
            let name = ModelName::new(name).expect("a short id");
            KnownKey::Model(ModelKey::new(
                name,
                ModelVersion::new(version).expect("a short id"),
                hash,
            ))
        }),
        (raw_id(), raw_id()).prop_map(|(name, metric)| {
            let name = ProviderName::new(name).expect("a short id");
            KnownKey::Provider(ProviderKey::new(
                name,
                ProviderMetric::new(metric).expect("a short id"),
            ))
        }),
    ]
}

fn of_a_user() -> impl Strategy<Value = KnownKey> {
    prop_oneof![
        (user(), date())
            .prop_map(|(user, date)| KnownKey::RateLimit(RateLimitKey::Requests { user, date })),
        user().prop_map(|user| KnownKey::RateLimit(RateLimitKey::DailyLimit { user })),
        user().prop_map(|user| KnownKey::RateLimit(RateLimitKey::MonthlyLimit { user })),
        (user(), date()).prop_map(|(user, date)| {
            KnownKey::RateLimit(RateLimitKey::MonthlyRequests {
                user,
                month: date.civil_month(),
            })
        }),
        (
            user(),
            proptest::sample::select(RateLimitState::ALL),
            raw_id()
        )
            .prop_map(|(user, state, name)| {
                let name = Segment::new(name).expect("a short id");
                KnownKey::RateLimit(RateLimitKey::State { user, state, name })
            }),
        (user(), raw_id(), date()).prop_map(|(user, metric, date)| {
            KnownKey::Quota(QuotaKey::new(
                user,
                QuotaMetric::new(metric).expect("a short id"),
                date,
            ))
        }),
        (user(), raw_id(), quota_record()).prop_map(|(user, metric, record)| {
            let metric = QuotaMetric::new(metric).expect("a short id");
            KnownKey::Quota(QuotaKey::of(user, metric, record))
        }),
        (user(), date()).prop_map(|(user, date)| KnownKey::Cost(CostKey::Weekly { user, date })),
        (user(), date()).prop_map(|(user, date)| KnownKey::Cost(CostKey::Period { user, date })),
        user().prop_map(|user| KnownKey::Cost(CostKey::Holds { user })),
        user().prop_map(|user| KnownKey::Cost(CostKey::HoldExpiries { user })),
        (user(), date()).prop_map(|(user, date)| KnownKey::Cost(CostKey::Daily { user, date })),
        (user(), date()).prop_map(|(user, date)| {
            KnownKey::Cost(CostKey::Monthly {
                user,
                month: date.civil_month(),
            })
        }),
    ]
}

fn quota_record() -> impl Strategy<Value = QuotaRecord> {
    prop_oneof![
        date().prop_map(QuotaRecord::Week),
        date().prop_map(QuotaRecord::Period),
        date().prop_map(|date| QuotaRecord::Month(date.civil_month())),
        proptest::sample::select(&[
            QuotaRecord::Gauge,
            QuotaRecord::Holds,
            QuotaRecord::HoldExpiries
        ]),
    ]
}

fn render(schema: &KeySchema, key: &KnownKey) -> Key {
    match key {
        KnownKey::Session(key) => schema.key(key),
        KnownKey::Project(key) => schema.key(key),
        KnownKey::Model(key) => schema.key(key),
        KnownKey::Provider(key) => schema.key(key),
        KnownKey::RateLimit(key) => schema.key(key),
        KnownKey::Quota(key) => schema.key(key),
        KnownKey::Cost(key) => schema.key(key),
    }
}

fn round_trip<K>(schema: &KeySchema, key: &K) -> Result<(), TestCaseError>
where
    K: KeyFamily + Debug + PartialEq,
{
    let rendered = schema.key(key);
    prop_assert!(rendered.as_bytes().len() <= Key::MAX_BYTES);
    let parsed = schema.parse::<K>(&rendered);
    prop_assert_eq!(parsed.as_ref(), Ok(key));
    Ok(())
}

proptest! {
    #[test]
    fn every_built_in_key_parses_back(schema in schema(), key in known()) {
        prop_assert_eq!(schema.parse_known(&render(&schema, &key)), Ok(key));
    }

    #[test]
    fn equal_keys_are_rendered_by_equal_values_only(schema in schema(), a in known(), b in known()) {
        prop_assert_eq!(a == b, render(&schema, &a) == render(&schema, &b));
    }

    #[test]
    fn every_declared_key_parses_back(
        schema in schema(), region in "[a-z:]{1,10}", user in user(), name in raw_id(), path in path()
    ) {
        let region = BoundedSegment::new(region).expect("at most 30 bytes, encoded");
        let name = Segment::new(name).expect("a short id");
        round_trip(&schema, &ReportKey::Summary { region: region.clone(), user: user.clone(), name })?;
        round_trip(&schema, &ReportKey::File { region, user, path })?;
    }

    #[test]
    fn a_global_text_names_the_key_of_its_family(schema in schema(), key in known()) {
        let Ok(global) = GlobalKey::try_from(key.clone()) else {
            prop_assert!(matches!(key, KnownKey::Session(_) | KnownKey::Project(_)));
            return Ok(());
        };
        prop_assert_eq!(schema.key(&global), render(&schema, &key));
        prop_assert_eq!(global.known(), Some(key));
        round_trip(&schema, &global)?;
    }

    #[test]
    fn a_free_global_key_parses_back(schema in schema(), path in raw_path()) {
        if let Ok(key) = GlobalKey::new(path) {
            round_trip(&schema, &key)?;
        }
    }

    #[test]
    fn text_of_a_global_key_is_a_global_key(path in "(quota|cost|model|flags)(:[a-z0-9-]{1,10}){0,4}") {
        if let Ok(key) = GlobalKey::new(&path) {
            prop_assert_eq!(key.to_string(), path);
        }
    }

    #[test]
    fn parsing_foreign_bytes_renders_them_again_or_fails(schema in schema(), text in "[a-z:{}%]{0,30}|(session|quota|cost):[a-z:{}%0-9-]{1,20}") {
        let Ok(key) = Key::from_raw(text) else { return Ok(()) };
        if let Ok(known) = schema.parse_known(&key) {
            prop_assert_eq!(render(&schema, &known), key);
        }
    }

    #[test]
    fn ids_decode_to_what_was_given(raw in raw_id()) {
        let id = UserId::new(&raw).expect("a short id");
        prop_assert_eq!(id.decoded(), raw.as_str());
        prop_assert_eq!(id.to_string(), raw);
        prop_assert_eq!(UserId::from_encoded(id.as_encoded()), Ok(id.clone()));
        let forbidden = |c: char| matches!(c, ':' | '{' | '}') || c.is_whitespace() || c.is_control();
        prop_assert!(!id.as_encoded().contains(forbidden));
    }

    #[test]
    fn only_canonical_text_is_taken_as_encoded(text in "[a-c%0-9A-F: ]{1,12}") {
        if let Ok(segment) = Segment::from_encoded(&text) {
            prop_assert_eq!(Segment::new(segment.decoded()), Ok(segment.clone()));
            prop_assert_eq!(segment.as_encoded(), text);
        }
    }
}

#[test]
fn the_longest_values_still_fit_a_key() {
    let long = "x".repeat(256);
    let namespace = Namespace::new("n".repeat(64)).expect("64 bytes");
    for schema in [KeySchema::plain(), KeySchema::sharded()] {
        let schema = schema.with_namespace(namespace.clone());
        let path = format!("{}:{}", "p".repeat(255), "q".repeat(256));
        let path = KeyPath::new(path).expect("512 bytes");
        let key = ReportKey::File {
            region: BoundedSegment::new("r".repeat(32)).expect("32 bytes"),
            user: UserId::new(&long).expect("256 bytes"),
            path,
        };
        assert!(schema.key(&key).as_bytes().len() <= 1024);
        let version = ModelVersion::new(&long).expect("256 bytes");
        let key = ModelKey::new(
            ModelName::new(&long).expect("256 bytes"),
            version,
            ContentHash::of_text("x"),
        );
        assert!(schema.parse::<ModelKey>(&schema.key(&key)).is_ok());
    }
}

#[test]
fn the_specification_is_rendered_to_the_letter() {
    let schema = KeySchema::plain();
    for text in [
        "session:abc123:code_snippet",
        "session:abc123:current_file",
        "session:abc123:user_preferences",
        "project:proj456:analysis:a1b2c3d4",
        "project:proj456:file_tree",
        "project:proj456:recent_issues",
        "project:proj456:baseline_metrics",
        "provider:openai:health_status",
        "provider:openai:rate_limit_status",
        "ratelimit:user123:requests:2024-12-02",
        "ratelimit:user123:requests:monthly:2024-12",
        "ratelimit:user123:bucket:requests",
        "ratelimit:user123:block:requests",
        "ratelimit:user123:daily_limit",
        "ratelimit:user123:monthly_limit",
        "quota:user123:api_calls:2024-12-02",
        "quota:user123:analysis_runs:2024-12-02",
        "quota:user123:storage_bytes:2024-12-02",
        "quota:user123:storage_bytes:gauge:current",
        "quota:user123:api_calls:monthly:2024-12",
        "cost:user123:2024-12-02",
        "cost:user123:monthly:2024-12",
    ] {
        let key = Key::from_raw(text).expect("a short key");
        let known = schema
            .parse_known(&key)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(render(&schema, &known), key);
    }
}

#[test]
fn a_key_of_another_format_or_namespace_does_not_parse() {
    let key = SessionKey::current_file(SessionId::new("abc").expect("a short id"));
    let (plain, sharded) = (KeySchema::plain(), KeySchema::sharded());
    let staging =
        KeySchema::plain().with_namespace(Namespace::new("staging").expect("a short name"));
    assert!(sharded.parse::<SessionKey>(&plain.key(&key)).is_err());
    assert!(plain.parse::<SessionKey>(&sharded.key(&key)).is_err());
    assert!(plain.parse::<SessionKey>(&staging.key(&key)).is_err());
    let outside = staging.parse::<SessionKey>(&plain.key(&key));
    assert!(matches!(outside, Err(KeyError::OutsideNamespace { .. })));
}

#[test]
#[should_panic(expected = "writes too few fields")]
fn a_family_that_writes_too_few_fields_panics() {
    let _ = KeySchema::plain().key(&Careless { writes: 1 });
}

#[test]
#[should_panic(expected = "where its shape has none")]
fn a_family_that_writes_too_many_fields_panics() {
    let _ = KeySchema::plain().key(&Careless { writes: 3 });
}

#[test]
#[should_panic(expected = "where its shape has room for 20")]
fn a_field_that_could_be_too_long_panics_even_when_it_is_short() {
    let _ = KeySchema::plain().key(&Wide(Segment::new("x").expect("a short id")));
}

#[test]
fn a_family_that_reads_too_few_fields_is_an_error() {
    let key = KeySchema::plain().key(&Careless { writes: 2 });
    let parsed = KeySchema::plain().parse::<Careless>(&key).map(|_| ());
    assert_eq!(parsed, Err(KeyError::FieldMismatch { family: "careless" }));
}
