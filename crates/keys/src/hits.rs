//! The counters of hits and misses: what their keys and fields are called.
//!
//! An hour's counts of a whole fleet are one hash. Beside it lies, for each process that adds to it, a key that says which
//! of the process's additions it holds. All of one hour share a slot. Which hour it is now is the caller's business.

use std::{fmt, str::FromStr};

use crate::{
    CivilDate, Key, KeyError, KeySchema,
    error::{excerpt, excerpt_bytes},
};

const WHAT: &str = "key of hit counts";
const HOURS: u64 = 24;
const HOUR_SECS: u64 = 3_600;

/// An hour of counts, in UTC. Renders as `2024-12-02T13`.
///
/// # Examples
///
/// ```
/// use cachekit_keys::HitWindow;
///
/// let window = HitWindow::at(1_733_147_999)?; // seconds since the Unix epoch
/// assert_eq!(window.to_string(), "2024-12-02T13");
/// assert_eq!(window.start(), 1_733_144_400);
/// assert_eq!(window.before(14)?.to_string(), "2024-12-01T23");
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HitWindow {
    date: CivilDate,
    hour: u8,
}

impl HitWindow {
    /// How long a window is, in seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::HitWindow::SECONDS, 3_600);
    /// ```
    pub const SECONDS: u64 = HOUR_SECS;

    /// The window of a moment, in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] beyond the year 9999.
    ///
    /// # Examples
    ///
    /// See [`HitWindow`].
    pub fn at(unix_seconds: u64) -> Result<Self, KeyError> {
        let hours = unix_seconds / HOUR_SECS;
        let date = CivilDate::from_epoch_day(hours / HOURS)?;
        let hour = u8::try_from(hours % HOURS).unwrap_or_default();
        Ok(Self { date, hour })
    }

    /// The window so many windows earlier.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] before 1970.
    ///
    /// # Examples
    ///
    /// See [`HitWindow`].
    pub fn before(self, windows: u64) -> Result<Self, KeyError> {
        let start = windows
            .checked_mul(HOUR_SECS)
            .and_then(|seconds| self.start().checked_sub(seconds));
        start
            .ok_or_else(|| malformed(&format!("{windows} hours before {self}")))
            .and_then(Self::at)
    }

    /// When it begins, in seconds since the Unix epoch.
    ///
    /// # Examples
    ///
    /// See [`HitWindow`].
    #[must_use]
    pub fn start(self) -> u64 {
        (self.date.epoch_day() * HOURS + u64::from(self.hour)) * HOUR_SECS
    }

    /// The day that it belongs to.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::HitWindow;
    /// assert_eq!(HitWindow::at(0)?.date().to_string(), "1970-01-01");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn date(self) -> CivilDate {
        self.date
    }

    /// The hour of that day, from 0 to 23.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::HitWindow;
    /// assert_eq!(HitWindow::at(7_200)?.hour(), 2);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn hour(self) -> u8 {
        self.hour
    }
}

impl fmt::Display for HitWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}", self.date, self.hour)
    }
}

impl FromStr for HitWindow {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (date, hour) = text.split_once('T').ok_or_else(|| malformed(text))?;
        let date: CivilDate = date.parse()?;
        let hour = hour.parse().map_err(|_| malformed(text))?;
        let window = Self { date, hour };
        // One text for one window, as everywhere, and none before counting began.
        let is_one = u64::from(hour) < HOURS && date.civil_month().year() >= 1970;
        match is_one && window.to_string() == text {
            true => Ok(window),
            false => Err(malformed(text)),
        }
    }
}

/// A key in which hits and misses are counted.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{HitKey, HitWindow, KeySchema, Namespace};
///
/// let schema = KeySchema::plain().with_namespace(Namespace::new("staging")?);
/// let window: HitWindow = "2024-12-02T13".parse()?;
/// let counts = schema.hit_key(HitKey::Counts(window));
/// assert_eq!(counts.as_str(), Some("ck:hits:{staging:2024-12-02T13}"));
/// assert_eq!(schema.parse_hit_key(&counts)?, HitKey::Counts(window));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HitKey {
    /// The hash of a window's counts: `ck:hits:{2024-12-02T13}`.
    Counts(HitWindow),
    /// The last addition of one process to them, by which it knows whether one has been carried out:
    /// `ck:hits:{2024-12-02T13}:` and 32 hexadecimal digits.
    Flush {
        /// The window.
        window: HitWindow,
        /// The process: random bits of its own.
        process: u128,
    },
}

impl KeySchema {
    /// The key of counts, in this schema's namespace. Both formats name it alike.
    ///
    /// # Examples
    ///
    /// See [`HitKey`].
    #[must_use]
    pub fn hit_key(&self, key: HitKey) -> Key {
        let prefix = self.prefix();
        Key::from_rendered(match key {
            HitKey::Counts(window) => format!("ck:hits:{{{prefix}{window}}}"),
            HitKey::Flush { window, process } => {
                format!("ck:hits:{{{prefix}{window}}}:{process:032x}")
            }
        })
    }

    /// Undoes [`hit_key`](Self::hit_key).
    ///
    /// # Errors
    ///
    /// [`KeyError::OutsideNamespace`] for another deployment's, [`KeyError::Malformed`] for a key that counts no hits.
    ///
    /// # Examples
    ///
    /// See [`HitKey`].
    pub fn parse_hit_key(&self, key: &Key) -> Result<HitKey, KeyError> {
        let wrong = || malformed(&excerpt_bytes(key.as_bytes()));
        let text = key.as_str().ok_or_else(wrong)?;
        let rest = text.strip_prefix("ck:hits:{").ok_or_else(wrong)?;
        let (tag, behind) = rest.split_once('}').ok_or_else(wrong)?;
        let window = std::str::from_utf8(self.strip_bytes(tag.as_bytes())?);
        let window: HitWindow = window.map_err(|_| wrong())?.parse()?;
        let parsed = match behind.strip_prefix(':') {
            None => HitKey::Counts(window),
            Some(process) => HitKey::Flush {
                window,
                process: u128::from_str_radix(process, 16).map_err(|_| wrong())?,
            },
        };
        match self.hit_key(parsed) == *key {
            true => Ok(parsed),
            false => Err(wrong()),
        }
    }
}

/// What is counted for each family of keys.
///
/// # Examples
///
/// ```
/// use cachekit_keys::HitCount;
///
/// assert_eq!(HitCount::StaleHits.field("project"), "project:stale_hits");
/// assert_eq!(HitCount::parse_field(b"project:stale_hits"), Some(("project", HitCount::StaleHits)));
/// assert_eq!(HitCount::parse_field(b"project:unknown"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HitCount {
    /// `hits`: keys whose answer was in the cache.
    Hits,
    /// `misses`: keys whose answer was not.
    Misses,
    /// `stale_hits`: of the misses, those answered with a stale value.
    StaleHits,
    /// `negative`: of the hits, those which said that there is no value.
    Negative,
    /// `corrupt`: of the misses, entries that were damaged.
    Corrupt,
    /// `newer`: of the misses, entries of a newer version.
    Newer,
    /// `loads`: calls of a loader.
    Loads,
    /// `load_errors`: of the loads, those that failed.
    LoadErrors,
    /// `loaded_keys`: keys of the loads that succeeded, of which one may load many.
    LoadedKeys,
    /// `load_micros`: how long the loads that succeeded took together, in microseconds.
    LoadMicros,
}

impl HitCount {
    /// Every count, in an order that stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::HitCount;
    /// assert_eq!(HitCount::ALL[0], HitCount::Hits);
    /// ```
    pub const ALL: [Self; 10] = [
        Self::Hits,
        Self::Misses,
        Self::StaleHits,
        Self::Negative,
        Self::Corrupt,
        Self::Newer,
        Self::Loads,
        Self::LoadErrors,
        Self::LoadedKeys,
        Self::LoadMicros,
    ];

    /// The word that names it.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::HitCount::Hits.as_str(), "hits");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hits => "hits",
            Self::Misses => "misses",
            Self::StaleHits => "stale_hits",
            Self::Negative => "negative",
            Self::Corrupt => "corrupt",
            Self::Newer => "newer",
            Self::Loads => "loads",
            Self::LoadErrors => "load_errors",
            Self::LoadedKeys => "loaded_keys",
            Self::LoadMicros => "load_micros",
        }
    }

    /// The field of a family's count. The family is a [name](crate::KeyFamily::name), which has no `:` in it.
    ///
    /// # Examples
    ///
    /// See [`HitCount`].
    #[must_use]
    pub fn field(self, family: &str) -> String {
        format!("{family}:{}", self.as_str())
    }

    /// Undoes [`field`](Self::field); `None` for a field of no count.
    ///
    /// # Examples
    ///
    /// See [`HitCount`].
    #[must_use]
    pub fn parse_field(field: &[u8]) -> Option<(&str, Self)> {
        let (family, word) = std::str::from_utf8(field).ok()?.rsplit_once(':')?;
        let count = Self::ALL.into_iter().find(|count| count.as_str() == word)?;
        Some((family, count))
    }
}

fn malformed(text: &str) -> KeyError {
    KeyError::Malformed {
        what: WHAT,
        text: excerpt(text),
    }
}
