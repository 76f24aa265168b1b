//! Channels: the specification's names, escaping, and parsing back.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{raw_id, raw_path, schema};
use crate::{Channel, ChannelPattern, KeyError, KeySchema, UserId};

proptest! {
    #[test]
    fn a_users_channel_parses_back(schema in schema(), id in raw_id()) {
        let user = UserId::new(id).expect("a short id");
        let channel = Channel::user(&user);
        prop_assert_eq!(channel.user_id(), Some(user));
        let name = schema.channel_name(&channel);
        prop_assert!(schema.channel_pattern(&ChannelPattern::notifications()).matches(&name));
        prop_assert!(!schema.channel_pattern(&ChannelPattern::events()).matches(&name));
        prop_assert_eq!(schema.parse_channel(&name), Ok(channel));
    }

    #[test]
    fn a_custom_channel_parses_back(schema in schema(), name in raw_path()) {
        if let Ok(channel) = Channel::new(name) {
            prop_assert_eq!(schema.parse_channel(&schema.channel_name(&channel)), Ok(channel));
        }
    }
}

#[test]
fn the_specifications_channels_are_rendered_to_the_letter() {
    for (channel, name) in [
        (Channel::VERSION_PROMOTED, "events:version_promoted"),
        (Channel::BASELINE_VIOLATED, "events:baseline_violated"),
        (
            Channel::AI_ANALYSIS_COMPLETED,
            "events:ai_analysis_completed",
        ),
        (Channel::EXPERIMENT_PROMOTED, "events:experiment_promoted"),
        (
            Channel::EXPERIMENT_QUARANTINED,
            "events:experiment_quarantined",
        ),
        (Channel::ADMIN, "notifications:admin"),
        (Channel::ALERTS, "notifications:alerts"),
        (Channel::HEALTH_CHECK, "system:health_check"),
        (Channel::CACHE_INVALIDATION, "system:cache_invalidation"),
        (Channel::QUOTA_WARNING, "system:quota_warning"),
        (Channel::LIMIT_CHANGES, "system:limit_changes"),
    ] {
        assert_eq!(
            &KeySchema::sharded().channel_name(&channel)[..],
            name.as_bytes()
        );
        assert_eq!(Channel::new(name), Ok(channel));
    }
}

#[test]
fn a_text_that_is_no_users_channel_is_refused() {
    for text in ["notifications:user", "notifications:user:a:b"] {
        assert!(
            matches!(Channel::new(text), Err(KeyError::Malformed { .. })),
            "{text}"
        );
    }
}

#[test]
fn channel_patterns_need_a_literal_first_word() {
    for text in ["*", "ev*:x", "?:x"] {
        assert!(
            matches!(
                ChannelPattern::new(text),
                Err(KeyError::UnknownPattern { .. })
            ),
            "{text}"
        );
    }
    assert_eq!(
        ChannelPattern::new("a b:*")
            .map(|pattern| pattern.to_string())
            .as_deref(),
        Ok("a%20b:*")
    );
}
