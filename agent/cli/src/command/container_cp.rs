//! `orlop container cp`: files out of a container, and into it.

use super::archive_file::{self, Sink};
use super::{Ending, Outcome, container_name, local_tar, query};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{Fault, FaultKind};
use orlop_config::Name;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// `NAME:PATH` in a container, a path here, or `-` for a tar archive from stdin.
    from: String,
    /// The same: a folder takes it in, another name is what it is called then; `-` writes a tar archive
    /// to stdout.
    to: String,
    /// Keep the numbers of users and groups; else what is copied belongs to root in the container, and to
    /// you here.
    #[arg(short, long)]
    archive: bool,
}

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Container(Name, String),
    Here(PathBuf),
    Archive,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    match (place(&options.from)?, place(&options.to)?) {
        (Place::Container(name, path), to) => copy_out(client, (&name, &path), to, options).await,
        (from, Place::Container(name, path)) => {
            copy_in(client, from, (&name, &path), options).await?;
            let text = format!("copied to {path} in {name}\n");
            screen.show(&serde_json::json!({ "copied": path }), |_| text)?;
            Ok(Ending::Done)
        }
        _ => {
            let message = "cannot copy: neither end is in a container";
            Err(Fault::new(FaultKind::Usage, message)
                .hint("write NAME:PATH for what is in a container"))
        }
    }
}

/// What has a `:` before any `/` is in a container.
fn place(text: &str) -> Result<Place, Fault> {
    if text == "-" {
        return Ok(Place::Archive);
    }
    match text.split_once(':') {
        Some((name, path)) if !name.contains('/') && !name.starts_with('.') => {
            Ok(Place::Container(container_name(name)?, path.to_owned()))
        }
        _ => Ok(Place::Here(PathBuf::from(text))),
    }
}

async fn copy_out(
    client: &Client,
    (name, path): (&Name, &str),
    to: Place,
    options: &Options,
) -> Outcome {
    let url = format!(
        "/v1/containers/{name}/archive?path={}",
        query::encoded(path)
    );
    match to {
        Place::Container(..) => {
            let message = "cannot copy from one container to another";
            return Err(Fault::new(FaultKind::Usage, message)
                .hint("copy to a folder here, or join two of these commands by `-` and a pipe"));
        }
        Place::Archive => {
            let sink = Sink::ready(None)?;
            sink.fill(client.get_archive(&url).await?).await?;
        }
        Place::Here(to) => {
            let archive = client.get_archive(&url).await?;
            local_tar::unpack(archive, &to, options.archive).await?;
        }
    }
    Ok(Ending::Done)
}

async fn copy_in(
    client: &Client,
    from: Place,
    (name, path): (&Name, &str),
    options: &Options,
) -> Result<(), Fault> {
    let archive = match &from {
        Place::Here(from) => local_tar::pack(from)?,
        Place::Archive | Place::Container(..) => archive_file::source(Some(Path::new("-"))).await?,
    };
    let url = format!(
        "/v1/containers/{name}/unpack?path={}&keep_owner={}",
        query::encoded(path),
        options.archive
    );
    let _empty: Value = client.send_archive(&url, archive).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_a_container_where_a_name_and_a_colon_come_first() {
        let web = || Name::new("web").unwrap();
        for (text, expected) in [
            ("web:/etc", Place::Container(web(), "/etc".into())),
            ("web:/a:b", Place::Container(web(), "/a:b".into())),
            ("./web:/etc", Place::Here("./web:/etc".into())),
            ("/tmp/a:b", Place::Here("/tmp/a:b".into())),
            ("file", Place::Here("file".into())),
            ("-", Place::Archive),
        ] {
            assert_eq!(place(text).unwrap(), expected, "{text}");
        }
        place("Not A Name:/etc").unwrap_err();
    }
}
