//! `orlop-image serve`: layout directories as a read-only registry.

use crate::failure::Failure;
use clap::Args;
use orlop_image::Repositories;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves OCI image layout directories as a read-only registry, over plain HTTP.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// A repository's name and its layout directory: orlop/os=build/os
    #[arg(value_name = "NAME=DIR", required = true, value_parser = repository)]
    repositories: Vec<(String, PathBuf)>,
}

/// What serving cannot do.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot serve")]
    Serve(#[from] io::Error),
}

fn repository(text: &str) -> Result<(String, PathBuf), String> {
    let Some((name, dir)) = text
        .split_once('=')
        .filter(|(name, dir)| !name.is_empty() && !dir.is_empty())
    else {
        return Err("expected a name and a directory, such as orlop/os=build/os".to_owned());
    };
    let dir = PathBuf::from(dir);
    if !dir.join("index.json").is_file() {
        return Err(format!(
            "{} is no OCI image layout: it has no index.json",
            dir.display()
        ));
    }
    Ok((name.to_owned(), dir))
}

/// Serves until SIGINT or SIGTERM. Prints the address on stdout once it listens.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Serve)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|source| ServeError::Listen {
            address: args.listen,
            source,
        })?;
    let mut stop = signal(SignalKind::terminate()).map_err(ServeError::Serve)?;
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    println!("http://{address}");
    let repositories: Repositories = args.repositories.iter().cloned().collect();
    for (name, dir) in &repositories {
        eprintln!("{address}/{name} from {}", dir.display());
    }
    let shutdown = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = stop.recv() => {}
        }
    };
    orlop_image::serve(listener, repositories, shutdown)
        .await
        .map_err(ServeError::Serve)?;
    Ok(())
}
