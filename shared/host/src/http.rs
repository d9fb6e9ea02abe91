//! Outbound HTTP, over `wasi:http`.

use futures::StreamExt;
use http::{Request, Response};
use spin_sdk::http::FullBody;
use spin_sdk::http::body::IncomingBodyExt;
use wire::{Bytes, Error, Http, within};

use crate::Host;

/// Longest time for an exchange, the body included.
pub const HTTP_TIMEOUT_S: u32 = 30;

impl Host {
    /// As [`Http::send`], for whoever has `seconds` to wait.
    pub async fn send_within(
        &self,
        request: Request<Bytes>,
        max_bytes: usize,
        seconds: u32,
    ) -> Result<Response<Bytes>, Error> {
        within(self, seconds, exchange(request, max_bytes)).await
    }
}

impl Http for Host {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, Error> {
        self.send_within(request, max_bytes, HTTP_TIMEOUT_S).await
    }
}

async fn exchange(request: Request<Bytes>, max_bytes: usize) -> Result<Response<Bytes>, Error> {
    let failed = |code| Error::Http(format!("{code:?}"));
    let request = request.map(FullBody::new);
    let (head, body) = spin_sdk::http::send(request).await.map_err(failed)?.into_parts();
    let mut chunks = body.stream();
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failed)?;
        if whole.len() + chunk.len() > max_bytes {
            return Err(Error::Http(format!("the answer is longer than {max_bytes} bytes")));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Response::from_parts(head, whole.into()))
}
