//! How often cloud-init asks for the same again (cloudinit/url_helper.py, and `_path_read`
//! in cloudinit/sources/helpers/openstack.py, of August 2026).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::session::{Failure, Session, Target};
use super::tally::Tally;
use crate::lab::http::Response;

/// `url_retries` and the first try.
const TRIES: usize = 6;
/// `url_sec_between_retries`.
const PAUSE: Duration = Duration::from_secs(1);

/// cloud-init has not got what it wanted, and goes on without.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GaveUp;

/// What counts as an answer.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// `wait_for_url` with `max_wait` -1: one try, and as many more as there are 503.
    Probe,
    /// `_path_read`: what may pass is tried again, also 503.
    Document,
    /// Without a rule of its own: everything is tried again, 503 without end.
    Ec2,
}

/// Asks for one thing after the other.
pub(super) struct Reader<'a> {
    target: &'a Target,
    /// Nobody wants to know any more.
    over: &'a AtomicBool,
    pub(super) tally: Tally,
}

impl<'a> Reader<'a> {
    pub(super) fn new(target: &'a Target, over: &'a AtomicBool) -> Self {
        Self {
            target,
            over,
            tally: Tally::default(),
        }
    }

    /// Whether there is a metadata service.
    pub(super) fn probe(&mut self, path: &str) -> Result<(), GaveUp> {
        let found = self.read(path, Rule::Probe)?;
        match found {
            Some(body) if !body.is_empty() => Ok(()),
            _ => Err(GaveUp),
        }
    }

    /// A document, or nothing when there is none.
    pub(super) fn document(&mut self, path: &str) -> Result<Option<String>, GaveUp> {
        self.read(path, Rule::Document)
    }

    /// A value of the EC2 tree, or a list of names.
    pub(super) fn ec2(&mut self, path: &str) -> Result<String, GaveUp> {
        self.read(path, Rule::Ec2)?.ok_or(GaveUp)
    }

    fn read(&mut self, path: &str, rule: Rule) -> Result<Option<String>, GaveUp> {
        let mut session = Session::with(self.target);
        let mut tries = 0;
        loop {
            if self.over.load(Ordering::Relaxed) {
                return Err(GaveUp);
            }
            let asked = Instant::now();
            let outcome = session.get(path);
            self.tally.count(&outcome, asked.elapsed());
            self.tally.interim += std::mem::take(&mut session.interim);
            tries += 1;
            match rule.next(&outcome, tries) {
                Next::Take => return Ok(outcome.ok().map(|answer| answer.text())),
                Next::Absent => return Ok(None),
                Next::GiveUp => return Err(GaveUp),
                Next::Again(pause) => thread::sleep(pause),
            }
            self.tally.retries += 1;
            if let Rule::Probe = rule {
                session = Session::with(self.target);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Take,
    Absent,
    GiveUp,
    Again(Duration),
}

impl Rule {
    fn next(self, outcome: &Result<Response, Failure>, tries: usize) -> Next {
        let status = outcome.as_ref().map(|answer| answer.status).ok();
        let again = match tries < TRIES {
            true => Next::Again(PAUSE),
            false => Next::GiveUp,
        };
        match (self, status) {
            (_, Some(200..=299)) => Next::Take,
            (Self::Probe | Self::Ec2, Some(503)) => {
                Next::Again(outcome.as_ref().map_or(PAUSE, retry_after))
            }
            (Self::Probe, _) => Next::GiveUp,
            (Self::Document, Some(404)) => Next::Absent,
            (Self::Document, None | Some(408 | 429 | 500 | 502..=504)) | (Self::Ec2, _) => again,
            (Self::Document, Some(_)) => Next::GiveUp,
        }
    }
}

fn retry_after(answer: &Response) -> Duration {
    let seconds = answer
        .header("retry-after")
        .and_then(|value| value.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Result<Response, Failure> {
        Ok(Response {
            status,
            headers: vec![("retry-after".to_owned(), "2".to_owned())],
            body: Vec::new(),
        })
    }

    #[test]
    fn the_probe_is_repeated_after_503_alone() {
        let two = Next::Again(Duration::from_secs(2));
        assert_eq!(Rule::Probe.next(&answer(503), 99), two);
        for outcome in [answer(504), answer(404), Err(Failure::TimedOut)] {
            assert_eq!(Rule::Probe.next(&outcome, 1), Next::GiveUp);
        }
    }

    #[test]
    fn a_document_is_asked_for_six_times() {
        for outcome in [answer(503), answer(504), Err(Failure::TimedOut)] {
            assert_eq!(Rule::Document.next(&outcome, 5), Next::Again(PAUSE));
            assert_eq!(Rule::Document.next(&outcome, 6), Next::GiveUp);
        }
        assert_eq!(Rule::Document.next(&answer(404), 1), Next::Absent);
        assert_eq!(Rule::Document.next(&answer(403), 1), Next::GiveUp);
    }
}
