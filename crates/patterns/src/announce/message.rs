//! What an announcement says.

use std::time::SystemTime;

use cachekit_codec::{CodecError, CodecErrorKind, Envelope};
use cachekit_keys::{Key, Pattern, ProjectId, SessionId, Tag};
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Values were invalidated: who holds copies of them drops these.
///
/// # On the wire
/// The event's `type` is `cachekit.cache.invalidated`, its `source` is `/cachekit/` and the origin, and its data is an object
/// with a member `cleared` that says what kind of thing was cleared, and one that says which:
///
/// | `cleared` | with | meaning |
/// |---|---|---|
/// | `keys` | `keys`: list of texts | these keys, as they stand on the server |
/// | `session` | `session`: its id | all of a session |
/// | `project` | `project`: its id | all of a project |
/// | `analyses` | `project`: its id | all analyses of a project |
/// | `owner` | `key`: text | all that the owner of this key has in the key's family |
/// | `tag` | `tag`: text | all that carries a tag, as far as the listener knows the tags of what it holds |
/// | `pattern` | `pattern`: text | all keys on the server that match a glob pattern |
/// | `everything` | | everything in the channel's namespace |
///
/// # Examples
/// ```
/// use std::time::SystemTime;
///
/// use cachekit_keys::SessionId;
/// use cachekit_patterns::{CacheInvalidated, Cleared};
///
/// let cleared = Cleared::Session(SessionId::new("abc123")?);
/// let event = CacheInvalidated::new(cleared, "api-7").to_event("api-7-1", SystemTime::now())?;
/// let heard = CacheInvalidated::from_event(&event)?;
/// assert_eq!((heard.origin.as_str(), &heard.cleared), ("api-7", &Cleared::Session(SessionId::new("abc123")?)));
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheInvalidated {
    /// What was cleared.
    pub cleared: Cleared,
    /// Which [announcer](crate::Announcer) says so: a listener knows its own by that.
    pub origin: String,
}

/// What was cleared.
///
/// # Examples
/// See [`CacheInvalidated`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cleared {
    /// Single keys.
    Keys(Vec<Key>),
    /// All of a session.
    Session(SessionId),
    /// All of a project.
    Project(ProjectId),
    /// All analyses of a project.
    Analyses(ProjectId),
    /// All that the owner of this key has in the key's family.
    Owner(Key),
    /// All that carries a tag.
    Tag(Tag),
    /// All keys that match a pattern.
    Pattern(Pattern),
    /// Everything in the namespace.
    Everything,
}

/// The data of the event.
#[derive(Serialize, Deserialize)]
#[serde(tag = "cleared", rename_all = "snake_case")]
enum Wire {
    Keys {
        keys: Vec<String>,
    },
    Session {
        session: String,
    },
    Project {
        project: String,
    },
    Analyses {
        project: String,
    },
    Owner {
        key: String,
    },
    Tag {
        tag: String,
    },
    Pattern {
        pattern: String,
    },
    Everything {},
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

const SOURCE: &str = "/cachekit/";

impl CacheInvalidated {
    /// The `type` of the event.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_patterns::CacheInvalidated::EVENT_TYPE, "cachekit.cache.invalidated");
    /// ```
    pub const EVENT_TYPE: &str = "cachekit.cache.invalidated";

    /// What an announcer of this name says.
    ///
    /// # Examples
    /// See [`CacheInvalidated`].
    #[must_use]
    pub fn new(cleared: Cleared, origin: impl Into<String>) -> Self {
        Self {
            cleared,
            origin: origin.into(),
        }
    }

    /// The event to be published. `id` is unique for the origin.
    ///
    /// A key or pattern that is no text, which no key of this crate is, becomes [`Cleared::Everything`].
    ///
    /// # Errors
    /// [`Encode`](ErrorKind::Encode) for an id or origin that is empty, or holds a space or control character, and
    /// [`TooLarge`](ErrorKind::TooLarge) beyond the limits of an event.
    ///
    /// # Examples
    /// See [`CacheInvalidated`].
    pub fn to_event(&self, id: impl Into<String>, time: SystemTime) -> Result<Envelope> {
        let source = format!("{SOURCE}{}", self.origin);
        let event = Envelope::new(id, source, Self::EVENT_TYPE);
        let event =
            event.and_then(|event| event.with_time(time).with_data(&self.cleared.to_wire()));
        event.map_err(|error| event_error("announce", &error))
    }

    /// What an event says.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) for an event of another type, or one that names no usable id, key or pattern;
    /// [`Newer`](ErrorKind::Newer) where a newer version clears something that this one does not know. A listener takes either
    /// as if everything had been cleared.
    ///
    /// # Examples
    /// See [`CacheInvalidated`].
    pub fn from_event(event: &Envelope) -> Result<Self> {
        let corrupt = |detail| Error::new(ErrorKind::Corrupt, "announcement").with_detail(detail);
        if event.kind() != Self::EVENT_TYPE {
            return Err(corrupt("the event is of another type"));
        }
        let origin = event.source().strip_prefix(SOURCE);
        let origin = origin.unwrap_or_else(|| event.source());
        let wire: Wire = event
            .data()
            .map_err(|error| event_error("announcement", &error))?;
        let cleared = Cleared::from_wire(wire)?;
        let cleared = cleared.ok_or_else(|| {
            Error::new(ErrorKind::Newer, "announcement")
                .with_detail("a newer version cleared what this one does not know")
        })?;
        Ok(Self::new(cleared, origin))
    }

    pub(super) fn from_json(text: &[u8]) -> Result<Self> {
        let event = Envelope::from_json(text);
        Self::from_event(&event.map_err(|error| event_error("announcement", &error))?)
    }
}

impl Cleared {
    fn to_wire(&self) -> Wire {
        let key = |key: &Key| key.as_str().map(ToOwned::to_owned);
        let text = match self {
            Self::Keys(keys) => {
                let keys: Option<Vec<String>> = keys.iter().map(key).collect();
                keys.map(|keys| Wire::Keys { keys })
            }
            Self::Session(id) => Some(Wire::Session {
                session: id.to_string(),
            }),
            Self::Project(id) => Some(Wire::Project {
                project: id.to_string(),
            }),
            Self::Analyses(id) => Some(Wire::Analyses {
                project: id.to_string(),
            }),
            Self::Owner(of) => key(of).map(|key| Wire::Owner { key }),
            Self::Tag(tag) => Some(Wire::Tag {
                tag: tag.to_string(),
            }),
            Self::Pattern(pattern) => {
                let text = std::str::from_utf8(pattern.as_bytes()).ok();
                text.map(|text| Wire::Pattern {
                    pattern: text.to_owned(),
                })
            }
            Self::Everything => None,
        };
        text.unwrap_or(Wire::Everything {})
    }

    /// None for what is not known.
    fn from_wire(wire: Wire) -> Result<Option<Self>> {
        Ok(Some(match wire {
            Wire::Keys { keys } => {
                let keys = keys.into_iter().map(Key::from_raw);
                Self::Keys(keys.collect::<Result<_, _>>()?)
            }
            Wire::Session { session } => Self::Session(SessionId::new(session)?),
            Wire::Project { project } => Self::Project(ProjectId::new(project)?),
            Wire::Analyses { project } => Self::Analyses(ProjectId::new(project)?),
            Wire::Owner { key } => Self::Owner(Key::from_raw(key)?),
            Wire::Tag { tag } => Self::Tag(Tag::new(tag)?),
            Wire::Pattern { pattern } => Self::Pattern(Pattern::glob(pattern)?),
            Wire::Everything {} => Self::Everything,
            Wire::Unknown => return Ok(None),
        }))
    }
}

fn event_error(operation: &'static str, error: &CodecError) -> Error {
    let kind = match error.kind() {
        CodecErrorKind::Encode => ErrorKind::Encode,
        CodecErrorKind::TooLarge => ErrorKind::TooLarge,
        CodecErrorKind::Newer => ErrorKind::Newer,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, operation).with_detail(error.to_string())
}
