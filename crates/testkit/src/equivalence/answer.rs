//! What a side answered, in a form that can be compared.

use std::{fmt, time::Duration};

use cachekit_store::{Error, ErrorKind, KeyExpiry, Reply};

use super::Blob;

/// An answer, or how the call failed.
pub type Outcome = Result<Answer, Failure>;

/// What is compared of an error: what the caller can do, and whether a write may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error's kind.
    pub kind: ErrorKind,
    /// The error's word on it.
    pub may_have_applied: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind(),
            may_have_applied: error.may_have_applied(),
        }
    }
}

/// An answer in a form that can be compared: what has no order is sorted, what depends on time is marked.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_testkit::equivalence::Answer;
///
/// let (left, right) = (Answer::Score(0.0), Answer::Score(-0.0));
/// assert!(left.agrees(&right, Duration::ZERO));
/// let (left, right) = (Answer::Millis(60_000), Answer::Millis(59_990));
/// assert!(left.agrees(&right, Duration::from_millis(10)));
/// assert!(!left.agrees(&right, Duration::from_millis(9)));
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// Nothing.
    Nil,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A byte string.
    Bytes(Blob),
    /// A status of a script.
    Status(String),
    /// A score, whatever its text: servers differ in how they write one, and in whether they keep the sign of zero.
    Score(f64),
    /// What is left of a life, in milliseconds: equal within a tolerance.
    Millis(i64),
    /// Several answers in an order that means something.
    List(Vec<Answer>),
}

impl Answer {
    /// Several answers without an order: they are sorted.
    #[must_use]
    pub fn unordered(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut answers: Vec<Self> = answers.into_iter().collect();
        answers.sort_by_cached_key(|answer| format!("{answer:?}"));
        Self::List(answers)
    }

    /// Several answers in order.
    pub fn list<T: Into<Self>>(answers: impl IntoIterator<Item = T>) -> Self {
        Self::List(answers.into_iter().map(Into::into).collect())
    }

    /// A score from a server's text for it; the text itself where it is none.
    #[must_use]
    pub fn score(reply: Reply) -> Self {
        match reply {
            Reply::Bytes(text) => std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok())
                .map_or_else(|| Self::Bytes(text.clone().into()), Self::Score),
            other => other.into(),
        }
    }

    /// The number that `PTTL` answers.
    #[must_use]
    pub fn pttl(reply: Reply) -> Self {
        match reply {
            Reply::Integer(millis) if millis >= 0 => Self::Millis(millis),
            other => other.into(),
        }
    }

    /// A hash from names and values in turn, in no order.
    #[must_use]
    pub fn pairs(reply: Reply) -> Self {
        match reply {
            Reply::Array(flat) => Self::unordered(
                flat.chunks(2)
                    .map(|pair| Self::list(pair.iter().cloned()))
                    .collect::<Vec<_>>(),
            ),
            other => other.into(),
        }
    }

    /// Members and scores in turn.
    #[must_use]
    pub fn scored(reply: Reply) -> Self {
        let Reply::Array(flat) = reply else {
            return reply.into();
        };
        let answer = |(index, reply)| match index % 2 {
            0 => Self::from(reply),
            _ => Self::score(reply),
        };
        Self::List(flat.into_iter().enumerate().map(answer).collect())
    }

    /// Whether both mean the same, lifetimes within `tolerance`.
    #[must_use]
    pub fn agrees(&self, other: &Self, tolerance: Duration) -> bool {
        match (self, other) {
            (Self::Millis(left), Self::Millis(right)) => {
                u128::from(left.abs_diff(*right)) <= tolerance.as_millis()
            }
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right)
                        .all(|(left, right)| left.agrees(right, tolerance))
            }
            _ => self == other,
        }
    }
}

/// Whether both outcomes mean the same.
///
/// With `cautious` the server may say of a failure that it may have changed something where the memory store knows that
/// it did not: a server does not tell whether a script wrote before it failed. The other way round is a difference.
pub(super) fn agree(
    memory: &Outcome,
    server: &Outcome,
    tolerance: Duration,
    cautious: bool,
) -> bool {
    match (memory, server) {
        (Ok(memory), Ok(server)) => memory.agrees(server, tolerance),
        (Err(memory), Err(server)) => {
            let applied = memory.may_have_applied == server.may_have_applied;
            memory.kind == server.kind && (applied || (cautious && server.may_have_applied))
        }
        _ => false,
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Bytes(blob) => blob.to_bytes().fmt(f),
            Self::Status(status) => f.write_str(status),
            Self::Score(score) => write!(f, "score {score}"),
            Self::Millis(millis) => write!(f, "{millis} ms"),
            Self::List(answers) => f.debug_list().entries(answers).finish(),
        }
    }
}

impl From<bool> for Answer {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Answer {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Blob> for Answer {
    fn from(blob: Blob) -> Self {
        Self::Bytes(blob)
    }
}

impl<T: Into<Self>> From<Option<T>> for Answer {
    fn from(answer: Option<T>) -> Self {
        answer.map_or(Self::Nil, Into::into)
    }
}

impl From<Duration> for Answer {
    fn from(left: Duration) -> Self {
        Self::Millis(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<KeyExpiry> for Answer {
    fn from(expiry: KeyExpiry) -> Self {
        match expiry {
            KeyExpiry::Missing => Self::Status("missing".to_owned()),
            KeyExpiry::Never => Self::Status("never".to_owned()),
            KeyExpiry::In(left) => left.into(),
            other => Self::Status(format!("{other:?}")),
        }
    }
}

impl From<Reply> for Answer {
    /// The reply as it is, in its order.
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Nil => Self::Nil,
            Reply::Integer(number) => Self::Integer(number),
            Reply::Bytes(bytes) => Self::Bytes(bytes.into()),
            Reply::Status(status) => Self::Status(status),
            Reply::Array(replies) => Self::list(replies),
            other => Self::Status(format!("{other:?}")),
        }
    }
}
