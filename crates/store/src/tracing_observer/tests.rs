//! What a log is told, and how the events are written.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::TracingObserver;
use crate::{ConnectionState, Error, ErrorKind, Event, Gap, Observer};

/// Writes down the level and the fields of each event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().push((*event.metadata().level(), line.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn logged(event: &Event<'_>) -> Vec<(Level, String)> {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || TracingObserver.observe(event));
    lines.0.lock().clone()
}

#[test]
fn connections_are_told_with_their_address_and_the_reason() {
    let error = Error::new(ErrorKind::Unavailable, "connect").with_detail("nothing listens there");
    let states = [
        (ConnectionState::Connected, Level::DEBUG, "connected"),
        (ConnectionState::Closed, Level::DEBUG, "closed"),
        (ConnectionState::Lost, Level::WARN, "lost"),
        (
            ConnectionState::Failed(&error),
            Level::WARN,
            "listens there",
        ),
    ];
    for (state, level, text) in states {
        let address = "host:6379";
        let lines = logged(&Event::Connection { address, state });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].0, level);
        assert!(lines[0].1.contains("host:6379"), "{}", lines[0].1);
        assert!(lines[0].1.contains(text), "{}", lines[0].1);
    }
}

#[test]
fn the_gap_at_the_beginning_is_not_worth_a_line_and_the_others_are() {
    let lines = |gap| logged(&Event::Gap { gap });
    assert!(lines(Gap::Subscribed).is_empty());
    assert_eq!(lines(Gap::Reconnected).len(), 1);
    let overflow = lines(Gap::Overflow { dropped: 7 });
    assert!(overflow[0].1.contains("dropped=7"), "{overflow:?}");
}
