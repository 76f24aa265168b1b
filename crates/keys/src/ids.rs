//! The ids of the built-in families: one type each, so that a user's id cannot stand where a project's belongs.
//!
//! All of them are a [`Segment`] inside; the macro only repeats its methods under the type's own name.

use std::borrow::Cow;

use crate::{
    KeyError, KeyField, Segment,
    conversions::text_conversions,
    field::{Sealed, Token},
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $sample:literal) => {
        $(#[$doc])*
        ///
        /// One segment of a key: raw text is percent-encoded as in [`Segment`]. `Display` shows the decoded text.
        ///
        /// # Examples
        ///
        /// ```
        #[doc = concat!("use cachekit_keys::", stringify!($name), ";")]
        ///
        #[doc = concat!("let id = ", stringify!($name), "::new(\"", $sample, "\")?;")]
        #[doc = concat!("assert_eq!(id.as_encoded(), \"", $sample, "\");")]
        #[doc = concat!("assert_eq!(\"", $sample, "\".parse::<", stringify!($name), ">()?, id);")]
        #[doc = concat!("assert!(", stringify!($name), "::new(\"\").is_err());")]
        /// # Ok::<(), cachekit_keys::KeyError>(())
        /// ```
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Segment);

        impl $name {
            /// Encodes raw text.
            ///
            /// # Errors
            ///
            /// [`KeyError::Empty`], or [`KeyError::TooLong`] beyond 256 encoded bytes.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("# use cachekit_keys::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::new(\"a:b\")?.as_encoded(), \"a%3Ab\");")]
            /// # Ok::<(), cachekit_keys::KeyError>(())
            /// ```
            pub fn new(raw: impl AsRef<str>) -> Result<Self, KeyError> {
                Segment::named($what, raw.as_ref(), Segment::MAX_BYTES).map(Self)
            }

            /// Takes text that is encoded already, as it stands in a key.
            ///
            /// # Errors
            ///
            /// As for `new`, and [`KeyError::NotCanonical`] for text that `new` would not have produced.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("# use cachekit_keys::", stringify!($name), ";")]
            #[doc = concat!("assert!(", stringify!($name), "::from_encoded(\"a%3Ab\").is_ok());")]
            #[doc = concat!("assert!(", stringify!($name), "::from_encoded(\"a:b\").is_err());")]
            /// ```
            pub fn from_encoded(encoded: &str) -> Result<Self, KeyError> {
                Segment::named_encoded($what, encoded, Segment::MAX_BYTES).map(Self)
            }

            /// The text as it stands in keys.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("# use cachekit_keys::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::new(\"a b\")?.as_encoded(), \"a%20b\");")]
            /// # Ok::<(), cachekit_keys::KeyError>(())
            /// ```
            #[must_use]
            pub fn as_encoded(&self) -> &str {
                self.0.as_encoded()
            }

            /// The raw text that was given.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("# use cachekit_keys::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::new(\"a b\")?.decoded(), \"a b\");")]
            /// # Ok::<(), cachekit_keys::KeyError>(())
            /// ```
            #[must_use]
            pub fn decoded(&self) -> Cow<'_, str> {
                self.0.decoded()
            }
        }

        text_conversions!($name);

        impl From<Segment> for $name {
            fn from(segment: Segment) -> Self {
                Self(segment)
            }
        }

        impl From<$name> for Segment {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl Sealed for $name {}

        impl KeyField for $name {
            const MAX_BYTES: usize = Segment::MAX_BYTES;

            fn encoded(&self, _: Token) -> Cow<'_, str> {
                Cow::Borrowed(self.as_encoded())
            }

            fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
                Self::from_encoded(encoded)
            }
        }
    };
}

id! {
    /// Names a session: the owner of [`SessionKey`](crate::SessionKey)s.
    ///
    /// Errors, logs and the server's own tools show keys, and the id stands in them as it is. Where whoever knows it *is*
    /// the user, as with a bearer cookie, use a hash of the cookie ([`ContentHash`](crate::ContentHash)) and not the cookie.
    SessionId, "session id", "abc123"
}
id! {
    /// Names a project: the owner of [`ProjectKey`](crate::ProjectKey)s.
    ProjectId, "project id", "proj456"
}
id! {
    /// Names a user: the owner of limits, quotas and costs, and of a notification channel.
    UserId, "user id", "user123"
}
id! {
    /// Names a language model.
    ModelName, "model name", "gpt-4"
}
id! {
    /// Names a version of a model.
    ModelVersion, "model version", "v2.1.0"
}
id! {
    /// Names a provider of models.
    ProviderName, "provider name", "openai"
}
id! {
    /// Names what is known of a provider, as `health_status`.
    ProviderMetric, "provider metric", "latency_p99"
}
id! {
    /// Names what a quota counts, as `api_calls`.
    QuotaMetric, "quota metric", "exports"
}
id! {
    /// Names what entries have in common whoever owns them, as `release-7`, so that all of them can be invalidated at once.
    Tag, "tag", "release-7"
}

impl ProviderMetric {
    /// `health_status`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::ProviderMetric::health_status().as_encoded(), "health_status");
    /// ```
    #[must_use]
    pub fn health_status() -> Self {
        Self(Segment::literal("health_status"))
    }

    /// `rate_limit_status`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::ProviderMetric::rate_limit_status().as_encoded(), "rate_limit_status");
    /// ```
    #[must_use]
    pub fn rate_limit_status() -> Self {
        Self(Segment::literal("rate_limit_status"))
    }
}

impl QuotaMetric {
    /// `api_calls`: calls of the API in a day.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::QuotaMetric::api_calls().as_encoded(), "api_calls");
    /// ```
    #[must_use]
    pub fn api_calls() -> Self {
        Self(Segment::literal("api_calls"))
    }

    /// `analysis_runs`: analyses in a day.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::QuotaMetric::analysis_runs().as_encoded(), "analysis_runs");
    /// ```
    #[must_use]
    pub fn analysis_runs() -> Self {
        Self(Segment::literal("analysis_runs"))
    }

    /// `storage_bytes`: bytes stored.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::QuotaMetric::storage_bytes().as_encoded(), "storage_bytes");
    /// ```
    #[must_use]
    pub fn storage_bytes() -> Self {
        Self(Segment::literal("storage_bytes"))
    }
}
