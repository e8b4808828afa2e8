//! What operators are told of how Nova is doing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::NovaError;
use super::evidence::{Evidence, Subject};
use crate::dependencies::Dependency;
use crate::logging;

/// When Nova took a signature so lately, a 403 is about the path: web servers
/// refuse some (Apache `.ht*`). Seconds.
const TRUSTED_FOR: u64 = 60;

/// Tells the state, when it may be another than the last one told.
#[derive(Debug)]
pub(super) struct Health {
    dependency: Dependency,
    /// So that an answer like the one before costs no lock.
    up: AtomicBool,
    started: Instant,
    /// When Nova last took a signature: seconds after `started`, the first being
    /// 1; 0 is never.
    accepted: AtomicU64,
}

impl Health {
    pub(super) fn new(dependency: Dependency) -> Self {
        Self {
            dependency,
            up: AtomicBool::new(false),
            started: Instant::now(),
            accepted: AtomicU64::new(0),
        }
    }

    pub(super) fn answered(&self, subject: Subject, status: StatusCode) {
        match Evidence::of(subject, status) {
            Evidence::AtWork => self.accepts(),
            Evidence::Refuses if !self.accepted_lately() => self.down(
                "it refuses our signatures: metadata_proxy_shared_secret differs from the one in \
                 [neutron] of nova.conf",
            ),
            Evidence::Away => self.down(&format!("it answers {status}")),
            Evidence::Refuses | Evidence::None => {}
        }
    }

    pub(super) fn failed(&self, subject: Subject, error: &NovaError) {
        let is_novas = !matches!(
            error,
            NovaError::RequestBody(_)
                | NovaError::Identity(_)
                | NovaError::Path(_)
                | NovaError::Busy(_)
        );
        if is_novas && subject == Subject::Novas {
            self.down(&logging::chain(error));
        }
    }

    pub(super) fn hangs(&self, waited: Duration) {
        self.down(&format!("no answer within {:.1} s", waited.as_secs_f64()));
    }

    fn accepts(&self) {
        let now = self.now();
        if self.accepted.load(Ordering::Relaxed) != now {
            self.accepted.store(now, Ordering::Relaxed);
        }
        if !self.up.load(Ordering::Relaxed) {
            self.up.store(true, Ordering::Relaxed);
            self.dependency.up();
        }
    }

    fn accepted_lately(&self) -> bool {
        let accepted = self.accepted.load(Ordering::Relaxed);
        accepted > 0 && self.now().saturating_sub(accepted) < TRUSTED_FOR
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_secs() + 1
    }

    fn down(&self, problem: &str) {
        self.up.store(false, Ordering::Relaxed);
        self.dependency.down(&problem);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use hyper::http::uri::PathAndQuery;

    use super::*;
    use crate::dependencies::Dependencies;

    /// What operators see after these answers, one after the other.
    fn after(answers: &[(&str, u16)]) -> Option<bool> {
        after_subjects(
            answers
                .iter()
                .map(|(path, status)| (subject(path), *status)),
        )
    }

    fn subject(path: &str) -> Subject {
        Subject::of(&PathAndQuery::try_from(path).unwrap(), false)
    }

    fn after_subjects(answers: impl IntoIterator<Item = (Subject, u16)>) -> Option<bool> {
        let dependencies = Dependencies::default();
        let health = Health::new(dependencies.dependency("nova"));
        for (subject, status) in answers {
            health.answered(subject, StatusCode::from_u16(status).unwrap());
        }
        dependencies.snapshot().get("nova").map(|state| state.up)
    }

    #[test]
    fn an_outage_is_one_whatever_was_before() {
        assert_eq!(after(&[("/openstack", 200)]), Some(true));
        assert_eq!(after(&[("/openstack", 200), ("/latest", 503)]), Some(false));
        let again = [("/openstack", 200), ("/latest", 503), ("/openstack", 404)];
        assert_eq!(after(&again), Some(true));
    }

    #[test]
    fn a_guest_cannot_make_it_look_otherwise() {
        let good = ("/openstack", 200);
        for other in [
            ("/openstack/.htaccess", 403),
            ("/latest/hostname/x", 500),
            ("/latest/x", 400),
            ("/openstack/%00", 404),
            ("/icons/", 200),
        ] {
            assert_eq!(after(&[good, other]), Some(true), "{other:?}");
            assert_eq!(after(&[("/latest", 503), other]), Some(false), "{other:?}");
        }
    }

    #[test]
    fn what_a_guest_makes_fail_is_no_outage() {
        let long = format!("/openstack/{}", "x".repeat(3000));
        let with_body = Subject::of(&PathAndQuery::from_static("/openstack"), true);
        for culprit in [subject(&long), with_body, subject("/icons/small")] {
            let good = (subject("/openstack"), 200);
            assert_eq!(after_subjects([good, (culprit, 503)]), Some(true));
            let dependencies = Dependencies::default();
            let health = Health::new(dependencies.dependency("nova"));
            health.failed(culprit, &NovaError::Deadline(Duration::from_secs(28)));
            assert!(dependencies.snapshot().is_empty());
        }
    }

    #[test]
    fn refused_signatures_are_an_outage_and_the_version_list_does_not_hide_it() {
        let refused = ("/openstack", 403);
        assert_eq!(after(&[refused]), Some(false));
        assert_eq!(after(&[refused, ("/", 200)]), Some(false));
        assert_eq!(after(&[("/", 200), refused]), Some(false));
        assert_eq!(after(&[refused, ("/openstack", 200)]), Some(true));
    }

    #[test]
    fn failures_say_what_is_wrong() {
        let dependencies = Dependencies::default();
        let health = Health::new(dependencies.dependency("nova"));
        health.failed(
            subject("/openstack"),
            &NovaError::Deadline(Duration::from_secs(28)),
        );
        let state = dependencies.snapshot().get("nova").unwrap().clone();
        assert_eq!(state.problem.unwrap(), "no answer within 28s");
    }
}
