//! Whose request it is.

use std::{
    any::type_name,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use cachekit_keys::{ContentHash, UserId};
use http::{HeaderName, request::Parts};

type Find = dyn Fn(&Parts) -> Option<UserId> + Send + Sync;

/// Whom a request was charged to. The layer puts it into the extensions of the request, beside the [`Decision`](crate::Decision),
/// for a handler that [refunds](crate::Limiter::refund) what it did not need, or charges more.
///
/// # Examples
/// ```
/// use cachekit_keys::UserId;
/// use cachekit_limits::http::ChargedTo;
///
/// let charged = ChargedTo(UserId::new("user123")?);
/// assert_eq!(charged.0.as_encoded(), "user123");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargedTo(pub UserId);

/// How the subject of a limit is found in a request. A request in which it finds none is [`Keyless`](super::Keyless).
///
/// # Examples
/// ```
/// use cachekit_keys::UserId;
/// use cachekit_limits::http::SubjectOf;
/// use http::{HeaderName, Request};
///
/// let (head, ()) = Request::builder()
///     .uri("/tenants/acme/jobs")
///     .header("x-api-key", "s3cret")
///     .body(())?
///     .into_parts();
///
/// let tenant = SubjectOf::request(|head| {
///     let tenant = head.uri.path().strip_prefix("/tenants/")?.split('/').next()?;
///     UserId::new(tenant).ok()
/// });
/// assert_eq!(tenant.find(&head), Some(UserId::new("acme")?));
///
/// let client = SubjectOf::secret_header(HeaderName::from_static("x-api-key"));
/// let hashed = client.find(&head).expect("the header is there");
/// assert!(!hashed.as_encoded().contains("s3cret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SubjectOf {
    find: Arc<Find>,
    what: &'static str,
}

impl SubjectOf {
    /// The value of a header that the service can trust, such as one that a gateway sets.
    ///
    /// A value that can be no id (it is empty, too long, or no visible ASCII) counts as none, and so do several values: who
    /// sends two might mean to choose.
    ///
    /// # Examples
    /// See the [module](super).
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self::of("header", move |head| UserId::new(only(head, &name)?).ok())
    }

    /// The SHA-256 hash of a header's value, for API keys and tokens: secrets do not belong into the names of keys.
    ///
    /// # Examples
    /// See [`SubjectOf`].
    #[must_use]
    pub fn secret_header(name: HeaderName) -> Self {
        Self::of("secret header", move |head| {
            let hash = ContentHash::of(only(head, &name)?);
            UserId::new(hash.to_string()).ok()
        })
    }

    /// The peer's address, which `address` takes from an extension of the request, where the server has left it.
    ///
    /// Of an IPv6 address the first 64 bits count, because one customer has all the others; an IPv4 address that is mapped into
    /// IPv6 counts as IPv4. Behind a proxy the peer is the proxy: use a header that the proxy sets.
    ///
    /// # Examples
    /// ```
    /// use std::net::SocketAddr;
    /// use cachekit_keys::UserId;
    /// use cachekit_limits::http::SubjectOf;
    /// use http::Request;
    ///
    /// // With axum: SubjectOf::peer(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip())
    /// let subject = SubjectOf::peer(|peer: &SocketAddr| peer.ip());
    /// let peer: SocketAddr = "203.0.113.7:40001".parse()?;
    /// let (head, ()) = Request::builder().extension(peer).body(())?.into_parts();
    /// assert_eq!(subject.find(&head), Some(UserId::new("203.0.113.7")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn peer<T: Send + Sync + 'static>(
        address: impl Fn(&T) -> IpAddr + Send + Sync + 'static,
    ) -> Self {
        Self::of(type_name::<T>(), move |head| {
            let address = address(head.extensions.get::<T>()?);
            UserId::new(customer(address).to_string()).ok()
        })
    }

    /// What `find` finds in the request's method, URI, headers and extensions.
    ///
    /// # Examples
    /// See [`SubjectOf`].
    #[must_use]
    pub fn request(find: impl Fn(&Parts) -> Option<UserId> + Send + Sync + 'static) -> Self {
        Self::of("request", find)
    }

    fn of(
        what: &'static str,
        find: impl Fn(&Parts) -> Option<UserId> + Send + Sync + 'static,
    ) -> Self {
        let find = Arc::new(find);
        Self { find, what }
    }

    /// The subject of a request; `None` where it has none.
    ///
    /// # Examples
    /// See [`SubjectOf`].
    #[must_use]
    pub fn find(&self, head: &Parts) -> Option<UserId> {
        (self.find)(head)
    }
}

/// The only value of a header.
fn only<'a>(head: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    let mut values = head.headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    (values.next().is_none() && !value.is_empty()).then_some(value)
}

/// What of an address one customer has to itself.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl fmt::Debug for SubjectOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubjectOf").field(&self.what).finish()
    }
}
