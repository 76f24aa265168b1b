//! How a connection to a server is made.

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, io::tcp::TcpSettings,
};

use super::{
    error::dial_error,
    link::{Link, LinkOptions},
    scripts::{ScriptClock, ScriptTexts},
    store::RedisStore,
};
use crate::{Error, ErrorKind, Result};

/// Default limit of a value: 64 MiB. Redis itself stops at 512 MiB.
const DEFAULT_MAX_VALUE_SIZE: usize = 64 << 20;
/// Shorter ones would fail every call.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
/// Longer ones are a mistake, and the longest would overflow the clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);
/// The kernel gives a connection up when sent bytes stay unacknowledged for this long.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of a [`RedisStore`]; setters cannot fail, [`connect`](Self::connect) and [`build`](Self::build) do.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
/// use cachekit_store::RedisStore;
///
/// # async fn f() -> Result<(), cachekit_store::Error> {
/// let store = RedisStore::builder("redis://127.0.0.1:6379")
///     .request_timeout(Duration::from_millis(250))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct RedisStoreBuilder {
    url: String,
    credentials: Option<(Option<String>, String)>,
    connect_timeout: Duration,
    request_timeout: Duration,
    max_value_size: usize,
    script_clock: Option<ScriptClock>,
}

impl RedisStoreBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            credentials: None,
            connect_timeout: Duration::from_millis(500),
            request_timeout: Duration::from_secs(1),
            max_value_size: DEFAULT_MAX_VALUE_SIZE,
            script_clock: None,
        }
    }

    /// The password of the default user, in place of one in the URL.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .password("from a secret store")
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.credentials = Some((None, password.into()));
        self
    }

    /// An ACL user and its password, in place of those in the URL.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .user("reader", "from a secret store")
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((Some(name.into()), password.into()));
        self
    }

    /// Longest time for one attempt to connect, TLS and authentication included; default 500 ms, from 1 ms to 1 hour.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .connect_timeout(Duration::from_secs(2))
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Deadline of each call, waiting for a connection included; default 1 s, from 1 ms to 1 hour.
    ///
    /// A call that has no answer by then fails with [`ErrorKind::Timeout`]. Very large values and
    /// batches need more than the default on a slow network: a batch is one request with one deadline, however long.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .request_timeout(Duration::from_millis(250))
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Largest value in bytes that is sent; default 64 MiB, at most 512 MiB, which is Redis's own limit.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .max_value_size(8 << 20)
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// For tests: the time that scripts [see](crate::Script::with_time), in microseconds since the Unix epoch, in place of
    /// the server's clock.
    ///
    /// Only what scripts read as `now` changes: keys still expire, and [`time`](crate::Store::time) still answers, by the
    /// server's own clock. Each call of [`run_script`](crate::Store::run_script) asks `clock` once for its whole batch.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .script_clock(|| 1_700_000_000_000_000)
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn script_clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.script_clock = Some(Arc::new(clock));
        self
    }

    /// Checks the options without connecting; the first call connects.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a URL that cannot be read, one of Sentinel (not built yet), a TLS URL without
    /// the feature `tls`, a time-out or a value limit out of its range.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{ErrorKind, RedisStore};
    ///
    /// let error = RedisStore::builder("not a URL").build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration);
    /// ```
    pub fn build(self) -> Result<RedisStore> {
        self.check()?;
        let info = self.connection_info()?;
        let address = shown_address(info.addr());
        let client = redis::Client::open(info)
            .map_err(|error| dial_error(&error, "the address was not accepted"))?;
        let link = Link::new(
            client,
            LinkOptions {
                address,
                connect_timeout: self.connect_timeout,
                request_timeout: self.request_timeout,
            },
            ScriptTexts::new(self.script_clock),
        );
        Ok(RedisStore::new(link, self.max_value_size))
    }

    /// Checks the options, connects and authenticates.
    ///
    /// # Errors
    /// Those of [`build`](Self::build); [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where
    /// nothing answers at the address; [`ErrorKind::Unauthenticated`] for wrong credentials.
    ///
    /// # Cancel safety
    /// A dropped call leaves no connection behind.
    ///
    /// # Examples
    /// See [`RedisStoreBuilder`].
    pub async fn connect(self) -> Result<RedisStore> {
        let store = self.build()?;
        store.ping().await?;
        Ok(store)
    }

    fn check(&self) -> Result<()> {
        let range = MIN_TIMEOUT..=MAX_TIMEOUT;
        if !range.contains(&self.connect_timeout) || !range.contains(&self.request_timeout) {
            return Err(configuration("a time-out must lie between 1 ms and 1 hour"));
        }
        if self.max_value_size == 0 || self.max_value_size > 512 << 20 {
            return Err(configuration(
                "the value limit must lie between 1 byte and 512 MiB",
            ));
        }
        if self.url.starts_with("redis+sentinel:") || self.url.starts_with("sentinel:") {
            return Err(configuration("sentinel is not built yet"));
        }
        if cfg!(not(feature = "tls")) && self.url.starts_with("rediss:") {
            return Err(configuration("a `rediss` URL needs the feature `tls`"));
        }
        Ok(())
    }

    fn connection_info(&self) -> Result<ConnectionInfo> {
        let info = self.url.as_str().into_connection_info().map_err(|_| {
            configuration(
                "the URL is not of the form redis://[user:password@]host[:port][/database]",
            )
        })?;
        let mut settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        if let Some((user, password)) = &self.credentials {
            settings = settings.set_password(password);
            if let Some(user) = user {
                settings = settings.set_username(user);
            }
        }
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_user_timeout(TCP_USER_TIMEOUT);
        Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("max_value_size", &self.max_value_size)
            .finish_non_exhaustive()
    }
}

fn configuration(detail: &str) -> Error {
    Error::new(ErrorKind::Configuration, "connect").with_detail(detail)
}

/// The address without anything secret, for errors.
fn shown_address(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            format!("{host}:{port}")
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        _ => "the configured address".to_owned(),
    }
}
