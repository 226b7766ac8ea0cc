//! `coffer:host/http`: whole requests through the gate.

use super::outside::{HttpRequest, HttpResponse, Refused};
use super::{Outside, State};
use crate::bindings::coffer::host::http::{Error, Host, Request, Response};
use crate::secret::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        send(&self.outside, request).await
    }

    async fn send_all(
        &mut self,
        requests: Vec<Request>,
    ) -> wasmtime::Result<Vec<Result<Response, Error>>> {
        let outside = &self.outside;
        let responses = stream::iter(requests.into_iter().map(|request| send(outside, request)));
        // They are all in this process's memory until the last one is there.
        let (mut held, bytes_max) = (0, self.confines.limits.held_answers());
        let responses = responses.buffered(self.confines.limits.concurrency).map_ok(|answer| {
            let response = answer?;
            held += response.body.len();
            if held > bytes_max {
                return Err(Error::TooLarge(bytes_max as u64));
            }
            Ok(response)
        });
        responses.try_collect().await
    }
}

async fn send(outside: &Outside, request: Request) -> wasmtime::Result<Result<Response, Error>> {
    let Request { method, url, headers, body, timeout_ms } = request;
    let headers = headers.into_iter().map(|(name, value)| (name, Bytes::new(value))).collect();
    let timeout_ms = timeout_ms.map(u64::from);
    let request = HttpRequest { method, url, headers, body: Bytes::new(body), timeout_ms };
    let sent = outside.send(request).await?;
    Ok(sent.map(response).map_err(|refused| match refused {
        Refused::Denied => Error::Denied,
        Refused::InvalidRequest(why) => Error::InvalidRequest(why),
        Refused::MalformedResponse => Error::MalformedResponse,
        Refused::Timeout => Error::Timeout,
        Refused::Tls { .. } => Error::Tls,
        Refused::TooLarge(bytes_max) => Error::TooLarge(bytes_max),
        Refused::TooManyRequests => Error::TooManyRequests,
        Refused::Unreachable => Error::Unreachable,
        Refused::Unresolved => Error::Unresolved,
    }))
}

fn response(response: HttpResponse) -> Response {
    let HttpResponse { status, headers, body } = response;
    let headers = headers.into_iter().map(|(name, value)| (name, value.take())).collect();
    Response { status, headers, body: body.take() }
}
