//! Sending again what a backend did not answer, where it does no harm: a request that was never written, as no
//! connection stood, and one whose method has the same effect twice, when the answer says that it is too early
//! or that nobody behind a proxy answered. Whatever was written and has no answer is sent once: who knows what
//! became of it.
//!
//! Each time counts as a request of the call. What is waited for leaves time for an answer, or is not begun.

use super::Connection;
use super::connect::ConnectError;
use crate::limits;
use aws_lc_rs::rand;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// What one call of a store may still send, and what backends said that did not answer it.
#[derive(Debug)]
pub(crate) struct Budget {
    /// When the call ends.
    deadline: Instant,
    requests_max: usize,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    requests: usize,
    unanswered: Unanswered,
}

/// What became of the request that was sent most often without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// How often it was sent.
    pub(crate) tries: usize,
    /// How long the backend asked to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Budget {
    pub(crate) fn new(requests_max: usize, deadline: Instant) -> Self {
        let left = Left { requests: requests_max, unanswered: Unanswered::default() };
        Self { deadline, requests_max, left: Mutex::new(left) }
    }

    /// When the call ends.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes one request out; whether there was one.
    pub(crate) fn take(&self) -> bool {
        let mut left = self.left.lock().expect("nothing panics while it holds this lock");
        let taken = left.requests > 0;
        left.requests -= usize::from(taken);
        taken
    }

    /// How many requests were taken out.
    pub(crate) fn taken(&self) -> usize {
        let left = self.left.lock().expect("nothing panics while it holds this lock").requests;
        self.requests_max - left
    }

    /// What was not answered so far.
    pub(crate) fn unanswered(&self) -> Unanswered {
        self.left.lock().expect("nothing panics while it holds this lock").unanswered
    }

    fn note(&self, tries: usize, retry_after: Option<Duration>) {
        let mut left = self.left.lock().expect("nothing panics while it holds this lock");
        let known = &mut left.unanswered;
        known.tries = known.tries.max(tries);
        known.retry_after = known.retry_after.max(retry_after);
    }
}

/// Sends a request, and again at most [`limits::TRIES_MAX`] times in all while that is safe, within `within`
/// and what `budget` has left. `sign` is the last who touches it, each time. The last answer is the answer.
///
/// # Errors
///
/// The client's, of the last time.
pub(super) async fn send(
    pool: &Connection,
    request: Request<Full<Bytes>>,
    mut sign: impl FnMut(&mut Request<Full<Bytes>>),
    within: Duration,
    budget: &Budget,
) -> Result<Response<Incoming>, Error> {
    let until = budget.deadline.min(Instant::now() + within);
    for tries in 1.. {
        let mut signed = request.clone();
        sign(&mut signed);
        let answer = pool.request(signed).await;
        let Some(Again { safe, retry_after }) = Again::of(&request, &answer) else { return answer };
        budget.note(tries, retry_after);
        let wait = wait(tries, retry_after, random());
        // Half of what is left is for the answer.
        let fits = wait <= until.saturating_duration_since(Instant::now()) / 2;
        if !safe || tries >= limits::TRIES_MAX || !fits || !budget.take() {
            return answer;
        }
        drop(answer);
        tokio::time::sleep(wait).await;
    }
    unreachable!("the last of the tries returns")
}

/// An answer that another try may better.
struct Again {
    /// Whether the request can be sent twice.
    safe: bool,
    retry_after: Option<Duration>,
}

impl Again {
    fn of(
        request: &Request<Full<Bytes>>,
        answer: &Result<Response<Incoming>, Error>,
    ) -> Option<Self> {
        match answer {
            Ok(response) => Self::of_status(
                response.status(),
                request.method().is_idempotent(),
                request.headers(),
                response.headers(),
            ),
            Err(error) => not_connected(error).then_some(Self { safe: true, retry_after: None }),
        }
    }

    fn of_status(
        status: StatusCode,
        idempotent: bool,
        request: &HeaderMap,
        response: &HeaderMap,
    ) -> Option<Self> {
        // If the first try was done after all, the condition of the second one does not hold any more.
        let conditional =
            request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_NONE_MATCH);
        let safe = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => idempotent,
            // Whether it was done is not known to the proxy that says so.
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => idempotent && !conditional,
            _ => return None,
        };
        let value = response.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = value.and_then(|value| retry_after(value, SystemTime::now()));
        Some(Self { safe, retry_after })
    }
}

/// Whether no connection stood, so that nothing was written. A name without address and a certificate that is
/// not trusted stay what they are, and a connection that took too long had its time.
fn not_connected(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return matches!(error, ConnectError::Unreachable);
        }
        cause = error.source();
    }
    false
}

/// How long to wait after so many tries: what the backend asked for, or twice as long each time; and up to as
/// much more by chance, so that those who were refused together do not come back together.
fn wait(tries: usize, retry_after: Option<Duration>, chance: f64) -> Duration {
    let step = limits::RETRY_WAIT * (1 << (tries - 1).min(16)) / 2;
    retry_after.unwrap_or(step) + step.mul_f64(chance)
}

/// From 0 to 1. Without random bytes everybody waits as long as can be, which is safe.
fn random() -> f64 {
    let mut byte = [u8::MAX];
    let _ = rand::fill(&mut byte);
    f64::from(byte[0]) / f64::from(u8::MAX)
}

/// What the header `retry-after` says, in seconds or as a date; `None` if it is neither.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_is_spread() {
        let ms = |wait: Duration| wait.as_millis();
        assert_eq!([0.0, 1.0].map(|chance| ms(wait(1, None, chance))), [50, 100]);
        assert_eq!([0.0, 1.0].map(|chance| ms(wait(2, None, chance))), [100, 200]);
        let asked = Some(Duration::from_secs(3));
        assert_eq!([0.0, 1.0].map(|chance| ms(wait(1, asked, chance))), [3000, 3050]);
        // Not all of them at the same moment.
        let first = random();
        assert!((0..64).any(|_| (random() - first).abs() > f64::EPSILON));
    }

    #[test]
    fn what_a_backend_asks_for_is_read() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        };
        check("0", Some(0));
        check("120", Some(120));
        check("Sun, 06 Nov 1994 08:49:39 GMT", Some(2));
        // The older forms that servers still send.
        check("Sunday, 06-Nov-94 08:50:37 GMT", Some(60));
        check("Sun Nov  6 08:49:38 1994", Some(1));
        // Over already.
        check("Sun, 06 Nov 1994 08:49:30 GMT", Some(0));
        for neither in ["", "-1", "1.5", "soon", "4294967296", "Sun, 06 Nov 1994", "0x10", " 1"] {
            check(neither, None);
        }
    }

    #[test]
    fn only_what_has_the_same_effect_twice_is_sent_twice() {
        let none = HeaderMap::new();
        let mut condition = HeaderMap::new();
        condition.insert(header::IF_NONE_MATCH, "*".parse().unwrap());
        let safe = |status: u16, idempotent: bool, request: &HeaderMap| {
            let status = StatusCode::from_u16(status).unwrap();
            Again::of_status(status, idempotent, request, &none).map(|again| again.safe)
        };
        for status in [429, 502, 503, 504] {
            assert_eq!(safe(status, true, &none), Some(true), "{status}");
            assert_eq!(safe(status, false, &none), Some(false), "{status}");
        }
        // A refusal was not done, and what a proxy lost may have been.
        assert_eq!([429, 503].map(|status| safe(status, true, &condition)), [Some(true); 2]);
        assert_eq!([502, 504].map(|status| safe(status, true, &condition)), [Some(false); 2]);
        for status in [200, 301, 400, 401, 404, 408, 409, 425, 500, 501, 505] {
            assert_eq!(safe(status, true, &none), None, "{status}");
        }
    }
}
