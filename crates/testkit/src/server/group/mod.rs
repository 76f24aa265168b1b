//! Servers that are started together, whose arguments depend on where they are reached.
//!
//! That is known late: with an engine, only when there is a container. So a group is prepared, which finds places and
//! ports, and then launched.
//!
//! With an engine all live in *one* container, which is quicker to start and to sweep away than one each; every server
//! has the same port inside and outside, so that an address that it tells its clients leads somewhere. Without an engine
//! they are processes of this machine.

mod container;
mod member;

use std::path::PathBuf;

use self::container::GroupContainer;
pub(super) use self::member::{Member, eventually};
use super::{
    Kind, ServerError, Source,
    local::{Process, free_ports},
};

/// A file that a server reads, by its name in the server's folder, which is the current one.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// Another process may take a free port before a server binds it.
const ATTEMPTS: u32 = 3;

/// Starts a group, on other ports where that failed.
pub(super) async fn try_to_start<T, Attempt>(
    attempt: impl Fn() -> Attempt,
) -> Result<T, ServerError>
where
    Attempt: Future<Output = Result<T, ServerError>>,
{
    for _ in 1..ATTEMPTS {
        if let Ok(started) = attempt().await {
            return Ok(started);
        }
    }
    attempt().await
}

/// Servers with their addresses.
#[derive(Debug)]
pub(super) struct Group {
    kind: Kind,
    members: Vec<Member>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Container(Box<GroupContainer>),
    Machine {
        program: PathBuf,
        processes: Vec<Process>,
    },
}

impl Group {
    /// Finds places for `count` servers, which clients reach over TLS too if it is asked for.
    pub(super) async fn prepare(
        kind: Kind,
        source: &Source,
        count: usize,
        tls: bool,
    ) -> Result<Self, ServerError> {
        let ports = free_ports(count * Member::PORTS)?;
        let for_clients = if tls { 2 } else { 1 };
        let (place, host) = match source {
            Source::Docker(image) => {
                let published = ports
                    .chunks(Member::PORTS)
                    .flat_map(|own| &own[..for_clients]);
                let published: Vec<u16> = published.copied().collect();
                let container = GroupContainer::start(kind, image, &published).await?;
                let host = container.host().to_owned();
                (Place::Container(Box::new(container)), host)
            }
            Source::Local(program) => {
                let (program, processes) = (program.clone(), Vec::new());
                let place = Place::Machine { program, processes };
                (place, "127.0.0.1".to_owned())
            }
            Source::Absent(reason) => {
                let reason = reason.clone();
                let deployment = kind.into();
                return Err(ServerError::Required { deployment, reason });
            }
        };
        let members = ports.chunks(Member::PORTS);
        let members = members.map(|ports| Member::new(&host, ports)).collect();
        Ok(Self {
            kind,
            members,
            place,
        })
    }

    /// Starts each server with its own arguments, and waits until all answer.
    pub(super) async fn launch(
        &mut self,
        files: &[File],
        arguments: impl Fn(&Member) -> Vec<String>,
    ) -> Result<(), ServerError> {
        for member in &self.members {
            let arguments = arguments(member);
            match &mut self.place {
                Place::Container(container) => {
                    container.launch(member.clone(), arguments, files).await?;
                }
                Place::Machine { program, processes } => {
                    let process =
                        Process::start_at(self.kind, program, arguments, member.port, files);
                    processes.push(process.await?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn pid(&self, index: usize) -> Option<u32> {
        match &self.place {
            Place::Container(_) => None,
            Place::Machine { processes, .. } => Some(processes[index].pid()),
        }
    }

    pub(super) async fn signal(&self, index: usize, name: &str) -> Result<(), ServerError> {
        match &self.place {
            Place::Container(container) => container.signal(index, name).await,
            Place::Machine { processes, .. } => processes[index].signal(name).await,
        }
    }

    /// Starts an ended server again; one that runs is killed first.
    pub(super) async fn restart(&mut self, index: usize) -> Result<(), ServerError> {
        match &mut self.place {
            Place::Container(container) => container.restart(index).await,
            Place::Machine { processes, .. } => processes[index].restart().await,
        }
    }
}
