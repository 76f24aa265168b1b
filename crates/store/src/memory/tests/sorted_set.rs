//! The sorted set against a list that is sorted anew each time.

use std::ops::Bound;

use proptest::prelude::*;

use super::super::value::{Added, Score, SortedSet, span};
use crate::{ScoreRange, ZAddCondition};

#[derive(Clone, Debug)]
enum Step {
    Add(u8, f64, ZAddCondition),
    Remove(u8),
    RemoveRange(ScoreRange),
    Read(ScoreRange),
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        5 => (-3..=3_i32).prop_map(f64::from),
        1 => Just(-0.0),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(f64::MAX),
        1 => Just(-f64::from_bits(1)),
    ]
}

fn bound() -> impl Strategy<Value = Bound<f64>> {
    prop_oneof![
        score().prop_map(Bound::Included),
        score().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

fn condition() -> impl Strategy<Value = ZAddCondition> {
    prop_oneof![
        3 => Just(ZAddCondition::Always),
        1 => Just(ZAddCondition::IfAbsent),
        1 => Just(ZAddCondition::IfPresent),
        1 => Just(ZAddCondition::Raise),
        1 => Just(ZAddCondition::Lower),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12_u8, score(), condition()).prop_map(|(m, s, c)| Step::Add(m, s, c)),
        1 => (0..12_u8).prop_map(Step::Remove),
        1 => (bound(), bound()).prop_map(Step::RemoveRange),
        2 => (bound(), bound()).prop_map(Step::Read),
    ]
}

/// Members with scores, in no order.
#[derive(Debug, Default)]
struct Model(Vec<(u8, f64)>);

impl Model {
    fn add(&mut self, member: u8, score: f64, condition: ZAddCondition) -> Added {
        let Some((_, old)) = self.0.iter_mut().find(|(name, _)| *name == member) else {
            if condition == ZAddCondition::IfPresent {
                return Added::Nothing;
            }
            self.0.push((member, score));
            return Added::New;
        };
        let allowed = match condition {
            ZAddCondition::IfAbsent => false,
            ZAddCondition::Raise => score > *old,
            ZAddCondition::Lower => score < *old,
            _ => true,
        };
        if !allowed || *old == score {
            return Added::Nothing;
        }
        *old = score;
        Added::Moved
    }

    fn range(&self, (from, to): ScoreRange) -> Vec<(u8, f64)> {
        let inside = |score: f64| {
            let above = match from {
                Bound::Included(from) => score >= from,
                Bound::Excluded(from) => score > from,
                Bound::Unbounded => true,
            };
            let below = match to {
                Bound::Included(to) => score <= to,
                Bound::Excluded(to) => score < to,
                Bound::Unbounded => true,
            };
            above && below
        };
        let mut found: Vec<(u8, f64)> = self.0.iter().copied().filter(|m| inside(m.1)).collect();
        found.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
        found
    }
}

proptest! {
    #[test]
    fn it_answers_as_a_sorted_list_does(steps in prop::collection::vec(step(), 1..60)) {
        let (mut set, mut model) = (SortedSet::default(), Model::default());
        for step in steps {
            match step {
                Step::Add(member, score, condition) => {
                    let added = set.add(&[member], Score::new(score).unwrap(), condition);
                    prop_assert_eq!(added, model.add(member, score, condition));
                }
                Step::Remove(member) => {
                    let len = model.0.len();
                    model.0.retain(|(name, _)| *name != member);
                    prop_assert_eq!(set.remove(&[member]), model.0.len() < len);
                }
                Step::RemoveRange(range) => {
                    let gone = model.range(range);
                    model.0.retain(|member| !gone.contains(member));
                    prop_assert_eq!(set.remove_range(span(range).unwrap()), gone.len());
                }
                Step::Read(range) => {
                    let span = span(range).unwrap();
                    let expected = model.range(range);
                    let found: Vec<(u8, f64)> =
                        set.range(span).map(|(name, score)| (name[0], score.get())).collect();
                    prop_assert_eq!(set.count(span), expected.len());
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(set.len(), model.0.len());
        }
    }
}

#[test]
fn what_is_no_number_is_no_score_and_no_bound() {
    assert!(Score::new(f64::NAN).is_none());
    assert!(span((Bound::Included(f64::NAN), Bound::Unbounded)).is_none());
    assert!(span((Bound::Unbounded, Bound::Excluded(-f64::NAN))).is_none());
}
