//! The crowd as its starter sees it.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    limited,
    member::{ARGUMENT, CALLERS, LOAD, LOADING, READY, SLOWEST},
};
use crate::{Outcome, harness::Row};

const PROCESSES: usize = 4;
/// Of the loads the most counts, and of the waits the median: a machine that does something else as well is no fault of ours.
const ROUNDS: usize = 5;
/// Nothing takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process of the crowd said, and which one.
struct Said {
    member: usize,
    line: String,
}

struct Fleet {
    members: Vec<Child>,
    said: mpsc::UnboundedReceiver<Said>,
}

/// One key that nobody has loaded, and a thousand who want it; several times.
pub(super) async fn cold(name: &str, url: &str) -> Outcome<Vec<Row>> {
    let (mut loads, mut waits) = (0.0, Vec::new());
    for round in 0..ROUNDS {
        let fleet = Fleet::start(url, round).await?;
        let (needed, slowest) = fleet.stampede(false).await?;
        loads = needed.max(loads);
        waits.push(slowest);
    }
    waits.sort_by(f64::total_cmp);
    Ok(vec![
        limited(name, "loads", loads, 1.0, "loads"),
        limited(name, "slowest", waits[ROUNDS / 2], 1.3, "loader times"),
    ])
}

/// The same, and the process that loads is killed when its loader is half-way.
pub(super) async fn killed(name: &str, url: &str) -> Outcome<Vec<Row>> {
    let fleet = Fleet::start(url, 0).await?;
    let (loads, slowest) = fleet.stampede(true).await?;
    println!(
        "{name}: the slowest of the {} who were left waited {slowest:.1} loader times, the dead one's lease among them",
        (PROCESSES - 1) * CALLERS
    );
    Ok(vec![limited(name, "loads", loads, 2.0, "loads")])
}

impl Fleet {
    async fn start(url: &str, round: usize) -> Outcome<Self> {
        let namespace = format!("bench{}r{round}", std::process::id());
        let (tell, said) = mpsc::unbounded_channel();
        let mut members = Vec::new();
        for member in 0..PROCESSES {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([ARGUMENT, url, &namespace]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.kill_on_drop(true).spawn()?;
            let output = child.stdout.take().ok_or("it has an output")?;
            let (mut lines, tell) = (BufReader::new(output).lines(), tell.clone());
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    if tell.send(Said { member, line }).is_err() {
                        return;
                    }
                }
            });
            members.push(child);
        }
        let mut fleet = Self { members, said };
        for _ in 0..PROCESSES {
            let said = fleet.hear().await?;
            if said.line != READY {
                return Err(said.line.into());
            }
        }
        Ok(fleet)
    }

    async fn hear(&mut self) -> Outcome<Said> {
        let said = timeout(PATIENCE, self.said.recv()).await?;
        said.ok_or_else(|| "the processes are gone".into())
    }

    /// Answers how many loads it took, and the longest wait in loader times.
    async fn stampede(mut self, kill: bool) -> Outcome<(f64, f64)> {
        for member in &mut self.members {
            let input = member.stdin.as_mut().ok_or("it has an input")?;
            input.write_all(b"go\n").await?;
        }
        let (mut loads, mut slowest, mut left) = (0_u32, Duration::ZERO, PROCESSES);
        while left > 0 {
            let Said { member, line } = self.hear().await?;
            if line == LOADING {
                loads += 1;
                if kill && loads == 1 {
                    sleep(LOAD / 2).await;
                    self.members[member].kill().await?;
                    left -= 1;
                }
            } else if let Some(micros) = line.strip_prefix(SLOWEST) {
                slowest = slowest.max(Duration::from_micros(micros.parse()?));
                left -= 1;
            } else {
                return Err(line.into());
            }
        }
        for member in &mut self.members {
            member.wait().await?;
        }
        Ok((f64::from(loads), slowest.as_secs_f64() / LOAD.as_secs_f64()))
    }
}
