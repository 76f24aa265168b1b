//! The command line: what the tour is asked to do.
//!
//! Parsed by hand, because two options and a path need no framework, and because an example should not make its reader
//! learn one. It knows nothing of files or servers: whether a path exists is found out later.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A tour of cachekit on a real source tree: cold pass, warm pass, and what the cache saved.

Usage: cargo run --release --example tour -- [PATH] [OPTIONS]

Arguments:
  [PATH]         The directory to walk. Default: this repository

Options:
  --redis <URL>  Cache on a server, such as redis://127.0.0.1:6379, so that a second run finds it warm.
                 Default: the embedded in-memory store, which ends with the process
  --json         Print one JSON object and nothing else on standard output
  -h, --help     Print this text

Colour is used on a terminal only, and never where NO_COLOR is set.
Exit codes: 0 done, 1 the tour could not be finished, 2 it was asked for wrongly.
";

/// The form of the result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people, as it happens.
    Text,
    /// For programs, one object at the end.
    Json,
}

/// A tour that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The tree to walk; `None` is this repository.
    pub(crate) path: Option<PathBuf>,
    /// The server to cache on; `None` is the memory of this process.
    pub(crate) redis: Option<String>,
    /// How to say what was found.
    pub(crate) format: Format,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Make the tour.
    Run(Request),
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
///
/// One line that says which argument is wrong and what would be right.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut request = Request {
        path: None,
        redis: None,
        format: Format::Text,
    };
    let mut args = args.into_iter();
    let mut only_paths = false;
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--") if !only_paths => only_paths = true,
            Some("-h" | "--help") if !only_paths => return Ok(Command::Help),
            Some("--json") if !only_paths => request.format = Format::Json,
            Some("--redis") if !only_paths => {
                let url = args.next().ok_or_else(missing_url)?;
                set_url(&mut request, &url)?;
            }
            Some(text) if !only_paths && text.starts_with("--redis=") => {
                set_url(&mut request, OsStr::new(&text["--redis=".len()..]))?;
            }
            Some(text) if !only_paths && text.starts_with('-') => {
                return Err(format!("unknown option `{text}` (see --help)"));
            }
            _ => set_path(&mut request, arg)?,
        }
    }
    Ok(Command::Run(request))
}

fn set_path(request: &mut Request, path: OsString) -> Result<(), String> {
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if request.path.is_some() {
        return Err("one path at a time (see --help)".to_owned());
    }
    request.path = Some(PathBuf::from(path));
    Ok(())
}

fn set_url(request: &mut Request, url: &OsStr) -> Result<(), String> {
    // The value is not repeated in any message: it may hold a password.
    let url = url
        .to_str()
        .filter(|url| !url.is_empty() && !url.starts_with('-'))
        .ok_or_else(missing_url)?;
    if request.redis.is_some() {
        return Err("--redis is given twice".to_owned());
    }
    request.redis = Some(url.to_owned());
    Ok(())
}

fn missing_url() -> String {
    "--redis needs a URL, such as redis://127.0.0.1:6379".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Command, Format, Request, parse};
    use std::ffi::OsString;
    use std::path::PathBuf;

    fn parsed(args: &[&str]) -> Result<Command, String> {
        parse(args.iter().map(OsString::from))
    }

    fn run(path: Option<&str>, redis: Option<&str>, format: Format) -> Result<Command, String> {
        Ok(Command::Run(Request {
            path: path.map(PathBuf::from),
            redis: redis.map(str::to_owned),
            format,
        }))
    }

    #[test]
    fn nothing_means_this_repository_in_memory_as_text() {
        assert_eq!(parsed(&[]), run(None, None, Format::Text));
    }

    #[test]
    fn options_and_path_come_in_any_order() {
        let expected = run(Some("src"), Some("redis://h:1"), Format::Json);
        assert_eq!(
            parsed(&["--json", "src", "--redis", "redis://h:1"]),
            expected
        );
        assert_eq!(parsed(&["--redis=redis://h:1", "--json", "src"]), expected);
    }

    #[test]
    fn what_follows_two_dashes_is_a_path() {
        assert_eq!(
            parsed(&["--", "--json"]),
            run(Some("--json"), None, Format::Text)
        );
    }

    #[test]
    fn help_wins_over_what_follows_it() {
        assert_eq!(parsed(&["--help", "--nonsense"]), Ok(Command::Help));
        assert_eq!(parsed(&["-h"]), Ok(Command::Help));
    }

    #[test]
    fn wrong_arguments_are_named() {
        let unknown = parsed(&["--fast"]).expect_err("unknown option");
        assert!(unknown.contains("`--fast`"), "{unknown}");
        let second = parsed(&["a", "b"]).expect_err("two paths");
        assert!(second.contains("one path"), "{second}");
        let empty = parsed(&[""]).expect_err("empty path");
        assert!(empty.contains("empty"), "{empty}");
    }

    #[test]
    fn a_server_needs_one_url_and_its_text_is_never_repeated() {
        for args in [
            &["--redis"][..],
            &["--redis", "--json"],
            &["--redis="],
            &["--redis", ""],
        ] {
            let error = parsed(args).expect_err("no url");
            assert!(error.contains("needs a URL"), "{error}");
        }
        let twice = parsed(&["--redis", "redis://u:secret@h", "--redis", "redis://h"])
            .expect_err("two urls");
        assert!(!twice.contains("secret"), "{twice}");
    }
}
