//! Members in the order of their scores, as in Redis: a table from member to score beside an ordered set.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use foldhash::quality::RandomState;

use super::shrunk;
use crate::{ScoreRange, ZAddCondition};

/// What a member costs beyond its name: its part of the table and of the order, its reference counts, and the
/// allocator's part.
const MEMBER_OVERHEAD: u64 = 128;

/// A score: a number with a total order, in which there is one zero.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Score(f64);

impl Score {
    /// `None` for what is not a number.
    pub(in crate::memory) fn new(number: f64) -> Option<Self> {
        // The sum turns the negative zero into the positive one and leaves everything else as it is.
        (!number.is_nan()).then_some(Self(number + 0.0))
    }

    pub(in crate::memory) fn get(self) -> f64 {
        self.0
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

/// What an addition did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memory) enum Added {
    /// The member is new.
    New,
    /// The member has another score than before.
    Moved,
    /// Nothing changed.
    Nothing,
}

/// A member's place in the order: by score, then by the bytes of its name.
type Rank = (Score, Arc<[u8]>);

/// Scores from the first to short of the second, `None` being the end.
pub(in crate::memory) type Span = (Score, Option<Score>);

/// Members in the order of their scores.
#[derive(Default)]
pub(in crate::memory) struct SortedSet {
    scores: HashMap<Arc<[u8]>, Score, RandomState>,
    order: BTreeSet<Rank>,
    cost: u64,
}

impl SortedSet {
    pub(in crate::memory) fn len(&self) -> usize {
        self.scores.len()
    }

    /// Bytes that the members are charged with.
    pub(in crate::memory) fn cost(&self) -> u64 {
        self.cost
    }

    pub(in crate::memory) fn score(&self, member: &[u8]) -> Option<Score> {
        self.scores.get(member).copied()
    }

    pub(in crate::memory) fn add(
        &mut self,
        member: &[u8],
        score: Score,
        condition: ZAddCondition,
    ) -> Added {
        let Some((name, &old)) = self.scores.get_key_value(member) else {
            if condition == ZAddCondition::IfPresent {
                return Added::Nothing;
            }
            self.insert(member.into(), score);
            return Added::New;
        };
        let allowed = match condition {
            ZAddCondition::Always | ZAddCondition::IfPresent => true,
            ZAddCondition::IfAbsent => false,
            ZAddCondition::Raise => score > old,
            ZAddCondition::Lower => score < old,
        };
        if !allowed || score == old {
            return Added::Nothing;
        }
        let name = Arc::clone(name);
        self.remove(member);
        self.insert(name, score);
        Added::Moved
    }

    /// Removes a member; answers whether it existed.
    pub(in crate::memory) fn remove(&mut self, member: &[u8]) -> bool {
        let Some((name, score)) = self.scores.remove_entry(member) else {
            return false;
        };
        self.cost -= cost(&name);
        self.order.remove(&(score, name));
        self.give_back();
        true
    }

    /// Members with scores in `span`, the lowest first.
    pub(in crate::memory) fn range(
        &self,
        span: Span,
    ) -> impl DoubleEndedIterator<Item = (&[u8], Score)> {
        // `BTreeSet::range` panics where the start lies behind the end.
        let ranks = (!is_empty(span)).then(|| self.order.range(ranks(span)));
        ranks
            .into_iter()
            .flatten()
            .map(|(score, name)| (&**name, *score))
    }

    pub(in crate::memory) fn count(&self, span: Span) -> usize {
        if span == span_of_all() {
            return self.len();
        }
        self.range(span).count()
    }

    /// Removes the members with scores in `span`; answers how many.
    pub(in crate::memory) fn remove_range(&mut self, span: Span) -> usize {
        let names: Vec<Arc<[u8]>> = match is_empty(span) {
            true => Vec::new(),
            false => self
                .order
                .range(ranks(span))
                .map(|(_, name)| Arc::clone(name))
                .collect(),
        };
        for name in &names {
            self.remove(name);
        }
        names.len()
    }

    fn insert(&mut self, name: Arc<[u8]>, score: Score) {
        self.cost += cost(&name);
        self.order.insert((score, Arc::clone(&name)));
        self.scores.insert(name, score);
    }

    fn give_back(&mut self) {
        if let Some(capacity) = shrunk(self.scores.len(), self.scores.capacity()) {
            self.scores.shrink_to(capacity);
        }
    }
}

fn cost(name: &[u8]) -> u64 {
    MEMBER_OVERHEAD + name.len() as u64
}

/// The scores between two bounds, which need not be in order; `None` where a bound is not a number.
pub(in crate::memory) fn span(scores: ScoreRange) -> Option<Span> {
    let start = match scores.0 {
        Bound::Included(from) => Some(Score::new(from)?),
        Bound::Excluded(from) => after(Score::new(from)?),
        Bound::Unbounded => Some(LOWEST),
    };
    let end = match scores.1 {
        Bound::Included(to) => after(Score::new(to)?),
        Bound::Excluded(to) => Some(Score::new(to)?),
        Bound::Unbounded => None,
    };
    // Nothing lies behind the highest score.
    Some(start.map_or((HIGHEST, Some(HIGHEST)), |start| (start, end)))
}

const LOWEST: Score = Score(f64::NEG_INFINITY);
const HIGHEST: Score = Score(f64::INFINITY);

/// The next higher score; `None` behind the highest.
fn after(score: Score) -> Option<Score> {
    (score != HIGHEST).then(|| Score(score.0.next_up() + 0.0))
}

fn span_of_all() -> Span {
    (LOWEST, None)
}

fn is_empty((start, end): Span) -> bool {
    end.is_some_and(|end| end <= start)
}

/// The places in the order that a span covers. An empty name comes first within its score.
fn ranks((start, end): Span) -> (Bound<Rank>, Bound<Rank>) {
    let first = |score| (score, Arc::default());
    (
        Bound::Included(first(start)),
        end.map_or(Bound::Unbounded, |end| Bound::Excluded(first(end))),
    )
}
