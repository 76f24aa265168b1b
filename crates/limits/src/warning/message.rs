//! What a warning says.

use std::time::{Duration, SystemTime};

use cachekit_codec::{CodecError, CodecErrorKind, Envelope};
use cachekit_keys::UserId;
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::Usage;

/// A subject has nearly used up a limit or quota.
///
/// # On the wire
/// The event's `type` is `cachekit.quota.warning`, its `source` is `/cachekit/` and the origin, its `subject` the id of who used
/// it, and its data an object of `user`, `counted`, `window` (of a quota), `percent`, `used`, `limit`, and `resets_in_ms` (of
/// what ends by itself).
///
/// # Examples
/// ```
/// use std::time::SystemTime;
/// use cachekit_keys::UserId;
/// use cachekit_limits::QuotaWarning;
///
/// let warning = QuotaWarning::new(UserId::new("user123")?, "api_calls", 80, (800, 1_000), "api-7");
/// let event = warning.to_event("api-7-1", SystemTime::now())?;
/// assert_eq!(QuotaWarning::from_event(&event)?, warning);
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaWarning {
    /// Whose limit it is.
    pub subject: UserId,
    /// The name of the limit, or what the quota counts: `api_calls`, `cost`.
    pub counted: String,
    /// The window of a quota: `day`, `week`, `month`, `period` or `gauge`.
    pub window: Option<String>,
    /// The threshold that was crossed, in percent of the limit.
    pub percent: u8,
    /// What is used, and reserved, after the call that crossed it.
    pub used: u64,
    /// The limit, without overdraft.
    pub limit: u64,
    /// When the window ends, or a limit is whole again. In whole milliseconds.
    pub resets_in: Option<Duration>,
    /// Which process says so.
    pub origin: String,
}

/// The data of the event.
#[derive(Serialize, Deserialize)]
struct Wire {
    user: String,
    counted: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    percent: u8,
    used: u64,
    limit: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resets_in_ms: Option<u64>,
}

const SOURCE: &str = "/cachekit/";

impl QuotaWarning {
    /// The `type` of the event.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_limits::QuotaWarning::EVENT_TYPE, "cachekit.quota.warning");
    /// ```
    pub const EVENT_TYPE: &str = "cachekit.quota.warning";

    /// A warning that `percent` of a limit without a window were reached, with what is used and the limit.
    ///
    /// # Examples
    /// See [`QuotaWarning`].
    #[must_use]
    pub fn new(
        subject: UserId,
        counted: impl Into<String>,
        percent: u8,
        (used, limit): (u64, u64),
        origin: impl Into<String>,
    ) -> Self {
        Self {
            subject,
            counted: counted.into(),
            window: None,
            percent,
            used,
            limit,
            resets_in: None,
            origin: origin.into(),
        }
    }

    pub(super) fn of(subject: &UserId, usage: &Usage<'_>, percent: u8, origin: &str) -> Self {
        // What the wire can tell.
        let whole = |left: Duration| Duration::from_millis(millis(left));
        Self {
            window: usage.window.map(ToOwned::to_owned),
            resets_in: usage.resets_in.map(whole),
            ..Self::new(
                subject.clone(),
                usage.counted,
                percent,
                (usage.after, usage.limit),
                origin,
            )
        }
    }

    /// The event to be published. `id` is unique for the origin.
    ///
    /// # Errors
    /// [`Encode`](ErrorKind::Encode) for an id or origin that is empty, or holds a space or control character, and
    /// [`TooLarge`](ErrorKind::TooLarge) beyond the limits of an event.
    ///
    /// # Examples
    /// See [`QuotaWarning`].
    pub fn to_event(&self, id: impl Into<String>, time: SystemTime) -> Result<Envelope> {
        let wire = Wire {
            user: self.subject.to_string(),
            counted: self.counted.clone(),
            window: self.window.clone(),
            percent: self.percent,
            used: self.used,
            limit: self.limit,
            resets_in_ms: self.resets_in.map(millis),
        };
        let source = format!("{SOURCE}{}", self.origin);
        let event = Envelope::new(id, source, Self::EVENT_TYPE);
        let event = event.and_then(|event| {
            let event = event.with_time(time);
            event
                .with_subject(self.subject.as_encoded())
                .with_data(&wire)
        });
        event.map_err(|error| event_error("warn", &error))
    }

    /// What an event says.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) for an event of another type or form, [`Newer`](ErrorKind::Newer) for one of a newer
    /// version.
    ///
    /// # Examples
    /// See [`QuotaWarning`].
    pub fn from_event(event: &Envelope) -> Result<Self> {
        if event.kind() != Self::EVENT_TYPE {
            return Err(Error::new(ErrorKind::Corrupt, "warning")
                .with_detail("the event is of another type"));
        }
        let origin = event.source().strip_prefix(SOURCE);
        let wire: Wire = event
            .data()
            .map_err(|error| event_error("warning", &error))?;
        Ok(Self {
            subject: UserId::new(wire.user)?,
            counted: wire.counted,
            window: wire.window,
            percent: wire.percent,
            used: wire.used,
            limit: wire.limit,
            resets_in: wire.resets_in_ms.map(Duration::from_millis),
            origin: origin.unwrap_or_else(|| event.source()).to_owned(),
        })
    }
}

/// Whether a name can be part of an event's source.
pub(super) fn is_source(origin: &str) -> bool {
    Envelope::new("0", format!("{SOURCE}{origin}"), QuotaWarning::EVENT_TYPE).is_ok()
}

fn millis(left: Duration) -> u64 {
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn event_error(operation: &'static str, error: &CodecError) -> Error {
    let kind = match error.kind() {
        CodecErrorKind::Encode => ErrorKind::Encode,
        CodecErrorKind::TooLarge => ErrorKind::TooLarge,
        CodecErrorKind::Newer => ErrorKind::Newer,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, operation).with_detail(error.to_string())
}
