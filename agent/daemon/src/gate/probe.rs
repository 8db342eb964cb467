//! Asking one question of the network: does this URL or this port answer?

use crate::http_status::{NoStatus, http_status};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one answer may take. The gate asks again each second, so a slow endpoint fails its
/// check and does not hold up the others.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is what was asked for.
    pub pass: bool,
    /// For people: `status 503, expected 200`.
    pub detail: String,
}

impl Seen {
    pub(crate) fn pass(detail: impl Into<String>) -> Self {
        Self {
            pass: true,
            detail: detail.into(),
        }
    }

    pub(crate) fn fail(detail: impl Into<String>) -> Self {
        Self {
            pass: false,
            detail: detail.into(),
        }
    }
}

/// Whether a TCP connection to `host:port` opens.
pub async fn tcp(address: &str) -> Seen {
    match timeout(PROBE_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Seen::pass("connected"),
        Ok(Err(error)) => Seen::fail(format!("cannot connect: {error}")),
        Err(_) => Seen::fail(format!(
            "no connection within {} s",
            PROBE_TIMEOUT.as_secs()
        )),
    }
}

/// Whether a GET of an `http://` URL answers with `expected`.
pub async fn http(url: &str, expected: u16) -> Seen {
    match timeout(PROBE_TIMEOUT, get(url)).await {
        Ok(Ok(status)) if status == expected => Seen::pass(format!("status {status}")),
        Ok(Ok(status)) => Seen::fail(format!("status {status}, expected {expected}")),
        Ok(Err(why)) => Seen::fail(why),
        Err(_) => Seen::fail(format!("no answer within {} s", PROBE_TIMEOUT.as_secs())),
    }
}

async fn get(url: &str) -> Result<u16, String> {
    let uri: hyper::Uri = url
        .parse()
        .map_err(|error| format!("cannot read the URL: {error}"))?;
    let host = uri.host().ok_or("the URL names no host")?.to_owned();
    let port = uri.port_u16().unwrap_or(80);
    // An IPv6 address stands in brackets in a URL, and without them in an address.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((name, port))
        .await
        .map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri
        .authority()
        .map_or(host.as_str(), |authority| authority.as_str());
    http_status(stream, authority, path)
        .await
        .map_err(|why| match why {
            NoStatus::Handshake(error) => format!("cannot speak HTTP to {host}:{port}: {error}"),
            NoStatus::Request(error) => format!("cannot ask for {url}: {error}"),
            NoStatus::Answer(error) => format!("no answer: {error}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    async fn serve_once(answer: &'static str) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn the_status_decides_and_is_named() {
        let address = serve_once("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
        let seen = http(&format!("http://{address}/healthz"), 200).await;
        assert_eq!(seen, Seen::fail("status 503, expected 200"));
        let address = serve_once("HTTP/1.1 204 Fine\r\n\r\n").await;
        assert!(http(&format!("http://{address}/"), 204).await.pass);
    }

    #[tokio::test]
    async fn a_closed_port_fails_both_probes_and_an_open_one_connects() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(tcp(&address).await.pass);
        drop(listener);
        assert!(tcp(&address).await.detail.starts_with("cannot connect: "));
        let seen = http(&format!("http://{address}/"), 200).await;
        assert!(
            seen.detail
                .starts_with(&format!("cannot connect to {address}: ")),
            "{seen:?}"
        );
    }
}
