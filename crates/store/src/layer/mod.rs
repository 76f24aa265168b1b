//! Layers around any store: each is a store itself, and passes every method on.
//!
//! All of them hold their store as an `Arc<dyn Store>`: their types stay simple, a service can decide at run time which it
//! puts on, and a call costs one allocation a layer, far less than a round trip.

mod call;
mod circuit;
mod ext;
mod fault;
mod namespaced;
mod observed;
mod range;
mod retry;
#[cfg(test)]
mod testing;
mod timeout;

pub use self::{
    circuit::{CircuitBreaker, CircuitOptions},
    ext::LayerExt,
    fault::{Fault, FaultId, FaultPlan, FaultRule, Faults},
    namespaced::Namespaced,
    observed::Observed,
    retry::{Retry, RetryOptions},
    timeout::{Timeout, TimeoutOptions},
};
