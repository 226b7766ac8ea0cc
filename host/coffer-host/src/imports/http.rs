//! `coffer:host/http`: whole requests through the gate.

use super::{Record, Shared, State};
use crate::bindings::coffer::host::http::{Error, Host, Request, Response};
use crate::gate::{Incoming, Outgoing, SendError};
use futures_util::StreamExt as _;
use futures_util::stream;
use std::time::Duration;
use zeroize::Zeroizing;

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        Ok(send(&self.shared, &self.record, request).await)
    }

    async fn send_all(
        &mut self,
        requests: Vec<Request>,
    ) -> wasmtime::Result<Vec<Result<Response, Error>>> {
        let (shared, record) = (&*self.shared, &*self.record);
        let responses =
            stream::iter(requests.into_iter().map(|request| send(shared, record, request)));
        // They are all in the host's memory until the last one is there.
        let (mut held, bytes_max) = (0, shared.limits.held_answers());
        let responses = responses.buffered(shared.limits.concurrency).map(|answer| {
            let response = answer?;
            held += response.body.len();
            if held > bytes_max {
                return Err(Error::TooLarge(bytes_max as u64));
            }
            Ok(response)
        });
        Ok(responses.collect().await)
    }
}

async fn send(shared: &Shared, record: &Record, request: Request) -> Result<Response, Error> {
    let Request { method, url, headers, body, timeout_ms } = request;
    if !record.budget.take() {
        return Err(Error::TooManyRequests);
    }
    let outgoing = Outgoing {
        method,
        url,
        headers,
        body: Zeroizing::new(body),
        timeout: timeout_ms.map(|ms| Duration::from_millis(ms.into())),
    };
    let _waiting = record.wait();
    match shared.gate.send(outgoing, &record.budget).await {
        Ok(Incoming { status, headers, body }) => Ok(Response { status, headers, body }),
        Err(error) => Err(match error {
            SendError::Incident(incident) => {
                record.add(incident);
                Error::Denied
            }
            SendError::InvalidRequest(why) => Error::InvalidRequest(why),
            SendError::MalformedResponse => Error::MalformedResponse,
            SendError::Timeout => Error::Timeout,
            SendError::Tls(_, incident) => {
                record.add(incident);
                Error::Tls
            }
            SendError::TooLarge(bytes_max) => Error::TooLarge(bytes_max as u64),
            SendError::Unreachable => Error::Unreachable,
            SendError::Unresolved => Error::Unresolved,
        }),
    }
}
