//! Companions are in their key's slot, and found by no pattern of a family.

use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    strategy::Strategy,
};

use super::{raw_id, schema};
use crate::{Channel, CompanionKind, Key, KeyError, ProjectId, ProjectKey};

fn foreign_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        vec(any::<u8>(), 1..40),
        "[ab{}:]{1,16}".prop_map(String::into_bytes)
    ]
    .prop_map(|bytes| Key::from_raw(bytes).expect("a short key"))
}

proptest! {
    #[test]
    fn a_companion_is_in_its_keys_slot_or_impossible(key in foreign_key()) {
        for &kind in CompanionKind::ALL {
            match key.companion(kind) {
                Ok(companion) => {
                    prop_assert_eq!(companion.slot(), key.slot());
                    prop_assert!(companion.is_reserved());
                    prop_assert_eq!(companion.accompanied(), Some((kind, key.clone())));
                    prop_assert_eq!(Key::from_raw(companion.to_bytes()), Ok(companion));
                }
                Err(KeyError::NoHashTag { .. }) => {
                    prop_assert!(key.hash_tag().is_none());
                    let is_brace = |byte: &u8| matches!(byte, b'{' | b'}');
                    let has_brace = key.as_bytes().iter().any(is_brace);
                    prop_assert!(has_brace);
                }
                Err(other) => prop_assert!(key.is_reserved(), "{other}"),
            }
        }
    }

    #[test]
    fn every_key_of_a_family_has_companions_that_its_patterns_pass_over(
        schema in schema(), id in raw_id()
    ) {
        let id = ProjectId::new(id).expect("a short id");
        let key = schema.key(&ProjectKey::file_tree(id.clone()));
        for &kind in CompanionKind::ALL {
            let companion = key.companion(kind).expect("a key of a family");
            prop_assert_eq!(companion.slot(), key.slot());
            prop_assert!(!schema.project_keys(&id).matches(companion.as_bytes()));
            prop_assert!(!schema.pattern("project:*").expect("a known family").matches(companion.as_bytes()));
        }
    }

    #[test]
    fn two_keys_never_share_a_wake_up_channel(a in foreign_key(), b in foreign_key()) {
        prop_assert_eq!(a == b, a.wake_channel() == b.wake_channel());
    }

    #[test]
    fn a_wake_up_channel_is_in_its_keys_slot_where_the_key_has_companions(key in foreign_key()) {
        let channel = Key::from_raw(key.wake_channel()).expect("a short channel");
        prop_assert!(channel.is_reserved());
        if key.companion(CompanionKind::Lease).is_ok() {
            prop_assert_eq!(channel.slot(), key.slot());
        }
    }

    #[test]
    fn a_reserved_key_has_no_companion(rest in vec(any::<u8>(), 0..20)) {
        let key = Key::from_raw(Bytes::from([b"ck:", &rest[..]].concat())).expect("a short key");
        let companion = key.companion(CompanionKind::Lease);
        let is_refused = matches!(companion, Err(KeyError::CompanionOfCompanion { .. }));
        prop_assert!(is_refused);
    }

    #[test]
    fn accompanied_never_accepts_what_companion_does_not_make(text in "ck:(lease|dirty|odd):[{}a:]{0,8}") {
        let key = Key::from_raw(text).expect("a short key");
        if let Some((kind, owner)) = key.accompanied() {
            prop_assert_eq!(owner.companion(kind), Ok(key));
        }
    }
}

#[test]
fn slots_are_those_of_the_cluster_specification() {
    for (key, slot) in [
        ("123456789", 12739),
        ("foo", 12182),
        ("bar", 5061),
        ("{user1000}.following", 3443),
    ] {
        assert_eq!(
            Key::from_raw(key).expect("a short key").slot(),
            slot,
            "{key}"
        );
    }
}

#[test]
fn the_effective_tag_is_the_first_pairs() {
    for (key, tag) in [
        ("foo{}{bar}", None),
        ("foo{{bar}}zap", Some("{bar")),
        ("foo{bar}{zap}", Some("bar")),
        ("}{a}", Some("a")),
        ("{open", None),
        ("plain", None),
    ] {
        let key = Key::from_raw(key).expect("a short key");
        assert_eq!(key.hash_tag(), tag.map(str::as_bytes), "{key}");
    }
}

#[test]
fn a_companion_may_be_longer_than_a_key() {
    let key = Key::from_raw(format!("{{{}}}", "x".repeat(1022))).expect("1024 bytes");
    let companion = key.companion(CompanionKind::Lease).expect("it has a tag");
    assert!(companion.as_bytes().len() > Key::MAX_BYTES);
    assert_eq!(Key::from_raw(companion.to_bytes()), Ok(companion));
}

#[test]
fn keys_that_look_like_each_others_wake_up_channels_have_different_ones() {
    let channel = |key: &'static str| Key::from_raw(key).expect("a short key").wake_channel();
    assert_eq!(channel("{a}"), "ck:wake:{a}:{a}");
    assert_eq!(channel("a}:{a"), "ck:wake:{}:a}:{a");
    assert_eq!(channel("ck:lease:{a}"), "ck:wake:{a}:ck:lease:{a}");
}

#[test]
fn a_users_channel_is_never_a_wake_up_channel() {
    let channel = Key::from_raw("a").expect("a short key").wake_channel();
    assert!(Channel::parse(&channel).is_err());
    assert!(Channel::new("ck:wake:a").is_err());
}
