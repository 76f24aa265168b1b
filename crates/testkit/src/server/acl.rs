//! Users with no more rights than the kit needs.
//!
//! The lists here are the ones to give a service's user: every command of the store, of the scripts, and of a cluster's
//! client, and nothing else. The conformance cases run as such a user.
//!
//! | list | what for |
//! |---|---|
//! | [`STORE_COMMANDS`] | every call of a store on data |
//! | [`SCRIPT_COMMANDS`] | what the kit's scripts call: a server checks the commands inside a script as well |
//! | [`PUBSUB_COMMANDS`] | publishing and subscribing |
//! | [`CLUSTER_COMMANDS`] | a cluster, on every node |
//! | [`COURTESY_COMMANDS`] | names the connection in `CLIENT LIST`; a refusal does no harm and is logged by the server |
//!
//! `AUTH` and `HELLO` need no right. A URL that names a database needs `+select` too.
//!
//! Keys: those of the application's namespace, `~name:*`, and the kit's own, `~ck:*`. `SCAN` shows the names of all keys
//! whatever these rules say. Channels: `&name:*` and so on, and `&ck:*` for wake-ups; a subscription to a pattern is
//! allowed only where this very pattern is among the rules.

use std::{fmt, io};

use crate::{RawClient, RawReply, raw::addresses};

/// What a store's calls on data send.
pub const STORE_COMMANDS: &[&str] = &[
    "get", "mget", "set", "unlink", "pttl", "pexpire", "persist", "scan", // data
    "evalsha", "eval", "multi", "exec", // several steps in one
    "ping", "time", "info", // the server
];

/// What the kit's scripts call, or send in their place, beyond what the store sends itself.
pub const SCRIPT_COMMANDS: &[&str] = &[
    "pexpireat", // keys
    "del",
    "exists",
    "getdel",
    "incrby",
    "getrange",
    "setrange",
    "strlen", // values
    "hget",
    "hgetall",
    "hset",
    "hdel",
    "hincrby",
    "hlen", // hashes
    "zadd",
    "zincrby",
    "zrem",
    "zscore",
    "zmscore",
    "zcard",
    "zcount",
    "zrange",
    "zremrangebyscore",
    "zremrangebyrank",
];

/// What channels need.
pub const PUBSUB_COMMANDS: &[&str] = &[
    "publish",
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
];

/// What a client of a cluster sends beside.
pub const CLUSTER_COMMANDS: &[&str] = &["cluster|slots", "cluster|info", "cluster|myid", "asking"];

/// What a client says of itself. Servers before 7.2 do not know `SETINFO`, and such a rule is an error there.
pub const COURTESY_COMMANDS: &[&str] = &["client|setinfo", "client|setname"];

/// The lists that a server of any form needs.
const ALWAYS: [&[&str]; 4] = [
    STORE_COMMANDS,
    SCRIPT_COMMANDS,
    PUBSUB_COMMANDS,
    COURTESY_COMMANDS,
];

/// A user that was made on a server, or on every node of a cluster. Dropping it removes the user.
///
/// # Examples
/// ```no_run
/// use cachekit_store::RedisStore;
/// use cachekit_testkit::server::acl::AclUser;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "redis://127.0.0.1:6379/";
/// let user = AclUser::create(url, &["app:*", "ck:*"], &["app:*"])?;
/// let store = RedisStore::builder(url)
///     .user(user.name(), user.password())
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct AclUser {
    nodes: Vec<String>,
    name: String,
    password: String,
}

impl AclUser {
    /// Makes a user with a random name that may do what the kit does, to keys and channels of these patterns.
    ///
    /// The URL is `redis://host:port/`, or names every node of a cluster: `redis+cluster://host:port,host:port`.
    ///
    /// # Errors
    /// Those of the socket, and a server's refusal.
    pub fn create(url: &str, keys: &[&str], channels: &[&str]) -> io::Result<Self> {
        Self::create_without(&[], url, keys, channels)
    }

    /// The same without some of the commands, to show what happens where a right is missing.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_without(
        missing: &[&str],
        url: &str,
        keys: &[&str],
        channels: &[&str],
    ) -> io::Result<Self> {
        let user = Self {
            nodes: addresses(url).into_iter().map(str::to_owned).collect(),
            name: format!("u{:016x}", fastrand::u64(..)),
            password: format!("p{:016x}", fastrand::u64(..)),
        };
        let cluster: &[&str] = if url.starts_with("redis+cluster:") {
            CLUSTER_COMMANDS
        } else {
            &[]
        };
        let commands = ALWAYS.into_iter().chain([cluster]).flatten();
        let commands: Vec<&str> = commands
            .copied()
            .filter(|name| !missing.contains(name))
            .collect();
        for node in &user.nodes {
            user.create_on(node, &commands, keys, channels)?;
        }
        Ok(user)
    }

    fn create_on(
        &self,
        node: &str,
        commands: &[&str],
        keys: &[&str],
        channels: &[&str],
    ) -> io::Result<()> {
        let mut client = RawClient::connect(node)?;
        let password = format!(">{}", self.password);
        let mut rules = vec!["on".to_owned(), password, "resetchannels".to_owned()];
        rules.extend(keys.iter().map(|pattern| format!("~{pattern}")));
        rules.extend(channels.iter().map(|pattern| format!("&{pattern}")));
        for command in commands {
            if knows(&mut client, command)? {
                rules.push(format!("+{command}"));
            }
        }
        let mut command = vec!["ACL", "SETUSER", &self.name];
        command.extend(rules.iter().map(String::as_str));
        match client.text(&command)? {
            RawReply::Status(_) => Ok(()),
            refusal => Err(io::Error::other(format!("{node} answers {refusal:?}"))),
        }
    }

    /// The user's name, of which a server has no other.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl Drop for AclUser {
    fn drop(&mut self) {
        for node in &self.nodes {
            // The server may have ended, and the user with it.
            let _ = RawClient::connect(node)
                .and_then(|mut client| client.text(&["ACL", "DELUSER", &self.name]));
        }
    }
}

impl fmt::Debug for AclUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AclUser")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A right to what a server does not have is an error of the rule.
fn knows(client: &mut RawClient, command: &str) -> io::Result<bool> {
    let reply = client.text(&["COMMAND", "INFO", command])?;
    Ok(matches!(reply, RawReply::List(known) if matches!(known[..], [RawReply::List(_)])))
}
