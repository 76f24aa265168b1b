//! The tasks of a kit: on a tracker that waits for them, ends them, and says what it had to cut off.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Error, ErrorKind, Event, Observer, Observers, Result};

/// Runs tasks that end with it. Clones are handles of the same tracker.
///
/// Every task has a name, by which [`shutdown`](Self::shutdown) reports it if it has to be cut off. A task that panics ends,
/// disturbs nobody else, is counted, and is told to the observers. When the last handle is dropped all tasks are cut off at
/// their next await point; a task that holds a handle of its own tracker keeps it from that.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::Tasks;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let tasks = Tasks::new();
/// tasks.spawn("warm the cache", async { /* ends by itself */ })?;
/// tasks.spawn_until_stopped("sweep", |stop| async move {
///     while !stop.is_stopped() {
///         // one round, then wait for the next one or for the end
///         tokio::select! {
///             () = stop.stopped() => {}
///             () = tokio::time::sleep(Duration::from_secs(60)) => {}
///         }
///     }
/// })?;
/// let report = tasks.shutdown(Duration::from_secs(5)).await;
/// assert!(report.cut_off.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tasks {
    handle: Arc<Handle>,
}

/// What all handles share; its end is the end of the tasks.
struct Handle {
    shared: Arc<Shared>,
}

/// What the tasks share. It holds no handle, so that tasks do not keep themselves alive.
struct Shared {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Mutex<Running>,
    panics: AtomicU64,
    observers: Observers,
}

#[derive(Default)]
struct Running {
    /// By number, and so in the order in which they began.
    tasks: BTreeMap<u64, Task>,
    next: u64,
    /// No more tasks are taken.
    closed: bool,
    /// Those that run have been cut off.
    cut_off: bool,
}

struct Task {
    name: Cow<'static, str>,
    /// `None` while it is being spawned.
    abort: Option<AbortHandle>,
}

/// What [`Tasks::shutdown`] had to cut off.
///
/// # Examples
/// See [`Tasks`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "what was cut off is only said here"]
#[non_exhaustive]
pub struct TasksReport {
    /// The names of the tasks that still ran at the deadline, oldest first.
    pub cut_off: Vec<String>,
}

/// Tells a task that it is time to end. Clones tell the same.
///
/// # Examples
/// See [`Tasks`].
#[derive(Clone, Debug)]
pub struct StopSignal(CancellationToken);

impl StopSignal {
    /// Whether it is time to end.
    ///
    /// # Examples
    /// See [`Tasks`].
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is time to end.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    ///
    /// # Examples
    /// See [`Tasks`].
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }
}

impl Tasks {
    /// A tracker without tasks. It spawns nothing by itself.
    ///
    /// # Examples
    /// See [`Tasks`].
    #[must_use]
    pub fn new() -> Self {
        Self::observed(Observers::none())
    }

    /// A tracker that tells `observers` of tasks that panic.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Observers, Tasks};
    ///
    /// let tasks = Tasks::observed(Observers::none());
    /// assert_eq!(tasks.panics(), 0);
    /// ```
    #[must_use]
    pub fn observed(observers: Observers) -> Self {
        let shared = Shared {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            running: Mutex::default(),
            panics: AtomicU64::new(0),
            observers,
        };
        Self {
            handle: Arc::new(Handle {
                shared: Arc::new(shared),
            }),
        }
    }

    /// Starts a task that ends by itself. A shutdown waits for it, and cuts it off at its deadline.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after a shutdown has begun; the future is dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    ///
    /// # Examples
    /// See [`Tasks`].
    pub fn spawn(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let shared = &self.handle.shared;
        let entry = shared.enter(name.into())?;
        let number = entry.number;
        // Not under the lock: a runtime that is ending drops the future, and with it the entry, at once.
        let spawned = shared.tracker.spawn(entry.run(task));
        shared.note_spawned(number, spawned.abort_handle());
        Ok(())
    }

    /// Starts a task that runs until it is told to end. At a shutdown it should finish what it is at, and end well before the
    /// deadline, at which it is cut off.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// See [`Tasks`].
    pub fn spawn_until_stopped<F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl FnOnce(StopSignal) -> F,
    ) -> Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = StopSignal(self.handle.shared.stop.clone());
        self.spawn(name, task(stop))
    }

    /// Takes no more tasks, tells those that run to end, waits for them for at most `deadline`, and cuts off the rest. A task
    /// that is cut off ends at its next await point, which may be after this has returned.
    ///
    /// It may be called again, and by several callers at once. Called from within one of the tasks, it waits for its caller.
    ///
    /// # Cancel safety
    /// A dropped call has told the tasks to end, and has cut off none.
    ///
    /// # Examples
    /// See [`Tasks`].
    pub async fn shutdown(&self, deadline: Duration) -> TasksReport {
        let shared = &self.handle.shared;
        shared.running.lock().closed = true;
        shared.tracker.close();
        shared.stop.cancel();
        match tokio::time::timeout(deadline, shared.tracker.wait()).await {
            Ok(()) => TasksReport::default(),
            Err(_) => TasksReport {
                cut_off: shared.cut_off(),
            },
        }
    }

    /// How many tasks run.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_store::Tasks::new().running(), 0);
    /// ```
    #[must_use]
    pub fn running(&self) -> usize {
        self.handle.shared.running.lock().tasks.len()
    }

    /// How many tasks have ended by a panic.
    ///
    /// # Examples
    /// See [`observed`](Self::observed).
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.handle.shared.panics.load(Ordering::Relaxed)
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("running", &self.running())
            .field("panics", &self.panics())
            .finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.cut_off();
    }
}

impl Shared {
    fn enter(self: &Arc<Self>, name: Cow<'static, str>) -> Result<Entered> {
        let mut running = self.running.lock();
        if running.closed {
            return Err(Error::new(ErrorKind::Closed, "spawn").with_detail(name));
        }
        let number = running.next;
        running.next += 1;
        running.tasks.insert(number, Task { name, abort: None });
        drop(running);
        Ok(Entered {
            shared: Arc::clone(self),
            number,
        })
    }

    fn note_spawned(&self, number: u64, abort: AbortHandle) {
        let mut running = self.running.lock();
        if running.cut_off {
            drop(running);
            abort.abort();
        } else if let Some(task) = running.tasks.get_mut(&number) {
            task.abort = Some(abort);
        }
    }

    /// Cuts off what runs; answers the names.
    fn cut_off(&self) -> Vec<String> {
        let mut running = self.running.lock();
        running.closed = true;
        running.cut_off = true;
        let names = running.tasks.values().map(|task| task.name.to_string());
        let names = names.collect();
        let aborts = running.tasks.values_mut();
        let aborts: Vec<AbortHandle> = aborts.filter_map(|task| task.abort.take()).collect();
        drop(running);
        // Not under the lock: a task that does not run at the moment is dropped here, and leaves the books.
        for abort in aborts {
            abort.abort();
        }
        names
    }
}

/// A task's place in the books, which it leaves in whatever way it ends.
struct Entered {
    shared: Arc<Shared>,
    number: u64,
}

impl Entered {
    async fn run(self, task: impl Future<Output = ()> + Send + 'static) {
        // A panicking task is dropped here, and nothing of it is looked at again.
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            self.note_panic();
        }
    }

    fn note_panic(&self) {
        self.shared.panics.fetch_add(1, Ordering::Relaxed);
        let name = {
            let running = self.shared.running.lock();
            let task = running.tasks.get(&self.number);
            task.map(|task| task.name.clone()).unwrap_or_default()
        };
        let event = Event::TaskPanicked { name: &name };
        self.shared.observers.observe(&event);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.running.lock().tasks.remove(&self.number);
    }
}
