//! What loads for the handles of the levels: one engine for each type of values and level, so that all handles of a process
//! share their loads.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

use cachekit_keys::Level;
use parking_lot::Mutex;

use crate::{
    access::Access,
    load::{Engine, Policy},
};

/// Engines by what they load. There are as many as the program has types that it loads.
#[derive(Default)]
pub(super) struct Engines(Mutex<HashMap<(TypeId, Level), Arc<dyn Any + Send + Sync>>>);

impl Engines {
    /// The engine of a level and type, made when it is first asked for.
    pub(super) fn of<V: Send + Sync + 'static>(
        &self,
        level: Level,
        access: &Access,
    ) -> Arc<Engine<V>> {
        let mut engines = self.0.lock();
        let known = engines
            .get(&(TypeId::of::<V>(), level))
            .and_then(|engine| Arc::clone(engine).downcast().ok());
        known.unwrap_or_else(|| {
            let engine = Arc::new(Engine::new(access.clone(), Policy::default()));
            let shared = Arc::clone(&engine) as Arc<dyn Any + Send + Sync>;
            engines.insert((TypeId::of::<V>(), level), shared);
            engine
        })
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engines")
            .field(&self.0.lock().len())
            .finish()
    }
}
