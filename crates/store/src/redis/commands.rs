//! The commands that need more than a name and a key.

use redis::{Arg, Cmd};

use crate::{Condition, Expiration, ExpireChange, ScanRequest, SetItem, SetOptions};
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

/// `SCAN cursor [MATCH pattern] COUNT count`
pub(super) fn scan(position: u64, request: &ScanRequest) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(position);
    if !request.pattern.is_everything() {
        command.arg("MATCH").arg(request.pattern.as_bytes());
    }
    command
        .arg("COUNT")
        .arg(request.count.clamp(1, ScanRequest::MAX_COUNT));
    command
}

/// One command with keys as its only arguments.
pub(super) fn with_keys<'a>(name: &'static str, keys: impl IntoIterator<Item = &'a Key>) -> Cmd {
    let mut command = redis::cmd(name);
    for key in keys {
        command.arg(key.as_bytes());
    }
    command
}

/// The same run of a script with its text in place of its hash, from an `EVALSHA`.
pub(super) fn by_text(by_hash: &Cmd, text: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text);
    for arg in by_hash.args_iter().skip(2) {
        if let Arg::Simple(bytes) = arg {
            command.arg(bytes);
        }
    }
    command
}
