//! The commands that need more than a name and a key.

use redis::Cmd;

use crate::{Condition, Expiration, ExpireChange, SetItem, SetOptions};
use cachekit_keys::{Key, Ttl};

/// `SET key value [PX ms | KEEPTTL] [NX | XX]`
pub(super) fn set(key: &Key, value: &[u8], options: SetOptions) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key.as_bytes()).arg(value);
    match options.expiration {
        Expiration::After(ttl) => {
            command.arg("PX").arg(ttl.as_millis());
        }
        Expiration::Keep => {
            command.arg("KEEPTTL");
        }
        Expiration::Never => {}
    }
    match options.condition {
        Condition::Always => {}
        Condition::IfAbsent => {
            command.arg("NX");
        }
        Condition::IfPresent => {
            command.arg("XX");
        }
    }
    command
}

/// The same for one write of a batch.
pub(super) fn set_item(item: &SetItem) -> Cmd {
    set(&item.key, &item.value, item.options)
}

/// `PEXPIRE key ms [NX | GT]` or `PERSIST key`
pub(super) fn expire(key: &Key, change: ExpireChange) -> Cmd {
    let pexpire = |ttl: Ttl| {
        let mut command = redis::cmd("PEXPIRE");
        command.arg(key.as_bytes()).arg(ttl.as_millis());
        command
    };
    match change {
        ExpireChange::After(ttl) => pexpire(ttl),
        ExpireChange::IfNone(ttl) => {
            let mut command = pexpire(ttl);
            command.arg("NX");
            command
        }
        // A key without a TTL counts as infinite for GT and stays as it is.
        ExpireChange::AtLeast(ttl) => {
            let mut command = pexpire(ttl);
            command.arg("GT");
            command
        }
        ExpireChange::Never => {
            let mut command = redis::cmd("PERSIST");
            command.arg(key.as_bytes());
            command
        }
    }
}

/// One command with keys as its only arguments.
pub(super) fn with_keys(name: &'static str, keys: &[Key]) -> Cmd {
    let mut command = redis::cmd(name);
    for key in keys {
        command.arg(key.as_bytes());
    }
    command
}
