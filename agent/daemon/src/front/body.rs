//! Request bodies, read within limits.

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orlop_api::{Fault, FaultKind};
use orlop_config::limits::MAX_TEXT_BYTES;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest request body, in bytes: the largest TOML, with room for what JSON adds to it.
pub(crate) const MAX_BODY_BYTES: usize = 4 * MAX_TEXT_BYTES;

/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole body. A larger, slower or broken one is a `Usage` fault.
pub(crate) async fn read(body: Body) -> Result<Bytes, Fault> {
    let usage = |why: String| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot read the request's body: {why}"),
        )
    };
    let collected =
        tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect());
    match collected.await {
        Err(_) => Err(usage(format!(
            "it took longer than {} s",
            BODY_TIMEOUT.as_secs()
        ))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(usage(format!("it is larger than {MAX_BODY_BYTES} bytes")))
        }
        Ok(Err(error)) => Err(usage(error.to_string())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// The body as UTF-8 text.
pub(crate) async fn read_text(body: Body) -> Result<String, Fault> {
    String::from_utf8(read(body).await?.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Fault::new(
            FaultKind::Usage,
            format!("cannot read the request's body as text: byte {at} is not UTF-8"),
        )
    })
}

/// The body as JSON of this type. An empty body is the type's default.
pub(crate) async fn read_json<T: DeserializeOwned + Default>(body: Body) -> Result<T, Fault> {
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot read the request's body as JSON: {error}"),
        )
        .hint("docs/reference/api.md lists each request's fields")
    })
}
