//! Scripts with two bodies: Lua text for a server, Rust for the memory store.

mod digest;
mod plan;
mod transaction;

use bytes::Bytes;
use cachekit_keys::Key;

pub use self::digest::sha1hex;
pub use self::plan::{Commands, Deviation, MAX_DRIFT_MS, Mend, ScriptMend, ScriptPlan};
pub use self::transaction::{ScoreRange, Transaction, ZAddCondition};
use crate::Result;

/// An atomic procedure that a store runs by name, written twice.
///
/// A server runs the Lua text. The memory store runs the [body](ScriptBody), which is the same procedure in Rust over a
/// [`Transaction`]; a script without one is [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) there. Both must
/// give the same replies and leave the same state behind, which equivalence tests hold them to.
///
/// # Writing one
/// - All keys come in `KEYS`; names are never derived inside, or a cluster could not route the call. The memory store
///   refuses a key that was not declared.
/// - A script that [needs the time](Script::with_time) finds it as `now`, in whole microseconds since the Unix epoch,
///   read once. It is exact as a Lua number, and becomes text only through `int(n)`, because `tostring` rounds it.
/// - A run that fails half-way keeps what it has written by then, on a server and in memory alike.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use cachekit_keys::Key;
/// use cachekit_store::{MemoryStore, Reply, Result, Script, ScriptCall, Store, Transaction};
///
/// const TAKE: Script = Script::new("take", "return redis.call('GETDEL', KEYS[1])").with_body(take);
///
/// fn take(tx: &mut dyn Transaction, keys: &[Key], _args: &[Bytes]) -> Result<Reply> {
///     let value = tx.get(&keys[0])?;
///     tx.del(&keys[0])?;
///     Ok(value.map_or(Reply::Nil, Reply::Bytes))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let store = MemoryStore::new();
/// let call = ScriptCall::new(vec![Key::from_raw("k")?], Vec::new());
/// assert_eq!(store.run_script(&TAKE, &[call]).await?, [Reply::Nil]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Script {
    /// A short unique name, for errors and measurements.
    pub name: &'static str,
    /// The Lua text, without the [prelude](Script::PRELUDE).
    pub lua: &'static str,
    /// The same procedure in Rust.
    pub body: Option<ScriptBody>,
    /// The same procedure in Rust over numbers.
    pub numbers: Option<NumberBody>,
    /// Whether the text uses `now`.
    pub needs_time: bool,
    /// What a repetition does.
    pub effect: ScriptEffect,
    /// Whether it runs where memory is full, too.
    pub starts_when_full: bool,
    /// The same procedure as plain commands, for calls that allow it.
    pub plan: Option<ScriptPlan>,
    /// What puts right a transaction that deviated from its plan; the script itself where there is nothing else.
    pub mend: Option<ScriptMend>,
}

/// The Rust twin of a script's Lua text: keys and arguments as in the call, the reply as Lua would give it.
pub type ScriptBody = fn(&mut dyn Transaction, &[Key], &[Bytes]) -> Result<Reply>;

/// A [`ScriptBody`] for calls whose arguments are whole numbers, and whose reply is an array of them. It writes its reply to
/// the front of the last argument, and answers how long it is; where the room is too small, that is an error.
pub type NumberBody = fn(&mut dyn Transaction, &[Key], &[i64], &mut [i64]) -> Result<usize>;

/// What running a script again does, which decides whether a lost answer may be followed by another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScriptEffect {
    /// Every run changes something anew, such as an addition: never repeated after an answer that was lost.
    #[default]
    Mutates,
    /// A second run of the same call leaves the same state and gives an answer that is as good.
    Idempotent,
    /// It changes nothing.
    ReadOnly,
}

impl Script {
    /// What a server is given before the text of a script that [needs the time](Self::with_time): `now` in microseconds,
    /// read once, and `int(n)`, which writes a whole number as text without rounding it.
    pub const PRELUDE: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function int(n) return string.format('%.0f', n) end
";

    /// A script from its name and Lua text, without a body in Rust.
    ///
    /// # Examples
    /// See [`Script`].
    #[must_use]
    pub const fn new(name: &'static str, lua: &'static str) -> Self {
        Self {
            name,
            lua,
            body: None,
            numbers: None,
            needs_time: false,
            effect: ScriptEffect::Mutates,
            starts_when_full: false,
            plan: None,
            mend: None,
        }
    }

    /// Adds the same procedure in Rust, which the memory store runs.
    ///
    /// # Examples
    /// See [`Script`].
    #[must_use]
    pub const fn with_body(mut self, body: ScriptBody) -> Self {
        self.body = Some(body);
        self
    }

    /// Adds the same procedure over numbers, for callers that [ask so](crate::Store::run_numbers). The [body](Self::with_body)
    /// stays, for all others.
    ///
    /// # Examples
    /// ```
    /// use bytes::Bytes;
    /// use cachekit_keys::Key;
    /// use cachekit_store::{MemoryStore, Result, Script, Store, Transaction};
    ///
    /// const ADD: Script = Script::new("add", "return { redis.call('INCRBY', KEYS[1], ARGV[1]) }").with_numbers(add);
    ///
    /// fn add(tx: &mut dyn Transaction, keys: &[Key], args: &[i64], reply: &mut [i64]) -> Result<usize> {
    ///     reply[0] = tx.incrby(&keys[0], args[0])?;
    ///     Ok(1)
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let (store, mut reply) = (MemoryStore::new(), [0; 1]);
    /// let answered = store.run_numbers(&ADD, &[Key::from_raw("k")?], &[5], &mut reply);
    /// assert_eq!((answered.transpose()?, reply), (Some(1), [5]));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn with_numbers(mut self, body: NumberBody) -> Self {
        self.numbers = Some(body);
        self
    }

    /// Puts the [prelude](Self::PRELUDE) before the text.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::Script;
    /// const STAMP: Script = Script::new("stamp", "return int(now)").with_time();
    /// assert!(STAMP.needs_time);
    /// ```
    #[must_use]
    pub const fn with_time(mut self) -> Self {
        self.needs_time = true;
        self
    }

    /// States what a repetition does. Default: [`ScriptEffect::Mutates`].
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Script, ScriptEffect};
    /// const PEEK: Script = Script::new("peek", "return redis.call('GET', KEYS[1])")
    ///     .with_effect(ScriptEffect::ReadOnly);
    /// assert_eq!(PEEK.effect, ScriptEffect::ReadOnly);
    /// ```
    #[must_use]
    pub const fn with_effect(mut self, effect: ScriptEffect) -> Self {
        self.effect = effect;
        self
    }

    /// States that it runs where memory is full, too, because it frees some in the end.
    ///
    /// That is for the memory store. A server goes by the text: it refuses a first write that may take up memory, and none after one that
    /// may not, such as `DEL`.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::Script;
    /// const FREE: Script = Script::new("free", "return redis.call('DEL', KEYS[1])").with_start_when_full();
    /// assert!(FREE.starts_when_full);
    /// ```
    #[must_use]
    pub const fn with_start_when_full(mut self) -> Self {
        self.starts_when_full = true;
        self
    }

    /// Adds the same procedure as plain commands, which a server runs faster where a call needs no decision.
    ///
    /// # Examples
    /// See [`ScriptPlan`].
    #[must_use]
    pub const fn with_plan(mut self, plan: ScriptPlan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// States what is to be done where a transaction deviated from its plan. Default: the script is run after it.
    ///
    /// # Examples
    /// See [`ScriptPlan`].
    #[must_use]
    pub const fn with_mend(mut self, mend: ScriptMend) -> Self {
        self.mend = Some(mend);
        self
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.name)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

/// One run of a [`Script`] within a batch.
///
/// # Examples
/// ```
/// use cachekit_keys::Key;
/// use cachekit_store::ScriptCall;
///
/// let call = ScriptCall::new(vec![Key::from_raw("k")?], vec!["1".into()]);
/// assert_eq!((call.keys.len(), call.args.len()), (1, 1));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ScriptCall {
    /// The keys, which on a cluster share a slot.
    pub keys: Vec<Key>,
    /// The arguments.
    pub args: Vec<Bytes>,
}

impl ScriptCall {
    /// A run with `keys` and `args`.
    ///
    /// # Examples
    /// See [`ScriptCall`].
    #[must_use]
    pub fn new(keys: Vec<Key>, args: Vec<Bytes>) -> Self {
        Self { keys, args }
    }
}

impl std::fmt::Debug for ScriptCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptCall")
            .field("keys", &self.keys)
            .field("args_len", &self.args.len())
            .finish()
    }
}

/// What a script returns.
///
/// # Examples
/// ```
/// use cachekit_store::Reply;
///
/// let reply = Reply::Array(vec![Reply::Integer(1), Reply::Nil]);
/// assert!(matches!(reply, Reply::Array(parts) if parts[1] == Reply::Nil));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing (Lua `false` or `nil`).
    Nil,
    /// An integer.
    Integer(i64),
    /// A byte string.
    Bytes(Bytes),
    /// A status such as `OK`.
    Status(String),
    /// Several replies.
    Array(Vec<Reply>),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Array(replies) => f.debug_list().entries(replies).finish(),
        }
    }
}
