//! A script's procedure as plain commands, for calls that need no decision on the server.

use bytes::Bytes;
use cachekit_keys::Key;

use super::{Reply, Script, ScriptCall};

/// Writes down what a call of a script does as commands that a server runs in one transaction (`MULTI`), and answers what
/// the script would; `None` for a call that has to be run as the script.
///
/// A server runs plain commands about twice as fast as the same from Lua. So this is for scripts whose ordinary call decides
/// nothing: keys, arguments, and the server's time in milliseconds since the Unix epoch, which is an estimate that the store
/// verifies in the same transaction, and which is at most [`MAX_DRIFT_MS`] off where all is as planned.
///
/// # What a plan must keep to
/// Where a command fails or answers other than [expected](Commands::expect), or the time was further off, the store
/// runs the script for the same call after it, or the plan's [mends](ScriptMend) in its place. Others may have read and
/// written in between: whatever the commands leave behind must be harmless, must be put right by what follows, and what
/// follows must undo nothing that others wrote meanwhile. A plan for which the script would do that needs mends.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use cachekit_keys::Key;
/// use cachekit_store::{Commands, Deviation, Mend, Reply, Script, ScriptCall};
///
/// /// Writes a value and ends a claim of it, if there is one: a script that hardly ever finds one.
/// const WRITE: Script = Script::new(
///     "write",
///     "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
///      if redis.call('DEL', KEYS[2]) == 1 then redis.call('PUBLISH', 'claims', KEYS[2]) end
///      return 1",
/// )
/// .with_plan(plan)
/// .with_mend(mend);
///
/// /// What is left to do where the claim was there: the value is written, and is not to be written again.
/// const TELL: Script = Script::new("tell", "return redis.call('PUBLISH', 'claims', KEYS[1])");
///
/// fn plan(commands: &mut dyn Commands, keys: &[Key], args: &[Bytes], _now: u64) -> Option<Reply> {
///     commands.add(&[b"SET", keys[0].as_bytes(), &args[0], b"PX", &args[1]]);
///     commands.expect(&[b"DEL", keys[1].as_bytes()], 0);
///     Some(Reply::Integer(1))
/// }
///
/// fn mend(keys: &[Key], _args: &[Bytes], deviation: Deviation) -> Vec<Mend> {
///     let call = ScriptCall::new(vec![keys[1].clone()], Vec::new());
///     let tell = deviation.unexpected.then(|| Mend::optional(TELL, call));
///     tell.into_iter().collect()
/// }
/// ```
pub type ScriptPlan = fn(&mut dyn Commands, &[Key], &[Bytes], now_ms: u64) -> Option<Reply>;

/// What is to be done after a transaction that was carried out and deviated from its [plan](ScriptPlan), for the same keys
/// and arguments; nothing where the deviation does no harm.
///
/// The mends of a call may take effect in any order, and where the caller goes away or the connection is lost, not at all.
///
/// # Examples
/// See [`ScriptPlan`].
pub type ScriptMend = fn(&[Key], &[Bytes], Deviation) -> Vec<Mend>;

/// How far the time that a [plan](ScriptPlan) is given may be off, in milliseconds: 10 seconds.
pub const MAX_DRIFT_MS: u64 = 10_000;

/// Takes down the commands of a [plan](ScriptPlan).
///
/// # Examples
/// See [`ScriptPlan`].
pub trait Commands {
    /// Adds a command which may answer anything but an error, given as its name and arguments. After an error the script is
    /// run as a whole.
    fn add(&mut self, words: &[&[u8]]);

    /// Adds a command which may answer anything; an error is a [deviation](Deviation::failed).
    fn attempt(&mut self, words: &[&[u8]]);

    /// Adds a command that answers this number where all is as planned; another is a [deviation](Deviation::unexpected).
    /// After an error the script is run as a whole.
    fn expect(&mut self, words: &[&[u8]], answer: i64);
}

/// In what a transaction deviated from its [plan](ScriptPlan).
///
/// # Examples
/// See [`ScriptPlan`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deviation {
    /// A command that was [attempted](Commands::attempt) failed, or may have been carried out at another moment than the rest.
    pub failed: bool,
    /// An answer was not the [expected](Commands::expect) one.
    pub unexpected: bool,
    /// The time that the plan was given was more than [`MAX_DRIFT_MS`] off.
    pub untimely: bool,
}

/// One thing to do after a transaction that [deviated](Deviation) from its plan: a call of a script.
///
/// # Examples
/// See [`ScriptPlan`].
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "redis"),
    expect(dead_code, reason = "only servers are given plans")
)]
pub struct Mend {
    pub(crate) script: Script,
    pub(crate) call: ScriptCall,
    pub(crate) is_vital: bool,
}

impl Mend {
    /// One that has to be done: its error is the call's.
    #[must_use]
    pub fn vital(script: Script, call: ScriptCall) -> Self {
        Self {
            script,
            call,
            is_vital: true,
        }
    }

    /// One without which the call is done all the same: its error is nobody's.
    #[must_use]
    pub fn optional(script: Script, call: ScriptCall) -> Self {
        Self {
            script,
            call,
            is_vital: false,
        }
    }
}
