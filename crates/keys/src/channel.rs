//! Pub/sub channels: the specification's, and your own.
//!
//! A channel is a name. What is published on it, and who listens, is the business of other crates.

use std::{borrow::Cow, fmt, str};

use crate::{
    KeyError, KeyPath, UserId, encode,
    error::{excerpt, excerpt_bytes},
    pattern::text,
    words,
};

const WHAT: &str = "channel";
const USER: &str = "notifications:user:";

/// The name of a pub/sub channel, without a namespace. The schema adds that; see
/// [`KeySchema::channel_name`](crate::KeySchema::channel_name).
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Channel, UserId};
///
/// assert_eq!(Channel::VERSION_PROMOTED.as_encoded(), "events:version_promoted");
/// let user = UserId::new("user:7")?;
/// assert_eq!(Channel::user(&user).as_encoded(), "notifications:user:user%3A7");
/// assert_eq!(Channel::user(&user).user_id(), Some(user));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(Cow<'static, str>);

impl Channel {
    /// `events:version_promoted`: a version went live.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::VERSION_PROMOTED.as_encoded(), "events:version_promoted");
    /// ```
    pub const VERSION_PROMOTED: Self = Self::built_in("events:version_promoted");
    /// `events:baseline_violated`: a metric left its baseline.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::BASELINE_VIOLATED.as_encoded(), "events:baseline_violated");
    /// ```
    pub const BASELINE_VIOLATED: Self = Self::built_in("events:baseline_violated");
    /// `events:ai_analysis_completed`: an analysis is done.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::AI_ANALYSIS_COMPLETED.as_encoded(), "events:ai_analysis_completed");
    /// ```
    pub const AI_ANALYSIS_COMPLETED: Self = Self::built_in("events:ai_analysis_completed");
    /// `events:experiment_promoted`: an experiment became the rule.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::EXPERIMENT_PROMOTED.as_encoded(), "events:experiment_promoted");
    /// ```
    pub const EXPERIMENT_PROMOTED: Self = Self::built_in("events:experiment_promoted");
    /// `events:experiment_quarantined`: an experiment was taken out.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::EXPERIMENT_QUARANTINED.as_encoded(), "events:experiment_quarantined");
    /// ```
    pub const EXPERIMENT_QUARANTINED: Self = Self::built_in("events:experiment_quarantined");
    /// `notifications:admin`: for administrators.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::ADMIN.as_encoded(), "notifications:admin");
    /// ```
    pub const ADMIN: Self = Self::built_in("notifications:admin");
    /// `notifications:alerts`: for whoever is on call.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::ALERTS.as_encoded(), "notifications:alerts");
    /// ```
    pub const ALERTS: Self = Self::built_in("notifications:alerts");
    /// `system:health_check`: signs of life.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::HEALTH_CHECK.as_encoded(), "system:health_check");
    /// ```
    pub const HEALTH_CHECK: Self = Self::built_in("system:health_check");
    /// `system:cache_invalidation`: entries that are no longer valid.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::CACHE_INVALIDATION.as_encoded(), "system:cache_invalidation");
    /// ```
    pub const CACHE_INVALIDATION: Self = Self::built_in("system:cache_invalidation");
    /// `system:quota_warning`: a quota is nearly used up.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::QUOTA_WARNING.as_encoded(), "system:quota_warning");
    /// ```
    pub const QUOTA_WARNING: Self = Self::built_in("system:quota_warning");
    /// `system:limit_changes`: what a subject used of its limits was given back, or its limits were reset or changed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Channel::LIMIT_CHANGES.as_encoded(), "system:limit_changes");
    /// ```
    pub const LIMIT_CHANGES: Self = Self::built_in("system:limit_changes");

    /// `notifications:user:{user_id}`: for one user.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Channel, UserId};
    /// assert_eq!(Channel::user(&UserId::new("user123")?).as_encoded(), "notifications:user:user123");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn user(user: &UserId) -> Self {
        Self(Cow::Owned(format!("{USER}{}", user.as_encoded())))
    }

    /// A channel of any name: raw text, whose `:` separate segments, encoded as a [`KeyPath`].
    ///
    /// The text of a built-in channel gives that channel. An id that comes from outside and may hold a `:` belongs into a
    /// constructor, as [`Channel::user`].
    ///
    /// # Errors
    ///
    /// Those of [`KeyPath::new`], [`KeyError::Reserved`] for the first word `ck`, and [`KeyError::Malformed`] for a text
    /// under `notifications:user` that is not one user's channel.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Channel;
    /// assert_eq!(Channel::new("orders:placed")?.as_encoded(), "orders:placed");
    /// assert_eq!(Channel::new("system:health_check")?, Channel::HEALTH_CHECK);
    /// assert!(Channel::new("ck:x").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn new(name: impl AsRef<str>) -> Result<Self, KeyError> {
        KeyPath::new(name).and_then(|path| Self::checked(&path))
    }

    /// Takes the name of a channel as it stands on the server, without a namespace.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotCanonical`] for text that this crate would not have produced, and as for [`Channel::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Channel;
    /// assert_eq!(Channel::parse(b"notifications:admin")?, Channel::ADMIN);
    /// assert!(Channel::parse(b"two words").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn parse(name: &[u8]) -> Result<Self, KeyError> {
        let text = str::from_utf8(name).map_err(|_| KeyError::NotCanonical {
            what: WHAT,
            text: excerpt_bytes(name),
        })?;
        // A user's id is one segment, where a colon is encoded; in a path it never is.
        match text.strip_prefix(USER) {
            Some(id) => UserId::from_encoded(id).map(|user| Self::user(&user)),
            None => KeyPath::from_encoded(text).and_then(|path| Self::checked(&path)),
        }
    }

    /// The name as it stands on the server, without a namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Channel;
    /// assert_eq!(Channel::new("my orders")?.as_encoded(), "my%20orders");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_encoded(&self) -> &str {
        &self.0
    }

    /// Whose notifications these are, for a channel of one user.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Channel;
    /// assert_eq!(Channel::ADMIN.user_id(), None);
    /// assert!(Channel::new("notifications:user:u1")?.user_id().is_some());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.0
            .strip_prefix(USER)
            .and_then(|id| UserId::from_encoded(id).ok())
    }

    const fn built_in(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    fn checked(path: &KeyPath) -> Result<Self, KeyError> {
        let text = path.as_encoded();
        if path.segments().next() == Some(words::RESERVED) {
            return Err(KeyError::Reserved {
                what: WHAT,
                word: words::RESERVED.to_owned(),
            });
        }
        // One user's channel has exactly one segment behind the prefix, or nobody would receive what is sent there.
        let is_users = text == USER.trim_end_matches(':') || text.starts_with(USER);
        let channel = Self(Cow::Owned(text.to_owned()));
        if is_users && channel.user_id().is_none() {
            return Err(KeyError::Malformed {
                what: "channel of a user",
                text: excerpt(text),
            });
        }
        Ok(channel)
    }
}

impl fmt::Display for Channel {
    /// The decoded name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encode::decode(&self.0).unwrap_or(Cow::Borrowed(&self.0)))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.as_encoded()).finish()
    }
}

impl TryFrom<&str> for Channel {
    type Error = KeyError;

    fn try_from(name: &str) -> Result<Self, KeyError> {
        Self::new(name)
    }
}

/// A pattern over channels, without a namespace: `events:*`. The schema renders it; see
/// [`KeySchema::channel_pattern`](crate::KeySchema::channel_pattern).
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Channel, ChannelPattern, KeySchema};
///
/// let schema = KeySchema::plain();
/// let pattern = schema.channel_pattern(&ChannelPattern::new("events:experiment_*")?);
/// assert!(pattern.matches(&schema.channel_name(&Channel::EXPERIMENT_PROMOTED)));
/// assert!(!pattern.matches(&schema.channel_name(&Channel::BASELINE_VIOLATED)));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelPattern(Cow<'static, [u8]>);

impl ChannelPattern {
    /// Takes a text pattern, whose first word is literal. Literal text is raw, and encoded and escaped.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], [`KeyError::UnknownPattern`] for a wildcard in the first word, and
    /// [`KeyError::UnusablePattern`] for an empty segment or a class that is not closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ChannelPattern;
    /// assert!(ChannelPattern::new("orders:*").is_ok());
    /// assert!(ChannelPattern::new("*").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, KeyError> {
        text::render_free(text).map(|glob| Self(Cow::Owned(glob)))
    }

    /// `events:*`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ChannelPattern;
    /// assert_eq!(ChannelPattern::events(), ChannelPattern::new("events:*")?);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn events() -> Self {
        Self(Cow::Borrowed(b"events:*"))
    }

    /// `notifications:*`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ChannelPattern;
    /// assert_eq!(ChannelPattern::notifications(), ChannelPattern::new("notifications:*")?);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn notifications() -> Self {
        Self(Cow::Borrowed(b"notifications:*"))
    }

    /// `system:*`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ChannelPattern;
    /// assert_eq!(ChannelPattern::system(), ChannelPattern::new("system:*")?);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn system() -> Self {
        Self(Cow::Borrowed(b"system:*"))
    }

    pub(crate) fn glob(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelPattern")
            .field(&String::from_utf8_lossy(&self.0))
            .finish()
    }
}
