//! The patterns that a schema makes: what an owner has, and text patterns of families.

use crate::{
    ChannelPattern, CostKey, FieldWriter, KeyError, KeyFamily, KeyField, KeySchema, ModelKey,
    Pattern, ProjectId, ProjectKey, ProviderKey, QuotaKey, RateLimitKey, SessionId, SessionKey,
    Shape, path::ANALYSIS, pattern::text,
};

/// The shapes of all built-in families.
const BUILT_IN: [&[Shape]; 7] = [
    SessionKey::SHAPES,
    ProjectKey::SHAPES,
    ModelKey::SHAPES,
    ProviderKey::SHAPES,
    RateLimitKey::SHAPES,
    QuotaKey::SHAPES,
    CostKey::SHAPES,
];

impl KeySchema {
    /// Renders a text pattern of a built-in family, given in the plain format.
    ///
    /// Literal text in it is raw, and encoded and escaped as in an id; `\x` is a literal `x` (and `\:` a colon inside an
    /// id). In [`KeyFormat::Sharded`](crate::KeyFormat::Sharded) the owner gets its braces, wildcards in it included:
    /// `project:proj*:x` becomes `project:{proj*}:x`, and stays within the owner there. In the plain format `*` and `?`
    /// cross `:`, as on the server, so that a wildcard in an owner also finds owners whose paths fit.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnknownPattern`] if the first word is no built-in family (a bare `*` too): use [`Pattern::raw`],
    /// [`Pattern::everything`] or [`KeySchema::pattern_of`]. [`KeyError::UnusablePattern`] for a pattern that can match no
    /// key of its family, as `project:proj456` without a path.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeySchema;
    /// let text = "project:proj456:*";
    /// assert_eq!(KeySchema::plain().pattern(text)?.to_string(), "project:proj456:*");
    /// assert_eq!(KeySchema::sharded().pattern(text)?.to_string(), "project:{proj456}:*");
    /// assert!(KeySchema::plain().pattern("*").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn pattern(&self, text: &str) -> Result<Pattern, KeyError> {
        self.text_pattern(text, &BUILT_IN.concat())
    }

    /// Renders a text pattern of one family, built-in or declared, as [`KeySchema::pattern`] does.
    ///
    /// [`GlobalKey`](crate::GlobalKey) stands for all families of its level, and free keys.
    ///
    /// # Errors
    ///
    /// As for [`KeySchema::pattern`], and [`KeyError::UnusablePattern`] if the shapes that fit have their owner in
    /// different places.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{GlobalKey, KeySchema};
    /// let schema = KeySchema::sharded();
    /// assert_eq!(schema.pattern_of::<GlobalKey>("flags:*")?.to_string(), "flags:*");
    /// assert_eq!(schema.pattern_of::<GlobalKey>("quota:u1:*")?.to_string(), "quota:{u1}:*");
    /// assert!(schema.pattern_of::<GlobalKey>("session:*").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn pattern_of<K: KeyFamily>(&self, text: &str) -> Result<Pattern, KeyError> {
        const { Shape::check_family(K::SHAPES) }
        self.text_pattern(text, K::SHAPES)
    }

    /// All keys of a session, and of no other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// let pattern = KeySchema::sharded().session_keys(&SessionId::new("abc*")?);
    /// assert_eq!(pattern.to_string(), r"session:{abc\*}:*");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn session_keys(&self, session: &SessionId) -> Pattern {
        self.paths_under(&SessionKey::SHAPES[0], session, "")
    }

    /// All keys of a project, and of no other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// let pattern = KeySchema::plain().project_keys(&ProjectId::new("proj456")?);
    /// assert_eq!(pattern.to_string(), "project:proj456:*");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn project_keys(&self, project: &ProjectId) -> Pattern {
        self.paths_under(&ProjectKey::SHAPES[0], project, "")
    }

    /// All analyses of a project, and of no other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// let pattern = KeySchema::plain().analyses(&ProjectId::new("proj456")?);
    /// assert_eq!(pattern.to_string(), "project:proj456:analysis:*");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn analyses(&self, project: &ProjectId) -> Pattern {
        self.paths_under(&ProjectKey::SHAPES[0], project, ANALYSIS)
    }

    /// Every key in the namespace. Without a namespace, [every key](Pattern::everything) on the server.
    ///
    /// The kit's companions live outside namespaces, so that the pattern of a namespace does not match them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, Namespace};
    /// let schema = KeySchema::plain();
    /// assert!(schema.all_keys().is_everything());
    /// let schema = schema.with_namespace(Namespace::new("staging")?);
    /// assert_eq!(schema.all_keys().to_string(), "staging:*");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn all_keys(&self) -> Pattern {
        ends_with_any(&self.prefix())
    }

    /// A pattern of channels as the server takes it, with the namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ChannelPattern, KeySchema};
    /// let pattern = KeySchema::plain().channel_pattern(&ChannelPattern::events());
    /// assert_eq!(pattern.to_string(), "events:*");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn channel_pattern(&self, pattern: &ChannelPattern) -> Pattern {
        let mut out = Vec::new();
        crate::pattern::push_literal(&mut out, &self.prefix());
        out.extend_from_slice(pattern.glob());
        Pattern::rendered(out)
    }

    fn text_pattern(&self, text: &str, shapes: &[Shape]) -> Result<Pattern, KeyError> {
        text::render(text, shapes, &self.prefix(), self.is_sharded())
    }

    /// What all keys of an owner start with, without the `:` behind it.
    pub(super) fn owner_text<F: KeyField>(&self, shape: &Shape, owner: &F) -> String {
        let mut out = self.prefix();
        FieldWriter::new(&mut out, shape, self.is_sharded()).owner(owner);
        out
    }

    /// All paths of an owner that start with this segment, or all.
    fn paths_under<F: KeyField>(&self, shape: &Shape, owner: &F, first: &str) -> Pattern {
        let mut out = self.owner_text(shape, owner);
        out.push(':');
        if !first.is_empty() {
            out.push_str(first);
            out.push(':');
        }
        ends_with_any(&out)
    }
}

/// Everything that starts with this text.
fn ends_with_any(prefix: &str) -> Pattern {
    let mut out = Vec::with_capacity(prefix.len() + 8);
    crate::pattern::push_literal(&mut out, prefix);
    out.push(b'*');
    Pattern::rendered(out)
}
