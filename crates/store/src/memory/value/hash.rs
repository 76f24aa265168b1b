//! Fields with values under one key.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::quality::RandomState;

use super::{detached, shrunk};

/// What a field costs beyond its name and value: its part of the table, and the allocator's part of two byte strings.
const FIELD_OVERHEAD: u64 = 128;

/// Fields with values under one key.
#[derive(Default)]
pub(in crate::memory) struct Hash {
    fields: HashMap<Box<[u8]>, Bytes, RandomState>,
    cost: u64,
}

impl Hash {
    pub(in crate::memory) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Bytes that the fields are charged with.
    pub(in crate::memory) fn cost(&self) -> u64 {
        self.cost
    }

    pub(in crate::memory) fn get(&self, field: &[u8]) -> Option<&Bytes> {
        self.fields.get(field)
    }

    /// Writes a field; answers whether it is new.
    pub(in crate::memory) fn set(&mut self, field: &[u8], value: Bytes) -> bool {
        let value = detached(value);
        if let Some(old) = self.fields.get_mut(field) {
            self.cost = self.cost - old.len() as u64 + value.len() as u64;
            *old = value;
            return false;
        }
        self.cost += cost(field, &value);
        self.fields.insert(field.into(), value);
        true
    }

    /// Removes a field; answers whether it existed.
    pub(in crate::memory) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(value) = self.fields.remove(field) else {
            return false;
        };
        self.cost -= cost(field, &value);
        if let Some(capacity) = shrunk(self.fields.len(), self.fields.capacity()) {
            self.fields.shrink_to(capacity);
        }
        true
    }

    /// All fields with their values, in no particular order.
    pub(in crate::memory) fn iter(&self) -> impl Iterator<Item = (&[u8], &Bytes)> {
        self.fields.iter().map(|(field, value)| (&**field, value))
    }
}

fn cost(field: &[u8], value: &Bytes) -> u64 {
    FIELD_OVERHEAD + field.len() as u64 + value.len() as u64
}
