//! WASI 0.2 without files: granted variables, clocks and randomness; HTTP through the gate for guests that do
//! not use ours. Standard streams are closed and sockets deny.

use super::clocks::{Calendar, SinceCall};
use super::outside::{HttpRequest, HttpResponse, Refused};
use super::{Outside, State, files};
use crate::limits::{self, Limits};
use crate::secret::Bytes;
use http_body_util::{BodyExt as _, Full};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasmtime::component::Linker;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};
use zeroize::Zeroizing;

/// The context of one instance.
pub(super) fn context(variables: &[(String, Bytes)], directories: &WasiFilesystemCtx) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .max_random_size(limits::RANDOM_BYTES_MAX)
        .monotonic_clock(SinceCall::start())
        .wall_clock(Calendar)
        // Files can block for as long as a disk or a network file system does, so they are waited for
        // on threads of their own, and a call can be given up meanwhile.
        .allow_blocking_current_thread(false)
        .allow_ip_name_lookup(false)
        .allow_tcp(false)
        .allow_udp(false)
        .socket_addr_check(|_, _| Box::pin(async { false }));
    for (name, value) in variables {
        builder.env(name, String::from_utf8_lossy(value));
    }
    let mut context = builder.build();
    *context.filesystem() = directories.clone();
    context
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    // The engine's own files are among them, and ours take their place.
    linker.allow_shadowing(true);
    files::link(linker)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.hooks,
            table: &mut self.table,
            ctx: &mut self.http.context,
        }
    }
}

/// What `wasi:http` needs of one instance.
pub(super) struct HttpState {
    context: WasiHttpCtx,
    hooks: Hooks,
}

impl HttpState {
    pub(super) fn new(limits: Limits, outside: Outside) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(limits::HEADER_BYTES_MAX);
        Self { context, hooks: Hooks { limits, outside, held: Arc::default() } }
    }
}

struct Hooks {
    limits: Limits,
    outside: Outside,
    /// Bytes of the bodies that the guest has not done with.
    held: Arc<AtomicUsize>,
}

/// The body of an answer, until the guest has done with it.
struct HeldBody {
    body: Bytes,
    held: Arc<AtomicUsize>,
}

impl HeldBody {
    /// Nothing if the guest holds so many that this one is too much.
    fn new(body: Bytes, held: &Arc<AtomicUsize>, bytes_max: usize) -> Option<Self> {
        let before = held.fetch_add(body.len(), Ordering::Relaxed);
        let within = before + body.len() <= bytes_max;
        // What is dropped gives back what was taken.
        let body = Self { body, held: Arc::clone(held) };
        within.then_some(body)
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.held.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_error: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let (limits, outside) = (self.limits, self.outside.clone());
        let held = Arc::clone(&self.held);
        Box::new(async move {
            let outgoing = outgoing(request, options, limits.body).await?;
            match outside.send(outgoing).await {
                Ok(Ok(HttpResponse { status, headers, body })) => {
                    let bytes_max = limits.held_answers();
                    let body = HeldBody::new(body, &held, bytes_max)
                        .ok_or(Error::HttpResponseBodySize(Some(bytes_max as u64)))?;
                    Ok((response(status, headers, body)?, done()))
                }
                Ok(Err(error)) => Err(refused(&error)),
                // The parent is gone, and this process goes with it.
                Err(_) => Err(Error::ConnectionTerminated),
            }
        })
    }
}

async fn outgoing(
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    body_bytes_max: usize,
) -> Result<HttpRequest, Error> {
    let (parts, mut body) = request.into_parts();
    let mut collected = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            if collected.len() + data.len() > body_bytes_max {
                return Err(Error::HttpRequestBodySize(Some(body_bytes_max as u64)));
            }
            collected.extend_from_slice(data);
        }
    }
    // The guest's other wishes about time are within the host's own bounds or without effect.
    let timeout = options.and_then(|options| options.first_byte_timeout);
    let timeout_ms = timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let headers = parts
        .headers
        .iter()
        // The engine sets `host` from the authority; the gate sets it again from the URL it checked.
        // The length is that of the body which was collected.
        .filter(|(name, _)| *name != http::header::HOST && *name != http::header::CONTENT_LENGTH)
        .map(|(name, value)| (name.as_str().to_owned(), Bytes::new(value.as_bytes().to_vec())))
        .collect();
    Ok(HttpRequest {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.to_string(),
        headers,
        body: collected.into(),
        timeout_ms,
    })
}

fn response(
    status: u16,
    headers: Vec<(String, Bytes)>,
    body: HeldBody,
) -> Result<http::Response<WasiBody>, Error> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, &*value);
    }
    let body = Full::new(bytes::Bytes::from_owner(body));
    response
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .map_err(|_| Error::HttpProtocolError)
}

fn done() -> Box<dyn Future<Output = Result<(), Error>> + Send> {
    Box::new(async { Ok(()) })
}

fn refused(refused: &Refused) -> Error {
    match refused {
        Refused::Denied => Error::HttpRequestDenied,
        Refused::InvalidRequest(_) => Error::HttpRequestUriInvalid,
        Refused::MalformedResponse => Error::HttpProtocolError,
        Refused::Timeout => Error::ConnectionTimeout,
        Refused::Tls { certificate: true } => Error::TlsCertificateError,
        Refused::Tls { certificate: false } => Error::TlsProtocolError,
        Refused::TooLarge(bytes_max) => Error::HttpResponseBodySize(Some(*bytes_max)),
        Refused::TooManyRequests => Error::ConnectionLimitReached,
        Refused::Unreachable => Error::ConnectionTerminated,
        Refused::Unresolved => Error::DnsError { rcode: None, info_code: None },
    }
}
