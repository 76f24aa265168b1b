//! Indices under test.
