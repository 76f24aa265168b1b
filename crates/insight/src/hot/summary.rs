//! A summary of a stream of keys: the heaviest, and by how much each may be wrong.

use std::collections::HashMap;

use cachekit_keys::Key;

const LANES: usize = 8;

/// Space-Saving: a key that is not followed takes the place, and the weight, of the lightest that is.
///
/// The lightest is looked for in a plain array: that is the way of a sampled read of a new key alone, and costs less than
/// keeping an order would cost all others.
#[derive(Debug)]
pub(super) struct Summary {
    capacity: usize,
    places: HashMap<Key, usize, foldhash::fast::RandomState>,
    keys: Vec<Key>,
    weights: Vec<f64>,
    /// How much of a weight was taken over.
    errors: Vec<f64>,
}

impl Summary {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            places: HashMap::default(),
            keys: Vec::new(),
            weights: Vec::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, key: &Key, weight: f64) {
        if let Some(&place) = self.places.get(key) {
            self.weights[place] += weight;
        } else if self.keys.len() < self.capacity {
            self.places.insert(key.clone(), self.keys.len());
            self.keys.push(key.clone());
            self.weights.push(weight);
            self.errors.push(0.0);
        } else {
            let place = self.lightest();
            self.places.remove(&self.keys[place]);
            self.places.insert(key.clone(), place);
            self.keys[place] = key.clone();
            self.errors[place] = self.weights[place];
            self.weights[place] += weight;
        }
    }

    /// The place of the lightest. Without a branch that depends on a weight, so that compilers make vector instructions of it.
    fn lightest(&self) -> usize {
        let mut lanes = [f64::INFINITY; LANES];
        for chunk in self.weights.chunks(LANES) {
            for (least, weight) in lanes.iter_mut().zip(chunk) {
                *least = if *weight < *least { *weight } else { *least };
            }
        }
        let least = lanes.into_iter().fold(f64::INFINITY, f64::min);
        let has_it = |chunk: &[f64]| {
            let found = chunk.iter().map(|weight| *weight <= least);
            found.fold(false, |found, is_it| found | is_it)
        };
        let chunk = self.weights.chunks(LANES).position(has_it);
        let start = chunk.unwrap_or_default() * LANES;
        let within = self.weights[start..].iter();
        start + within.take_while(|weight| **weight > least).count()
    }

    /// Makes all weights smaller by the same factor.
    pub(super) fn scale(&mut self, factor: f64) {
        for weight in self.weights.iter_mut().chain(&mut self.errors) {
            *weight *= factor;
        }
    }

    /// The heaviest keys with their weights and errors, heaviest first; keys of one weight in the order of their names.
    pub(super) fn heaviest(&self, n: usize) -> Vec<(Key, f64, f64)> {
        let mut places: Vec<usize> = (0..self.keys.len()).collect();
        places.sort_unstable_by(|&a, &b| {
            let by_weight = self.weights[b].total_cmp(&self.weights[a]);
            by_weight.then_with(|| self.keys[a].cmp(&self.keys[b]))
        });
        places.truncate(n);
        let of = |place: usize| {
            (
                self.keys[place].clone(),
                self.weights[place],
                self.errors[place],
            )
        };
        places.into_iter().map(of).collect()
    }
}
