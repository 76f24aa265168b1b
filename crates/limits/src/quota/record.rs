//! What is kept of a reservation: `state:reserved:charged:window=end,...`.

use bytes::Bytes;

use crate::script::whole;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Held,
    Expired,
    Committed,
    Dropped,
}

pub(super) struct Record {
    pub(super) state: State,
    pub(super) reserved: i64,
    pub(super) charged: i64,
    /// The windows that it counts in, each by its word and its end.
    pub(super) places: Vec<String>,
}

impl State {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Held, "h"),
        (Self::Expired, "x"),
        (Self::Committed, "c"),
        (Self::Dropped, "d"),
    ];

    fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(_, word)| *word == text).map(|(state, _)| *state)
    }

    fn word(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(state, _)| *state == self)
            .map_or("", |(_, word)| word)
    }
}

impl Record {
    /// What of it is still held: parts of it may be charged already.
    pub(super) fn rest(&self) -> i64 {
        match self.state {
            State::Held => (self.reserved - self.charged).max(0),
            State::Expired | State::Committed | State::Dropped => 0,
        }
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parts = text.splitn(4, ':');
        let state = State::parse(parts.next()?)?;
        let reserved = whole(parts.next()?.as_bytes())?;
        let charged = whole(parts.next()?.as_bytes())?;
        let places = parts.next()?.split(',').filter(|place| !place.is_empty());
        Some(Self {
            state,
            reserved,
            charged,
            places: places.map(str::to_owned).collect(),
        })
    }

    pub(super) fn text(&self) -> Bytes {
        let (state, places) = (self.state.word(), self.places.join(","));
        format!("{state}:{}:{}:{places}", self.reserved, self.charged).into()
    }
}
