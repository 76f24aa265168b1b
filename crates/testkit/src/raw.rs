//! A client of a few lines that speaks to a server without any of the code under test.
//!
//! It plays the other programs on the server: it writes what the kit has to cope with, and reads what the kit wrote.
//! It is not a client for services: no time-outs but the socket's, no pipelining, no reconnecting.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A reply in the second version of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawReply {
    /// `+OK`
    Status(String),
    /// `-ERR ...`
    Error(String),
    /// `:42`
    Integer(i64),
    /// A byte string, or nothing.
    Bytes(Option<Vec<u8>>),
    /// A list.
    List(Vec<RawReply>),
}

/// One blocking connection.
#[derive(Debug)]
pub struct RawClient {
    reader: BufReader<TcpStream>,
}

impl RawClient {
    /// Connects to `redis://host:port/` or `host:port`.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn connect(url: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(addresses(url)[0])?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Sends one command on a connection of its own, to the node of a cluster to which the first one refers it. The URL is
    /// `redis://host:port/` or `redis+cluster://host:port,host:port`.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub fn call_at(url: &str, parts: &[&[u8]]) -> io::Result<RawReply> {
        let reply = Self::connect(addresses(url)[0])?.call(parts)?;
        match &reply {
            RawReply::Error(error) if error.starts_with("MOVED ") => {
                let owner = error.rsplit(' ').next().unwrap_or_default();
                Self::connect(owner)?.call(parts)
            }
            _ => Ok(reply),
        }
    }

    /// How long to wait for bytes of a reply, from now on; 10 seconds before.
    ///
    /// # Errors
    /// That of the socket, for a time of zero.
    pub fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.reader.get_ref().set_read_timeout(Some(timeout))
    }

    /// Sends one command and reads its reply; a server's error is a reply.
    ///
    /// # Errors
    /// Those of the socket, and a reply that cannot be read.
    pub fn call(&mut self, parts: &[&[u8]]) -> io::Result<RawReply> {
        let mut request = format!("*{}\r\n", parts.len()).into_bytes();
        for part in parts {
            request.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            request.extend_from_slice(part);
            request.extend_from_slice(b"\r\n");
        }
        self.reader.get_mut().write_all(&request)?;
        self.read_reply()
    }

    /// The same for a command of text.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub fn text(&mut self, parts: &[&str]) -> io::Result<RawReply> {
        self.call(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
    }

    fn read_reply(&mut self) -> io::Result<RawReply> {
        let line = self.read_line()?;
        let (kind, rest) = line
            .split_at_checked(1)
            .ok_or_else(|| malformed("an empty line"))?;
        match kind {
            "+" => Ok(RawReply::Status(rest.to_owned())),
            "-" => Ok(RawReply::Error(rest.to_owned())),
            ":" => Ok(RawReply::Integer(number(rest)?)),
            "$" => self.read_bytes(number(rest)?),
            "*" => {
                let len = number(rest)?.max(0);
                (0..len)
                    .map(|_| self.read_reply())
                    .collect::<io::Result<_>>()
                    .map(RawReply::List)
            }
            _ => Err(malformed("an unknown type")),
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    fn read_bytes(&mut self, len: i64) -> io::Result<RawReply> {
        let Ok(len) = usize::try_from(len) else {
            return Ok(RawReply::Bytes(None));
        };
        let mut bytes = vec![0; len + 2];
        self.reader.read_exact(&mut bytes)?;
        bytes.truncate(len);
        Ok(RawReply::Bytes(Some(bytes)))
    }
}

impl RawReply {
    /// The byte string inside, if it is one.
    #[must_use]
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => None,
        }
    }

    /// The integer inside, if it is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// The addresses in a URL, of which there is at least one.
pub(crate) fn addresses(url: &str) -> Vec<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    let rest = rest.rsplit('@').next().unwrap_or(rest);
    rest.split(',').collect()
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| malformed("a number that is none"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the reply has {what}"))
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn the_addresses_of_any_form_of_url_are_found() {
        assert_eq!(addresses("h:1"), ["h:1"]);
        assert_eq!(addresses("redis://user:pw@h:1/0"), ["h:1"]);
        assert_eq!(addresses("redis+cluster://h:1,h:2"), ["h:1", "h:2"]);
    }
}
