//! What a URL says: where servers are, how many, whether they speak TLS, and the credentials.

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::{address::Address, topology::Topology};
use crate::{Error, ErrorKind, Result};

/// A URL, read.
pub(super) struct Location {
    /// Address, credentials and database of the first host.
    pub(super) info: ConnectionInfo,
    /// The further hosts of a list.
    pub(super) others: Vec<Address>,
    /// What the scheme says of it.
    pub(super) topology: Option<Topology>,
    pub(super) tls: bool,
}

impl Location {
    /// Reads `scheme://[user:password@]host[:port][,host[:port]...][/database]`, or the URL of a Unix socket.
    pub(super) fn read(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(unreadable)?;
        let (base, topology) = match scheme.rsplit_once('+') {
            Some((base, "cluster")) => (base, Some(Topology::Cluster)),
            Some((_, "sentinel")) => return Err(no_sentinel()),
            None if scheme == "sentinel" => return Err(no_sentinel()),
            _ => (scheme, None),
        };
        let tls = matches!(base, "rediss" | "valkeys");
        if rest.contains('#') {
            return Err(configuration(
                "the URL ends in a `#` part, which means nothing here",
            ));
        }
        // The library is not asked for TLS: that is made here.
        let base = match base {
            "rediss" | "valkeys" => "redis",
            other => other,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (credentials, hosts) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let mut infos = hosts
            .split(',')
            .map(|host| connection_info(&format!("{base}://{credentials}{host}{tail}")));
        let info = infos.next().ok_or_else(unreadable)??;
        let others: Result<Vec<Address>> = infos
            .map(|info| Address::of(&info?).ok_or_else(unreadable))
            .collect();
        let others = others?;
        if !others.is_empty() && topology == Some(Topology::Standalone) {
            return Err(unreadable());
        }
        Ok(Self {
            info,
            others,
            topology,
            tls,
        })
    }
}

/// A further node: `host[:port]`, or a URL without credentials, because all nodes share those of the first.
pub(super) fn seed(text: &str, tls: bool) -> Result<Address> {
    if text.contains('@') {
        return Err(configuration(
            "a seed has no credentials of its own: those of the first address are for all nodes",
        ));
    }
    let scheme = if tls { "rediss" } else { "redis" };
    let location = match text.contains("://") {
        true => Location::read(text)?,
        false => Location::read(&format!("{scheme}://{text}"))?,
    };
    if location.tls != tls {
        return Err(configuration(
            "TLS is for all nodes of a cluster or for none",
        ));
    }
    match Address::of(&location.info) {
        Some(address) if location.others.is_empty() => Ok(address),
        _ => Err(configuration("a seed is one host with its port")),
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo> {
    let info = url.into_connection_info().map_err(|_| unreadable())?;
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

pub(super) fn configuration(detail: &str) -> Error {
    Error::new(ErrorKind::Configuration, "connect").with_detail(detail)
}

fn unreadable() -> Error {
    configuration("the URL is not of the form redis://[user:password@]host[:port][/database]")
}

pub(super) fn no_sentinel() -> Error {
    configuration("Sentinel is not built yet")
}
