//! The one login that all requests to Neutron share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::{Cause, RestError, Service};
use super::keystone::{self, Granted};
use super::site::{Ask, Site, Trust};
use super::{KEYSTONE, NEUTRON};
use crate::config::{Auth, EndpointChoice, KeystoneConfig};
use crate::dependencies::Dependency;
use crate::http_url::HttpUrl;
use crate::upstream::{TlsError, TlsFiles};

/// How long a failed login is not repeated: whoever needs one meanwhile gets its
/// fault. Longer when Keystone said no, because it may lock an account that fails
/// too often (`[security_compliance] lockout_failure_attempts`).
const AFTER_FAULT: Duration = Duration::from_secs(1);
const AFTER_REFUSAL: Duration = Duration::from_secs(10);
const NO: [StatusCode; 2] = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];

/// Where Neutron is, and the right to ask it.
pub(super) struct Access {
    pub(super) neutron: Arc<Site>,
    pub(super) token: Option<HeaderValue>,
    /// `None`: for ever.
    term: Option<Term>,
}

/// How long a token is good.
#[derive(Clone, Copy)]
struct Term {
    /// From then on a new one is wanted.
    renew: Instant,
    /// From then on this one is worth nothing.
    end: Instant,
}

pub(super) struct Session {
    auth: Auth,
    choice: EndpointChoice,
    trust: Trust,
    patience: Duration,
    /// `None`: Neutron wants no token.
    keystone: Option<Site>,
    dependency: Dependency,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    access: Option<Arc<Access>>,
    /// The last login, if it failed, and when it did.
    failed: Option<(Instant, RestError)>,
}

impl Session {
    pub(super) fn new(
        config: KeystoneConfig,
        files: TlsFiles,
        dependency: Dependency,
    ) -> Result<Self, TlsError> {
        let trust = Trust {
            files,
            insecure: config.insecure,
        };
        let keystone = keystone::place(&config.auth)
            .map(|url| Site::new(url, &trust, &KEYSTONE, config.timeout))
            .transpose()?;
        Ok(Self {
            auth: config.auth,
            choice: config.endpoint,
            trust,
            patience: config.timeout,
            keystone,
            dependency,
            state: Mutex::default(),
        })
    }

    /// A right to ask Neutron that has not expired. Of those who need a new one
    /// at a time, one asks Keystone.
    pub(super) async fn access(&self) -> Result<Arc<Access>, RestError> {
        let mut state = self.state.lock().await;
        if let Some(access) = state.access.as_ref().filter(|access| access.is_fresh()) {
            return Ok(Arc::clone(access));
        }
        let known = state.access.clone();
        let failed = state.failed.as_ref().and_then(still_valid);
        let attempt = match failed {
            Some(error) => Err(error),
            None => {
                let attempt = self.log_in(known.as_deref()).await;
                let fault = attempt.as_ref().err();
                state.failed = fault.map(|error| (Instant::now(), error.clone()));
                attempt
            }
        };
        if let Ok(access) = &attempt {
            state.access = Some(Arc::clone(access));
        }
        // A token that should be renewed and cannot be is good until it expires.
        attempt.or_else(|error| known.filter(|old| old.is_valid()).ok_or(error))
    }

    /// Whether the last login failed.
    pub(super) fn is_down(&self) -> bool {
        self.dependency.is_up() == Some(false)
    }

    /// Forgets an access that Neutron refused, unless it is another one already.
    pub(super) async fn discard(&self, refused: &Arc<Access>) {
        let mut state = self.state.lock().await;
        if let Some(access) = &state.access
            && Arc::ptr_eq(access, refused)
        {
            state.access = None;
        }
    }

    /// `known`: what was good until now; its connections are worth keeping.
    async fn log_in(&self, known: Option<&Access>) -> Result<Arc<Access>, RestError> {
        let Some(keystone) = &self.keystone else {
            let url = self.choice.fixed.clone();
            let url = url.ok_or_else(|| Cause::NoEndpoint(NO_CATALOG.to_owned()));
            return self.access_to(url, known, None, None);
        };
        let begun = Instant::now();
        let granted = self.ask(keystone).await.map_err(|cause| {
            let error = cause.of(Service::Keystone, keystone.url());
            self.dependency.down(&error);
            error
        })?;
        self.dependency.up();
        warn_of_roles(&granted.roles);
        let term = Term::new(begun, granted.lifetime);
        self.access_to(granted.neutron, known, Some(granted.token), term)
    }

    async fn ask(&self, keystone: &Site) -> Result<Granted, Cause> {
        let answer = keystone
            .send(&Ask {
                method: Method::POST,
                target: keystone::TOKENS,
                token: None,
                body: Bytes::from(keystone::request(&self.auth).to_string()),
            })
            .await?;
        keystone::granted(&answer, &self.auth, &self.choice)
    }

    fn access_to(
        &self,
        url: Result<HttpUrl, Cause>,
        known: Option<&Access>,
        token: Option<HeaderValue>,
        term: Option<Term>,
    ) -> Result<Arc<Access>, RestError> {
        let unknown = |cause: Cause| cause.of(Service::Neutron, "an unknown place");
        let url = versioned(url.map_err(unknown)?);
        let neutron = match known.filter(|known| *known.neutron.url() == url) {
            Some(known) => Arc::clone(&known.neutron),
            None => {
                let site = Site::new(url.clone(), &self.trust, &NEUTRON, self.patience);
                let broken = |error: TlsError| Cause::Connect(error.to_string());
                Arc::new(site.map_err(|error| broken(error).of(Service::Neutron, url))?)
            }
        };
        Ok(Arc::new(Access {
            neutron,
            token,
            term,
        }))
    }
}

const NO_CATALOG: &str = "without Keystone there is no catalog; set [neutron] endpoint_override";

impl Access {
    fn is_fresh(&self) -> bool {
        self.term.is_none_or(|term| Instant::now() < term.renew)
    }

    fn is_valid(&self) -> bool {
        self.term.is_none_or(|term| Instant::now() < term.end)
    }
}

impl Term {
    /// `None`: beyond what a clock can hold.
    fn new(begun: Instant, lifetime: Duration) -> Option<Self> {
        Some(Self {
            renew: begun.checked_add(lifetime / 10 * 9)?,
            end: begun.checked_add(lifetime)?,
        })
    }
}

fn still_valid((at, error): &(Instant, RestError)) -> Option<RestError> {
    let pause = match error.cause {
        Cause::Refused { status, .. } if NO.contains(&status) => AFTER_REFUSAL,
        _ => AFTER_FAULT,
    };
    (at.elapsed() < pause).then(|| error.clone())
}

/// Catalogs have it with the version and without.
fn versioned(url: HttpUrl) -> HttpUrl {
    match url.path.ends_with("/v2.0") {
        true => url,
        false => url.below("/v2.0"),
    }
}

/// Without such a role Neutron hides other projects' ports, and their instances
/// would be unknown. A policy of the operator's own may have other names, so it
/// is not an error.
fn warn_of_roles(roles: &[String]) {
    let sees_all = |role: &String| role == "admin" || role == "service";
    if !roles.iter().any(sees_all) {
        tracing::warn!(
            roles = roles.join(", "),
            "the user in [neutron] has neither the role admin nor service: by default Neutron shows \
             it only its own project's ports, and guests of other projects get 404"
        );
    }
}
