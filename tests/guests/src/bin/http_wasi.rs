//! Sends a GET through `wasi:http`, as guests in other languages do. The key is the URL.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::http::outgoing_handler;
use guests::wasi::wasi::http::types::{ErrorCode, Fields, OutgoingRequest, Scheme};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (scheme, rest) = match key.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some((_, rest)) => (Scheme::Https, rest),
        None => return report("no URL"),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let headers = Fields::from_list(&[("x-token".to_owned(), b"mine".to_vec())])
        .map_err(|error| Error::Other(format!("{error:?}")))?;
    let request = OutgoingRequest::new(headers);
    let set = request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(&format!("/{path}"))).is_ok();
    if !set {
        return report("not a request");
    }
    let future = match outgoing_handler::handle(request, None) {
        Ok(future) => future,
        Err(code) => return report(said(&code)),
    };
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => report(format!("status {}", response.status())),
        Some(Ok(Err(code))) => report(said(&code)),
        Some(Err(())) | None => report("nothing"),
    }
}

fn said(code: &ErrorCode) -> String {
    match code {
        ErrorCode::HttpRequestDenied => "denied".into(),
        ErrorCode::HttpRequestUriInvalid => "invalid".into(),
        other => format!("{other:?}"),
    }
}

guests::guest!(resolve);
