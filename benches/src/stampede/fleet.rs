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

/// One key that nobody has loaded, and a thousand who want it.
pub(super) async fn cold(name: &str, url: &str) -> Outcome<Vec<Row>> {
    let (loads, slowest) = Fleet::start(url).await?.stampede(false).await?;
    Ok(vec![
        limited(name, "loads", loads, 1.0, "loads"),
        limited(name, "slowest", slowest, 1.3, "loader times"),
    ])
}

/// The same, and the process that loads is killed when its loader is half-way.
pub(super) async fn killed(name: &str, url: &str) -> Outcome<Vec<Row>> {
    let (loads, slowest) = Fleet::start(url).await?.stampede(true).await?;
    println!(
        "{name}: the slowest of the {} who were left waited {slowest:.1} loader times, the dead one's lease among them",
        (PROCESSES - 1) * CALLERS
    );
    Ok(vec![limited(name, "loads", loads, 2.0, "loads")])
}

impl Fleet {
    async fn start(url: &str) -> Outcome<Self> {
        let namespace = format!("bench{}", std::process::id());
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
