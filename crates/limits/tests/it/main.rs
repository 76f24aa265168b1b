//! Limiters as their users have them: against plain models, on real servers, and under clocks that jump.

mod clock_jumps;
mod everlasting;
mod hammer;
mod inflight;
mod model_based;
mod models;
mod support;
mod twins;
mod vectors;
