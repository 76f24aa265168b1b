//! Writes that reach SQLite later, and are not lost on the way.
//!
//! `cargo run --example write_behind` runs in memory; `REDIS_URL=redis://127.0.0.1:6379` on a server, where another run of it
//! persists what an interrupted one has left.
#![expect(clippy::print_stdout, reason = "an example talks to a person")]

mod sqlite;

use std::{env, error::Error, path::PathBuf, time::Duration};

use cachekit::{CacheKit, ProjectId, ProjectKey};

use self::sqlite::SqliteSink;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let kit = match env::var("REDIS_URL") {
        Ok(url) => CacheKit::connect(&url).await?,
        Err(_) => CacheKit::memory(),
    };
    let file = env::args_os()
        .nth(1)
        .map_or_else(default_file, PathBuf::from);
    let counts = kit.cache::<ProjectKey, u32>().build()?;
    let sink = SqliteSink::open(&file)?;
    let (writes, worker) = kit.write_behind(&counts, sink).build().await?;
    let draining = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain(Duration::from_secs(10)).await }
    });

    // A hundred writes to each of ten keys, of which the database sees a few.
    for count in 1..=100 {
        for project in 0..10 {
            let key = ProjectKey::file_tree(ProjectId::new(format!("p{project}"))?);
            writes.put(&key, &count).await?;
        }
    }
    let gone = ProjectKey::file_tree(ProjectId::new("p9")?);
    writes.delete(&gone).await?;
    let first = draining.await??;
    let rest = worker.drain(Duration::from_secs(10)).await?;
    println!(
        "1001 writes became {} rows",
        first.persisted + rest.persisted
    );
    println!("they are in {}", file.display());
    let left = kit.shutdown(Duration::from_secs(5)).await;
    println!("{left:?}");
    Ok(())
}

fn default_file() -> PathBuf {
    env::temp_dir().join("cachekit-write-behind.sqlite")
}
