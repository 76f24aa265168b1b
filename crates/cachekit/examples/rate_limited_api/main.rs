//! An HTTP API whose requests are limited, with axum.
//!
//! ```text
//! cargo run --example rate_limited_api --features tower -- [redis://127.0.0.1:6379]
//! curl -i -H 'x-user-id: user123' http://127.0.0.1:3000/analyses
//! ```
//! Without a URL it counts in the process's memory.

mod service;

use std::{env, error::Error, net::SocketAddr, time::Duration};

use cachekit::CacheKit;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let kit = match env::args().nth(1) {
        Some(url) => CacheKit::connect(&url).await?,
        None => CacheKit::memory(),
    };
    let app = service::app(&kit)?.into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            // Where no signal can be waited for, it ends with the process.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    let _ = kit.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
