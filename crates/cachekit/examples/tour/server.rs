//! Where the cache is: in this process, or on a server.

use crate::failure::{Failure, in_one_line};
use cachekit::{CacheKit, ErrorKind};
use serde::Serialize;

/// Where the cache is, as it is shown.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Place {
    /// In this process.
    Memory,
    /// On a server.
    Redis {
        /// Its address, without user name, password and options.
        url: String,
    },
}

/// Opens the cache: the server at `redis`, or else the embedded store.
///
/// # Errors
///
/// [`Failure::Usage`] for an address that cannot be one, [`Failure::Stopped`] for a server that does not let us in.
pub(crate) async fn open(redis: Option<&str>) -> Result<(CacheKit, Place), Failure> {
    let Some(url) = redis else {
        return Ok((CacheKit::memory(), Place::Memory));
    };
    let shown = without_credentials(url);
    match CacheKit::connect(url).await {
        Ok(kit) => Ok((kit, Place::Redis { url: shown })),
        Err(error) => {
            let line = format!("cannot cache on `{shown}`: {}", in_one_line(&error));
            Err(match error.kind() {
                ErrorKind::Configuration | ErrorKind::InvalidInput => Failure::Usage(line),
                _ => Failure::Stopped(line),
            })
        }
    }
}

/// The scheme, host and port of a URL, and the database behind them.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // It is no URL, so nobody knows which part of it is a secret.
        return "(not a URL)".to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn an_address_is_shown_without_secrets() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("rediss://u:p@ss@host:1/3", "rediss://host:1/3"),
            ("redis://host?password=p", "redis://host"),
            ("secret", "(not a URL)"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
