//! Scripts that belong together, with what the comparison has to know about them.

use std::fmt;

use cachekit_store::{Reply, Script};

use super::{Answer, Call, Draw};

/// A family of scripts whose two bodies are to be compared.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use cachekit_keys::Key;
/// use cachekit_store::{Reply, Result, Script, Transaction};
/// use cachekit_testkit::equivalence::{Call, Draw, ScriptFamily};
///
/// const TAKE: Script = Script::new("take", "return redis.call('GETDEL', KEYS[1])").with_body(take);
///
/// fn take(tx: &mut dyn Transaction, keys: &[Key], _args: &[Bytes]) -> Result<Reply> {
///     let value = tx.get(&keys[0])?;
///     tx.del(&keys[0])?;
///     Ok(value.map_or(Reply::Nil, Reply::Bytes))
/// }
///
/// #[derive(Debug)]
/// struct Taking;
///
/// impl ScriptFamily for Taking {
///     fn scripts(&self) -> &[Script] {
///         &[TAKE]
///     }
///     fn generate(&self, _script: &Script, draw: &mut Draw) -> Call {
///         Call { keys: draw.call_keys(1), args: Vec::new() }
///     }
/// }
///
/// let call = Taking.generate(&TAKE, &mut Draw::new(1));
/// assert_eq!(call.keys.len(), 1);
/// ```
pub trait ScriptFamily: fmt::Debug + Send + Sync + 'static {
    /// The scripts. Their names are unique among the families of a comparison.
    fn scripts(&self) -> &[Script];

    /// A call of one of the scripts. Lifetimes in its arguments come from [`Draw::ttl`].
    fn generate(&self, script: &Script, draw: &mut Draw) -> Call;

    /// The reply to `call` in a form that can be compared. By default the reply as it is, which suits scripts whose replies
    /// depend neither on an order that a server leaves open nor on what is left of a life.
    fn canonical(&self, script: &Script, call: &Call, reply: Reply) -> Answer {
        let _ = (script, call);
        reply.into()
    }

    /// What a string that one of the scripts left behind means, wherever it is answered, in a form that can be compared; `None`
    /// for its bytes. For strings that tell of what was left of a life.
    fn canonical_string(&self, string: &[u8]) -> Option<Answer> {
        let _ = string;
        None
    }

    /// Simpler calls to try in the place of `call` when a list is shrunk. None by default.
    fn simplify(&self, script: &Script, call: &Call) -> Vec<Call> {
        let _ = (script, call);
        Vec::new()
    }
}
