mod equivalence;
mod outcomes;
mod queued;
mod races;
mod support;
