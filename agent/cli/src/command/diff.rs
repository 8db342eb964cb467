//! `orlop diff`: what two generations differ in.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::{Screen, Tone};
use crate::table::{Cell, Table};
use orlop_api::{
    Change, ContainerDiff, Diff, FileChanges, ImageView, KeyChange, OsDiff, PackageChange,
};

/// How many digits of a digest people see.
const SHORT_DIGEST: usize = 12;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The generation to start from; without it, the one that runs against the staged one.
    from: Option<u64>,
    /// The generation to get to; without it, FROM is compared with the one that runs.
    to: Option<u64>,
    /// Name every file of the OS that differs.
    #[arg(long)]
    files: bool,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let mut query = Vec::new();
    match (options.from, options.to) {
        // One generation: what it would change.
        (Some(only), None) => query.push(format!("to={only}")),
        (from, to) => {
            query.extend(from.map(|id| format!("from={id}")));
            query.extend(to.map(|id| format!("to={id}")));
        }
    }
    if options.files {
        query.push("files=true".to_owned());
    }
    let path = match query[..] {
        [] => "/v1/diff".to_owned(),
        _ => format!("/v1/diff?{}", query.join("&")),
    };
    let diff: Diff = client.get(&path).await?;
    screen.show(&diff, |screen| text(screen, &diff))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, diff: &Diff) -> String {
    let mut out = format!("generation {} -> generation {}\n", diff.from, diff.to);
    let same = diff.os.is_none() && !diff.config_differs && diff.containers.is_empty();
    if same {
        out.push_str("nothing differs\n");
    }
    if let Some(os) = &diff.os {
        os_text(screen, os, &mut out);
    }
    if !diff.containers.is_empty() {
        out.push_str(&heading(screen, "containers"));
        out.push_str(&rows(screen, diff.containers.iter().map(container_row)));
    }
    if diff.config_differs {
        out.push_str(&heading(screen, "config"));
        if diff.config.is_empty() {
            out.push_str("no key differs; comments or the way it is written do\n");
        }
        out.push_str(&rows(screen, diff.config.iter().map(key_row)));
    }
    out
}

fn heading(screen: &Screen, text: &str) -> String {
    format!("\n{}\n", screen.paint(text, Tone::Strong))
}

fn os_text(screen: &Screen, os: &OsDiff, out: &mut String) {
    let version = |image: &ImageView| image.version.clone().unwrap_or_else(|| "?".to_owned());
    let title = format!("os  {} -> {}", version(&os.from), version(&os.to));
    out.push_str(&heading(screen, &title));
    let kernel = match os.kernel {
        true => "kernel, initrd or kernel arguments differ\n",
        false => "kernel, initrd and kernel arguments are the same\n",
    };
    out.push_str(kernel);
    match &os.packages {
        None => out.push_str("packages: one of the images has no list of its packages\n"),
        Some(packages) => {
            out.push_str(&format!("packages: {} differ\n", packages.len()));
            out.push_str(&rows(screen, packages.iter().map(package_row)));
        }
    }
    match &os.files {
        None => out.push_str("files: one of the images is not in the store\n"),
        Some(files) => out.push_str(&files_text(screen, files)),
    }
}

fn files_text(screen: &Screen, files: &FileChanges) -> String {
    let FileChanges {
        added,
        removed,
        changed,
        list,
    } = files;
    let counts = format!("files: {added} added, {removed} removed, {changed} changed\n");
    let row = |file: &orlop_api::FileChange| {
        let sign = match file.change {
            Change::Added => Cell::toned("+", Some(Tone::Good)),
            Change::Removed => Cell::toned("-", Some(Tone::Bad)),
            Change::Changed => Cell::toned("~", Some(Tone::Busy)),
        };
        vec![sign, file.path.as_str().into()]
    };
    counts + &rows(screen, list.iter().map(row))
}

fn package_row(package: &PackageChange) -> Vec<Cell> {
    from_to(
        &package.name,
        package.from.as_deref(),
        package.to.as_deref(),
    )
}

fn key_row(key: &KeyChange) -> Vec<Cell> {
    from_to(&key.key, key.from.as_deref(), key.to.as_deref())
}

fn container_row(container: &ContainerDiff) -> Vec<Cell> {
    let image = |image: &ImageView| {
        let digest = image.manifest.trim_start_matches("sha256:");
        let short: String = digest.chars().take(SHORT_DIGEST).collect();
        format!("{} ({short})", image.reference)
    };
    let (from, to) = (
        container.from.as_ref().map(image),
        container.to.as_ref().map(image),
    );
    from_to(&container.name, from.as_deref(), to.as_deref())
}

/// A sign, a name, and what it was and will be.
fn from_to(name: &str, from: Option<&str>, to: Option<&str>) -> Vec<Cell> {
    let (sign, tone, words) = match (from, to) {
        (Some(from), Some(to)) => ("~", Tone::Busy, format!("{from} -> {to}")),
        (None, to) => ("+", Tone::Good, to.unwrap_or_default().to_owned()),
        (from, None) => ("-", Tone::Bad, from.unwrap_or_default().to_owned()),
    };
    vec![Cell::toned(sign, Some(tone)), name.into(), words.into()]
}

/// Rows without a heading, two blanks in.
fn rows(screen: &Screen, rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::without_headings();
    rows.for_each(|row| table.row(row));
    let text = table.render(screen);
    text.lines().map(|line| format!("  {line}\n")).collect()
}
