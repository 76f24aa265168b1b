//! One process of the crowd: it says when it is ready, waits for the word, and tells of each load as it begins.

use std::{
    env,
    io::{self, BufRead, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use cachekit::{CacheKit, Namespace, ProjectId, ProjectKey};
use futures_util::future::join_all;

use crate::Outcome;

/// The argument that makes a process one of the crowd. The server's URL and the namespace follow.
pub(super) const ARGUMENT: &str = "--stampede-member";
pub(super) const READY: &str = "ready";
pub(super) const LOADING: &str = "loading";
/// What stands before the microseconds of the slowest caller.
pub(super) const SLOWEST: &str = "slowest ";
pub(super) const CALLERS: usize = 250;
pub(super) const LOAD: Duration = Duration::from_millis(200);

/// Takes part, where this process was started for that.
pub(crate) async fn child() -> Option<ExitCode> {
    let mut arguments = env::args().skip_while(|argument| argument != ARGUMENT);
    let (_, url, namespace) = (arguments.next()?, arguments.next()?, arguments.next()?);
    Some(match take_part(&url, &namespace).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    })
}

async fn take_part(url: &str, namespace: &str) -> Outcome<()> {
    let kit = CacheKit::builder().namespace(Namespace::new(namespace)?);
    let kit = kit.connect(url).await?;
    let cache = kit.cache::<ProjectKey, String>().build()?;
    let key = ProjectKey::file_tree(ProjectId::new("hot")?);
    say(READY);
    let mut word = String::new();
    io::stdin().lock().read_line(&mut word)?;
    let callers = (0..CALLERS).map(|_| {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move {
            let called = Instant::now();
            let value = cache.get_or_load(&key, load).await;
            (value, called.elapsed())
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut slowest = Duration::ZERO;
    for caller in join_all(callers).await {
        let (value, waited) = caller?;
        assert_eq!(value?, "the value");
        slowest = slowest.max(waited);
    }
    say(&format!("{SLOWEST}{}", slowest.as_micros()));
    Ok(())
}

async fn load() -> io::Result<String> {
    say(LOADING);
    tokio::time::sleep(LOAD).await;
    Ok("the value".to_owned())
}

/// Says a line at once: who says it may be killed in the next moment.
fn say(line: &str) {
    let mut output = io::stdout().lock();
    // Where nobody listens any more the run is over.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
