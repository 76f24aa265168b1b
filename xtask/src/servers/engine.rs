//! The Docker engine: one that answers, else one that this run starts and ends.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{debian, program};
use crate::{
    command::{command, read, read_within, succeeds},
    failure::{Failure, Outcome},
};

/// One question to an engine.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// From the start of an engine to its first answer; two seconds are usual.
const START_LIMIT: Duration = Duration::from_secs(60);
/// An engine ends its containers first.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// An engine that answers. One that this run started ends with the value.
#[derive(Debug)]
pub(super) struct Engine {
    started: Option<Child>,
}

/// The engine of the run; `None` where there is none and this process may not start one.
pub(super) fn find_or_start(folder: &Path) -> Outcome<Option<Engine>> {
    if answers() {
        println!("servers: a docker engine answers");
        return Ok(Some(Engine { started: None }));
    }
    if !debian::may_administer() {
        return Err(Failure::new(
            "none answers, and this run may not start one (that takes root on Linux)",
        ));
    }
    debian::install(debian::ENGINE)?;
    // Where a service manager runs, installing an engine has started it.
    if answers() {
        println!("servers: the docker engine just installed answers");
        return Ok(Some(Engine { started: None }));
    }
    start(folder).map(Some)
}

fn answers() -> bool {
    let mut info = command("docker", &["info", "--format", "{{.ServerVersion}}"]);
    // The command succeeds without an engine in some versions, with nothing to say.
    read_within(ANSWER_LIMIT, &mut info).is_ok_and(|version| !version.trim().is_empty())
}

fn start(folder: &Path) -> Outcome<Engine> {
    if !program::exists("dockerd") {
        return Err(Failure::new("dockerd is not installed"));
    }
    let log = folder.join("dockerd.log");
    let output = File::create(&log).map_err(Failure::io(log.display()))?;
    let errors = output.try_clone().map_err(Failure::io(log.display()))?;
    let mut dockerd = command("dockerd", &[]);
    dockerd.env("PATH", program::search_path());
    // A process group of its own: an interrupt at the terminal must not end it before the containers are gone.
    dockerd
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors))
        .process_group(0);
    let child = dockerd.spawn().map_err(Failure::io("dockerd"))?;
    let mut engine = Engine {
        started: Some(child),
    };
    let start = Instant::now();
    while !answers() {
        let ended = engine
            .started
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
        if ended || start.elapsed() > START_LIMIT {
            return Err(Failure::new(format!(
                "dockerd did not start, see {}",
                log.display()
            )));
        }
        thread::sleep(Duration::from_millis(200));
    }
    println!(
        "servers: started a docker engine in {:.1} s, log in {}",
        start.elapsed().as_secs_f64(),
        log.display()
    );
    Ok(engine)
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(mut child) = self.started.take() else {
            return;
        };
        // Somebody else may have begun to use it.
        if read(&mut command("docker", &["ps", "--quiet"])).is_ok_and(|ids| !ids.trim().is_empty())
        {
            println!("servers: containers of others run, so that the docker engine stays");
            return;
        }
        succeeds(&mut command("kill", &[&child.id().to_string()]));
        let start = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && start.elapsed() < STOP_LIMIT {
            thread::sleep(Duration::from_millis(50));
        }
        println!("servers: ended the docker engine");
    }
}

/// Removes the containers of a run, and the long ended ones of runs that were killed. Younger ended ones may belong to
/// another run, whose test is about to start them again.
pub(super) fn remove_containers(run: &str) {
    let label = format!("label=cachekit.run={run}");
    let ids = read(&mut command(
        "docker",
        &["ps", "--all", "--quiet", "--filter", &label],
    ))
    .unwrap_or_default();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if !ids.is_empty() {
        succeeds(command("docker", &["rm", "--force", "--volumes"]).args(ids));
    }
    let old = [
        "--force",
        "--filter",
        "label=cachekit.run",
        "--filter",
        "until=30m",
    ];
    succeeds(command("docker", &["container", "prune"]).args(old));
}
