//! Servers that many tests use at once, and the program that holds them for a run.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cachekit_testkit::{
    RawClient, RawReply,
    server::{Certificates, Deployment, Form, Kind, SharedServer, ping, skipped},
};

use crate::Outcome;

async fn is_one_server(deployment: Deployment) -> Result<Option<SharedServer>, crate::Failure> {
    let Some(first) = SharedServer::of(deployment).await? else {
        return Ok(None);
    };
    let second = SharedServer::of(deployment).await?;
    let second = second.expect("the kind is present");
    assert_eq!(first.url(), second.url());
    assert_eq!(first.deployment(), deployment);
    let reply = RawClient::call_at(first.raw_url(), &[b"PING"])?;
    assert_eq!(reply, RawReply::Status("PONG".to_owned()));
    Ok(Some(first))
}

#[tokio::test]
async fn shared_servers_of_one_kind_are_one_server() -> Outcome {
    is_one_server(Kind::Redis7.into()).await.map(drop)
}

#[tokio::test]
async fn shared_clusters_of_one_kind_are_one_cluster() -> Outcome {
    let deployment = Deployment::new(Kind::Redis7, Form::Cluster);
    let Some(cluster) = is_one_server(deployment).await? else {
        return Ok(());
    };
    assert!(cluster.url().starts_with("redis+cluster://"));
    assert!(cluster.certificates().is_none());
    // Wherever the key belongs.
    for index in 0..10 {
        let key = format!("shared:{:016x}:{index}", fastrand::u64(..));
        let written = RawClient::call_at(cluster.raw_url(), &[b"RPUSH", key.as_bytes(), b"x"])?;
        assert_eq!(written, RawReply::Integer(1));
        RawClient::call_at(cluster.raw_url(), &[b"DEL", key.as_bytes()])?;
    }
    Ok(())
}

#[tokio::test]
async fn shared_servers_with_tls_bring_their_certificates() -> Outcome {
    let deployment = Deployment::new(Kind::Redis7, Form::Tls);
    let Some(server) = is_one_server(deployment).await? else {
        return Ok(());
    };
    assert!(server.url().starts_with("rediss://"));
    let certificates = server.certificates().expect("it speaks TLS");
    assert!(certificates.ca_pem().contains("BEGIN CERTIFICATE"));
    Ok(())
}

/// The program that holds the servers of a run, with nothing but local ones.
struct Holder {
    child: Child,
    variables: Vec<(String, String)>,
    folder: PathBuf,
}

impl Holder {
    /// `None`, and one line, where there is no local server.
    fn start() -> Result<Option<Self>, crate::Failure> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let programs = env::split_paths(&folders).map(|folder| folder.join("redis-server"));
        let Some(program) = programs.into_iter().find(|program| program.is_file()) else {
            skipped("redis-server", "no such program on the path");
            return Ok(None);
        };
        let folder = env::temp_dir().join(format!("cachekit-holder-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&folder)?;
        // Whatever its version: it stands in for all of them.
        let mut command = Command::new(env!("CARGO_BIN_EXE_cachekit-servers"));
        for deployment in Deployment::ALL {
            command.env_remove(deployment.url_variable());
        }
        let source = format!("local:{}", program.display());
        let mut child = command
            .arg(&folder)
            .env(Kind::Redis7.source_variable(), source)
            .env(Kind::Redis8.source_variable(), "none:not asked for")
            .env(Kind::Valkey8.source_variable(), "none:not asked for")
            .env_remove("CACHEKIT_REQUIRE_SERVERS")
            .env_remove("CACHEKIT_TEST_LOG")
            .env_remove("CI")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let lines = until_ready(output)?;
        let variables = lines.iter().filter_map(|line| line.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Some(Self {
            variables: variables.collect(),
            child,
            folder,
        }))
    }

    fn variable(&self, name: &str) -> &str {
        let named = self.variables.iter().find(|(known, _)| known == name);
        &named.unwrap_or_else(|| panic!("no {name}")).1
    }

    /// The addresses of all servers, every node of the cluster included.
    fn addresses(&self) -> Vec<(String, u16)> {
        let urls = self.variables.iter().map(|(_, value)| value);
        let urls = urls.filter_map(|value| value.split_once("://"));
        let addresses = urls.flat_map(|(_, rest)| rest.trim_end_matches('/').split(','));
        addresses
            .map(|address| {
                let (host, port) = address.rsplit_once(':').expect("a port");
                (host.to_owned(), port.parse().expect("a port"))
            })
            .collect()
    }

    async fn assert_all_gone(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        for (host, port) in self.addresses() {
            while tokio::net::TcpStream::connect((host.as_str(), port))
                .await
                .is_ok()
            {
                assert!(Instant::now() < deadline, "port {port} is still open");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Lines up to the one that says that everything has started.
fn until_ready(output: impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for line in output.lines() {
        match line? {
            ready if ready == "READY" => return Ok(lines),
            line => lines.push(line),
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

#[tokio::test]
async fn the_holder_announces_every_form_and_ends_all_at_the_end_of_its_input() -> Outcome {
    let Some(mut holder) = Holder::start()? else {
        return Ok(());
    };
    let deployment = |form| Deployment::new(Kind::Redis7, form);
    let cluster = deployment(Form::Cluster).url_variable();
    assert_eq!(holder.variable(&cluster).split(',').count(), 3);
    let tls = deployment(Form::Tls).url_variable();
    assert!(holder.variable(&tls).starts_with("rediss://"));
    let raw = RawClient::call_at(
        holder.variable("CACHEKIT_TEST_RAW_URL_REDIS_7_TLS"),
        &[b"PING"],
    )?;
    assert_eq!(raw, RawReply::Status("PONG".to_owned()));
    let folder = holder.variable("CACHEKIT_TEST_CERTIFICATES_REDIS_7_TLS");
    Certificates::read(Path::new(folder))?;

    drop(holder.child.stdin.take());
    assert!(holder.child.wait()?.success());
    holder.assert_all_gone().await;
    Ok(())
}

/// The servers' folders that a process has made.
fn folders_of(process: u32) -> std::io::Result<Vec<PathBuf>> {
    let start = format!("cachekit-server-{process}-");
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(env::temp_dir())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&start) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[tokio::test]
async fn a_killed_holder_leaves_no_local_server_and_no_file_behind() -> Outcome {
    let Some(mut holder) = Holder::start()? else {
        return Ok(());
    };
    let addresses = holder.addresses();
    assert_eq!(addresses.len(), 1 + 3 + 2, "{addresses:?}");
    let (host, port) = &addresses[0];
    assert_eq!(ping(host, *port).await?, "+PONG");
    let folders = folders_of(holder.child.id())?;
    assert_eq!(folders.len(), 1 + 3 + 1, "{folders:?}");
    holder.child.kill()?;
    holder.assert_all_gone().await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !folders_of(holder.child.id())?.is_empty() {
        assert!(Instant::now() < deadline, "folders are left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
