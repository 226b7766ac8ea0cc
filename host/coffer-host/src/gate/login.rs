//! Tokens that the host gets by itself: one for each setting that has a login, kept in memory, renewed ahead of
//! its end and after a refusal, by one request however many calls wait for it. No plugin sees any of it.

mod exchange;

use super::{Budget, Gate, SendError};
use crate::error::{Incident, LoginFault};
use crate::limits;
use crate::secret::Secret;
use coffer_grants::{HttpPermit, Login};
use exchange::Question;
use http_body_util::BodyExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// What a login brought.
pub(super) struct Token {
    pub(super) value: Secret,
    /// What it was exchanged for.
    pub(super) proof: Option<Secret>,
    /// When it ends, and when it is renewed. Nothing, if its issuer does not say.
    time: Option<Time>,
}

#[derive(Clone, Copy)]
struct Time {
    end: Instant,
    renewal: Instant,
}

impl Token {
    fn new(value: Secret, proof: Option<Secret>, lifetime: Option<Duration>, now: Instant) -> Self {
        let time = lifetime.map(|lifetime| {
            let lifetime = lifetime.min(limits::LOGIN_LIFETIME_MAX);
            // What is left is for those that are on their way, and for an issuer that is down for a while.
            Time { end: now + lifetime, renewal: now + lifetime * 3 / 4 }
        });
        Self { value, proof, time }
    }
}

/// The state of one login.
pub(super) struct Held {
    setting: String,
    login: Login,
    known: Mutex<Known>,
    /// Whoever has it asks the issuer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    current: Option<Arc<Token>>,
    previous: Option<Arc<Token>>,
    /// After a renewal ahead of time that failed, no other is tried until then.
    pause: Option<Instant>,
}

/// What is to be done with what is known.
enum Choice {
    /// Use it.
    Use(Arc<Token>),
    /// Use it, if it cannot be renewed.
    Renew(Arc<Token>),
    /// There is none.
    Get,
}

impl Known {
    fn choose(&self, refused: Option<&Arc<Token>>, now: Instant) -> Choice {
        let Some(current) = &self.current else { return Choice::Get };
        if refused.is_some_and(|refused| Arc::ptr_eq(refused, current)) {
            return Choice::Get;
        }
        let current = Arc::clone(current);
        match current.time {
            Some(time) if time.end <= now => Choice::Get,
            Some(time) if time.renewal <= now && self.pause.is_none_or(|until| until <= now) => {
                Choice::Renew(current)
            }
            _ => Choice::Use(current),
        }
    }

    fn replace(&mut self, token: Arc<Token>) {
        self.previous = self.current.replace(token);
        self.pause = None;
    }
}

impl Held {
    pub(super) fn new(setting: &str, login: &Login) -> Self {
        Self {
            setting: setting.to_owned(),
            login: login.clone(),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// A token other than `refused`, for a request that `permit` is for, and the one before it, which a server
    /// may still repeat.
    pub(super) async fn token(
        &self,
        gate: &Gate,
        permit: &HttpPermit<'_>,
        refused: Option<&Arc<Token>>,
        budget: &Budget,
    ) -> Result<(Arc<Token>, Option<Arc<Token>>), Incident> {
        let token = match self.choose(refused) {
            Choice::Use(token) => token,
            Choice::Renew(token) => match self.asking.try_lock() {
                Ok(_asking) => match self.ask(gate, permit, budget).await {
                    Ok(renewed) => renewed,
                    // It is good for a while yet.
                    Err(_) => {
                        let until = Instant::now() + limits::LOGIN_PAUSE;
                        self.known().pause = Some(until);
                        token
                    }
                },
                // Somebody else is at it.
                Err(_) => token,
            },
            Choice::Get => {
                // Held while the issuer is asked, so that those who come meanwhile get the same token. Whoever
                // is cut off by its deadline gives it to the next one.
                let _asking = self.asking.lock().await;
                match self.choose(refused) {
                    Choice::Use(token) | Choice::Renew(token) => token,
                    Choice::Get => self.ask(gate, permit, budget).await?,
                }
            }
        };
        Ok((token, self.known().previous.clone()))
    }

    fn choose(&self, refused: Option<&Arc<Token>>) -> Choice {
        self.known().choose(refused, Instant::now())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().expect("nothing panics while it holds this lock")
    }

    async fn ask(
        &self,
        gate: &Gate,
        permit: &HttpPermit<'_>,
        budget: &Budget,
    ) -> Result<Arc<Token>, Incident> {
        let failed = |fault| Incident::Login {
            setting: self.setting.clone(),
            host: self.login.url().host().to_owned(),
            fault,
        };
        // A plugin that is refused again and again makes the host ask for no more than it could itself.
        if !budget.take() {
            return Err(failed(LoginFault::TooMany));
        }
        let Question { request, proof } = exchange::question(&self.login).map_err(failed)?;
        let answer = async {
            let grant = permit.grant();
            let reach = self.login.reach(grant.reach());
            let ca = self.login.ca(grant.ca(), permit.url());
            let response = gate
                .pool(reach, ca)?
                .request(request)
                .await
                .map_err(|error| super::failed(self.login.url(), reach, &error))?;
            let (parts, body) = response.into_parts();
            let mut body = http_body_util::Limited::new(body, limits::LOGIN_ANSWER_BYTES_MAX);
            // Its pieces are the client's; what is read from them is overwritten, and has room for all of it.
            let mut read = Zeroizing::new(Vec::with_capacity(limits::LOGIN_ANSWER_BYTES_MAX));
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| SendError::MalformedResponse)?;
                read.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            }
            Ok((parts.status.as_u16(), read))
        };
        let answer = tokio::time::timeout(limits::LOGIN_MAX, answer).await;
        let (status, body) =
            answer.unwrap_or(Err(SendError::Timeout)).map_err(|error| match error {
                SendError::Incident(incident) | SendError::Tls(_, incident) => incident,
                SendError::MalformedResponse => failed(LoginFault::Malformed),
                SendError::InvalidRequest(_)
                | SendError::Timeout
                | SendError::TooLarge(_)
                | SendError::Unreachable
                | SendError::Unresolved => failed(LoginFault::Unanswered),
            })?;
        let answer = exchange::read(&self.login.kind, status, &body).map_err(failed)?;
        let token = Arc::new(Token::new(answer.token, proof, answer.lifetime, Instant::now()));
        self.known().replace(Arc::clone(&token));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_ahead_of_its_end_and_after_a_refusal() {
        let now = Instant::now();
        let token = |seconds: Option<u64>| {
            let lifetime = seconds.map(Duration::from_secs);
            Arc::new(Token::new(Secret::from("t"), None, lifetime, now))
        };
        let check = |known: &Known, refused: Option<&Arc<Token>>, after: u64, expected: &str| {
            let choice = match known.choose(refused, now + Duration::from_secs(after)) {
                Choice::Use(_) => "use",
                Choice::Renew(_) => "renew",
                Choice::Get => "get",
            };
            assert_eq!(choice, expected, "after {after} s");
        };
        let mut known = Known::default();
        check(&known, None, 0, "get");
        let first = token(Some(100));
        known.replace(Arc::clone(&first));
        check(&known, None, 74, "use");
        check(&known, None, 75, "renew");
        check(&known, None, 99, "renew");
        check(&known, None, 100, "get");
        check(&known, Some(&first), 0, "get");
        known.pause = Some(now + Duration::from_secs(85));
        check(&known, None, 84, "use");
        check(&known, None, 85, "renew");
        check(&known, None, 100, "get");
        // A refusal of the one before says nothing of the current one.
        known.replace(token(None));
        check(&known, Some(&first), 0, "use");
        check(&known, None, 1_000_000, "use");
        // No issuer makes the clock overflow.
        known.replace(token(Some(u64::MAX)));
        check(&known, None, 0, "use");
    }
}
