//! How a connection to a server is made.

use std::{fmt, sync::Arc, time::Duration};

use redis::{ConnectionInfo, io::tcp::TcpSettings};

use super::{
    address::Address,
    backend::{Backend, Route},
    dial::DialOptions,
    hub::{Hub, HubOptions},
    link::Link,
    route::{Cluster, ClusterOptions},
    scripts::{ScriptClock, ScriptTexts},
    store::RedisStore,
    topology::Topology,
    url::{self, Location, configuration},
};
use crate::{Observer, Observers, Result};

/// Default limit of a value: 64 MiB. Redis itself stops at 512 MiB.
const DEFAULT_MAX_VALUE_SIZE: usize = 64 << 20;
/// Shorter ones would fail every call.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
/// Longer ones are a mistake, and the longest would overflow the clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

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
///
/// A cluster over TLS, with a user of the access list:
/// ```no_run
/// use cachekit_store::RedisStore;
///
/// # #[cfg(feature = "tls")]
/// # async fn f(ca: Vec<u8>, password: String) -> Result<(), cachekit_store::Error> {
/// let store = RedisStore::builder("rediss+cluster://redis-1.internal,redis-2.internal:6379")
///     .user("app", password)
///     .tls_ca(ca)
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
    guessed_time: Option<ScriptClock>,
    observers: Observers,
    topology: Option<Topology>,
    seeds: Vec<String>,
    #[cfg(feature = "tls")]
    tls: super::tls::TlsOptions,
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
            guessed_time: None,
            observers: Observers::built_in(),
            topology: None,
            seeds: Vec::new(),
            #[cfg(feature = "tls")]
            tls: Default::default(),
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
    /// A call that has no answer by then fails with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout). Very large values and
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

    /// Puts a clock in the place of the estimate of the server's time that [plans](crate::ScriptPlan) are given, in
    /// milliseconds since the Unix epoch: for tests of what a wrong one leads to.
    #[doc(hidden)]
    pub fn guessed_time(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.guessed_time = Some(Arc::new(clock));
        self
    }

    /// Adds an observer of the store's connections and of the gaps in its subscriptions. It may be called several times.
    ///
    /// With the feature `tracing` a `TracingObserver` is there from the beginning.
    ///
    /// # Examples
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use cachekit_store::{ConnectionState, Event, Observer, RedisStore};
    ///
    /// #[derive(Debug, Default)]
    /// struct Losses(AtomicU64);
    ///
    /// impl Observer for Losses {
    ///     fn observe(&self, event: &Event<'_>) {
    ///         if let Event::Connection { state: ConnectionState::Lost, .. } = event {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    ///
    /// let losses = Arc::new(Losses::default());
    /// let store = RedisStore::builder("redis://127.0.0.1:6379")
    ///     .observer(losses.clone())
    ///     .build()?; // connects with the first call
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.with(observer);
        self
    }

    /// What stands behind the address; by default what the URL's scheme says: `redis+cluster://` and `rediss+cluster://`
    /// are clusters, the others one server.
    ///
    /// # Examples
    /// See [`Topology`].
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = Some(topology);
        self
    }

    /// A further node of a cluster, `host[:port]` or a URL, to ask for the layout when the first does not answer.
    ///
    /// Once the layout is known, every node in it serves as well. All nodes share the credentials and the TLS of the
    /// builder's URL, which can name several hosts too: `redis+cluster://user:password@host1:6379,host2:6379`.
    ///
    /// # Examples
    /// See [`Topology`].
    pub fn seed(mut self, address: impl Into<String>) -> Self {
        self.seeds.push(address.into());
        self
    }

    /// The authorities that servers' certificates are checked against, as PEM, in place of the system's.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{ErrorKind, RedisStore};
    ///
    /// let builder = RedisStore::builder("rediss://127.0.0.1:6379").tls_ca("no certificate");
    /// assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Configuration);
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.authorities = Some(pem.into());
        self
    }

    /// The certificate chain and the key, both as PEM, that this client shows to servers which ask for them.
    ///
    /// # Examples
    /// ```no_run
    /// use cachekit_store::RedisStore;
    ///
    /// # fn f(ca: Vec<u8>, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), cachekit_store::Error> {
    /// let store = RedisStore::builder("rediss://redis.internal:6379")
    ///     .tls_ca(ca)
    ///     .tls_client(certificate, key)
    ///     .build()?; // connects with the first call
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls_client(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((certificate.into(), key.into()));
        self
    }

    /// Checks the options without connecting; the first call connects.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a URL that cannot be read, one of Sentinel (not
    /// built yet), a TLS URL without the feature `tls`, certificates without a TLS URL or that cannot be read, seeds or
    /// several hosts without [`Topology::Cluster`], a database other than 0 on a cluster, a time-out or a value limit out
    /// of its range.
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
        let location = Location::read(&self.url)?;
        let topology = self.topology.or(location.topology).unwrap_or_default();
        let route = match topology {
            Topology::Standalone => Route::Single(self.link(location)?),
            Topology::Cluster => Route::Cluster(self.cluster(location)?),
            Topology::Sentinel => return Err(url::no_sentinel()),
        };
        let hub_options = HubOptions::new(self.request_timeout, self.observers);
        let hub = match &route {
            Route::Single(link) => {
                let dialer = link.dialer().clone();
                Hub::new(hub_options, move || vec![dialer.clone()])
            }
            Route::Cluster(cluster) => Hub::new(hub_options, cluster.peers()),
        };
        let backend = Backend {
            route,
            scripts: ScriptTexts::new(self.script_clock, self.guessed_time),
        };
        Ok(RedisStore::new(backend, hub, self.max_value_size))
    }

    /// Checks the options, connects and authenticates. Of a cluster, one node has to answer.
    ///
    /// # Errors
    /// Those of [`build`](Self::build); [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) or
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) where nothing answers at the address;
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) for wrong credentials;
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where the certificate is not accepted, or where the
    /// server does not speak TLS, or nothing but TLS, or is not part of a cluster.
    ///
    /// # Cancel safety
    /// A dropped call leaves no connection behind.
    ///
    /// # Examples
    /// See [`RedisStoreBuilder`].
    pub async fn connect(self) -> Result<RedisStore> {
        let store = self.build()?;
        store.greet().await?;
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
        Ok(())
    }

    fn link(&self, location: Location) -> Result<Link> {
        if !location.others.is_empty() || !self.seeds.is_empty() {
            return Err(configuration(
                "several hosts are those of a cluster: say so with `Topology::Cluster` or a `redis+cluster` URL",
            ));
        }
        let dial = self.dial_options(location.info, location.tls)?;
        Ok(Link::new(
            dial.dialer()?,
            self.request_timeout,
            self.observers.clone(),
        ))
    }

    fn cluster(&self, location: Location) -> Result<Cluster> {
        if location.info.redis_settings().db() != 0 {
            return Err(configuration("a cluster has no database but 0"));
        }
        let first = Address::of(&location.info)
            .ok_or_else(|| configuration("the nodes of a cluster are reached over TCP"))?;
        let further = self.seeds.iter().map(|text| url::seed(text, location.tls));
        let mut seeds = vec![first];
        seeds.extend(location.others);
        for seed in further {
            seeds.push(seed?);
        }
        Ok(Cluster::new(ClusterOptions {
            dial: self.dial_options(location.info, location.tls)?,
            request_timeout: self.request_timeout,
            observers: self.observers.clone(),
            seeds,
        }))
    }

    fn dial_options(&self, info: ConnectionInfo, tls: bool) -> Result<DialOptions> {
        #[cfg(not(feature = "tls"))]
        if tls {
            return Err(configuration("a `rediss` URL needs the feature `tls`"));
        }
        let mut settings = info.redis_settings().clone();
        if let Some((user, password)) = &self.credentials {
            settings = settings.set_password(password);
            if let Some(user) = user {
                settings = settings.set_username(user);
            }
        }
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let tcp = tcp.set_user_timeout(super::dial::TCP_USER_TIMEOUT);
        Ok(DialOptions {
            info: info.set_redis_settings(settings).set_tcp_settings(tcp),
            timeout: self.connect_timeout,
            #[cfg(feature = "tls")]
            tls: self.tls.build(tls)?,
        })
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
