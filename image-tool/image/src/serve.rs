//! A read-only OCI distribution endpoint over layout directories, so that nobody needs a registry to
//! try Orlop (OCI distribution specification 1.1, the pull part).

use crate::layout::Layout;
use crate::layout_images::media_type_of;
use crate::manifest::REF_NAME;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode, header};
use axum::routing::get;
use orlop_config::Digest;
use std::collections::BTreeMap;
use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;

/// Layout directories by repository name, `orlop/os`.
pub type Repositories = BTreeMap<String, PathBuf>;

const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");
const VERSION_HEADER: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Serves `repositories` on `listener` until `shutdown` is done. Layouts are read at each request,
/// so new images in them are seen at once.
pub async fn serve(
    listener: TcpListener,
    repositories: Repositories,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/v2/", get(version))
        .route("/v2", get(version))
        .route("/v2/{*rest}", get(pull))
        .with_state(Arc::new(repositories));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn version() -> Response<Body> {
    answer(StatusCode::OK, "application/json", Body::from("{}"))
}

/// What a URL below `/v2/` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    Manifest { name: &'a str, reference: &'a str },
    Blob { name: &'a str, digest: &'a str },
    Tags { name: &'a str },
}

impl<'a> Asked<'a> {
    fn parse(rest: &'a str) -> Option<Self> {
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags { name });
        }
        let (rest, last) = rest.rsplit_once('/')?;
        let (name, kind) = rest.rsplit_once('/')?;
        match kind {
            "manifests" => Some(Self::Manifest {
                name,
                reference: last,
            }),
            "blobs" => Some(Self::Blob { name, digest: last }),
            _ => None,
        }
    }

    fn name(&self) -> &'a str {
        match self {
            Self::Manifest { name, .. } | Self::Blob { name, .. } | Self::Tags { name } => name,
        }
    }
}

async fn pull(
    State(repositories): State<Arc<Repositories>>,
    UrlPath(rest): UrlPath<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let Some(asked) = Asked::parse(&rest) else {
        return refuse(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such endpoint");
    };
    let Some(dir) = repositories.get(asked.name()) else {
        return refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository");
    };
    let layout = Layout::new(dir, asked.name());
    match asked {
        Asked::Manifest { reference, .. } => manifest(&layout, reference),
        Asked::Blob { digest, .. } => blob(&layout, digest, &headers).await,
        Asked::Tags { name } => tags(&layout, name),
    }
}

/// A manifest by digest or tag. `latest` is also the only image of a layout without tags.
fn manifest(layout: &Layout, reference: &str) -> Response<Body> {
    let unknown = || {
        refuse(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "no such manifest",
        )
    };
    let digest = match reference.parse::<Digest>() {
        Ok(digest) => digest,
        Err(_not_a_digest) => {
            let found = layout
                .find(Some(reference))
                .or_else(|error| match reference {
                    "latest" => layout.find(None),
                    _ => Err(error),
                });
            let Ok(found) = found else { return unknown() };
            found.digest
        }
    };
    let Ok(text) = layout.checked("manifest", &digest) else {
        return unknown();
    };
    let Some(media_type) = media_type_of(&text) else {
        return unknown();
    };
    let length = text.len();
    let mut response = answer(StatusCode::OK, &media_type, Body::from(text));
    insert(&mut response, DIGEST_HEADER, digest.as_str());
    insert(&mut response, header::CONTENT_LENGTH, &length.to_string());
    response
}

async fn blob(layout: &Layout, digest: &str, headers: &HeaderMap) -> Response<Body> {
    let unknown = || refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "no such blob");
    let Ok(digest) = digest.parse::<Digest>() else {
        return unknown();
    };
    let Ok(mut file) = tokio::fs::File::open(layout.blob_path(&digest)).await else {
        return unknown();
    };
    let size = match file.metadata().await {
        Ok(metadata) => metadata.len(),
        Err(error) => return broken(&error),
    };
    let asked = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    let (status, start, end) = match asked.map(|text| range(text, size)) {
        None | Some(Range::Whole) => (StatusCode::OK, 0, size),
        Some(Range::Part(start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
        Some(Range::Outside) => {
            let why = "the range is outside the blob";
            let mut response = refuse(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", why);
            insert(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{size}"),
            );
            return response;
        }
    };
    if let Err(error) = file.seek(SeekFrom::Start(start)).await {
        return broken(&error);
    }
    let body = Body::from_stream(ReaderStream::new(file.take(end - start)));
    let mut response = answer(status, "application/octet-stream", body);
    insert(&mut response, DIGEST_HEADER, digest.as_str());
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    insert(
        &mut response,
        header::CONTENT_LENGTH,
        &(end - start).to_string(),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let value = format!("bytes {start}-{}/{size}", end - 1);
        insert(&mut response, header::CONTENT_RANGE, &value);
    }
    response
}

fn tags(layout: &Layout, name: &str) -> Response<Body> {
    let Ok(index) = layout.index() else {
        return refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository");
    };
    let tags: Vec<_> = index
        .manifests
        .iter()
        .filter_map(|d| d.annotation(REF_NAME))
        .collect();
    let body = serde_json::json!({ "name": name, "tags": tags }).to_string();
    answer(StatusCode::OK, "application/json", Body::from(body))
}

/// A range, as first byte and first byte after it.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part(u64, u64),
    Outside,
}

/// Reads a `Range` header (RFC 9110, 14.1.2). Several ranges, and what is no range of bytes, give
/// the whole blob, as that allows.
fn range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'))
    else {
        return Range::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Range::Outside,
        (Ok(first), Ok(last)) if last >= first => {
            Range::Part(first, last.saturating_add(1).min(size))
        }
        (Ok(first), Err(_)) if last.is_empty() => Range::Part(first, size),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 && size > 0 => {
            Range::Part(size.saturating_sub(count), size)
        }
        (Err(_), Ok(_)) if first.is_empty() => Range::Outside,
        _ => Range::Whole,
    }
}

fn answer(status: StatusCode, media_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_TYPE, media_type);
    insert(&mut response, VERSION_HEADER, "registry/2.0");
    response
}

fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // Media types come from layouts; one that is no header value is left out.
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
    answer(status, "application/json", Body::from(body.to_string()))
}

fn broken(error: &io::Error) -> Response<Body> {
    log::error!(error:% = error; "cannot read a blob");
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "UNKNOWN",
        "the blob cannot be read",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("bytes=0-0", Range::Part(0, 1)),
            ("bytes=2-", Range::Part(2, 10)),
            ("bytes=2-99", Range::Part(2, 10)),
            ("bytes=-3", Range::Part(7, 10)),
            ("bytes=-99", Range::Part(0, 10)),
            ("bytes=10-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-2", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=1-2", Range::Whole),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
        assert_eq!(
            range("bytes=0-18446744073709551615", 10),
            Range::Part(0, 10)
        );
    }

    #[test]
    fn repository_names_may_have_slashes() {
        assert_eq!(
            Asked::parse("a/b/manifests/latest"),
            Some(Asked::Manifest {
                name: "a/b",
                reference: "latest"
            })
        );
        assert_eq!(Asked::parse("a/tags/list"), Some(Asked::Tags { name: "a" }));
        assert_eq!(Asked::parse("a/uploads/x"), None);
    }
}
