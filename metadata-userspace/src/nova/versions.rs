//! The list of versions, while Nova has enough to do.
//!
//! cloud-init's first request is for `/openstack`, to see whether there is a metadata
//! service, and it gives up after 10 s without an answer; for documents it comes again.
//! The list depends on Nova's release and on nothing else (`lookup` in
//! nova/api/metadata/base.py), yet Nova reads all of the instance before it tells it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hyper::StatusCode;
use tokio::time::Instant;

use super::documents::Document;
use super::question::Question;
use super::whole::WholeAnswer;

const PATH: &str = "/openstack";

/// So much later guests may see a version that an upgrade has brought.
const LASTS: Duration = Duration::from_secs(600);

/// The last list that Nova gave to anybody.
#[derive(Debug, Default)]
pub(super) struct Versions(ArcSwapOption<Document>);

impl Versions {
    pub(super) fn learn(&self, question: &Question, answer: &WholeAnswer, now: Instant) {
        if is_list(question) && answer.status == StatusCode::OK {
            self.0.store(Some(Arc::new(Document::of(answer, now))));
        }
    }

    /// In place of Nova's answer to this question.
    pub(super) fn last(&self, question: &Question, now: Instant) -> Option<Arc<Document>> {
        if !is_list(question) {
            return None;
        }
        let last = self.0.load_full()?;
        (last.age(now) < LASTS).then_some(last)
    }
}

fn is_list(question: &Question) -> bool {
    let target = &question.page.target;
    target.path().trim_end_matches('/') == PATH && target.query().is_none()
}
