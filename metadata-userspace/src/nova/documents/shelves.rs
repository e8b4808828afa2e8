//! Documents in a bounded amount of memory.

use hyper::http::uri::PathAndQuery;
use lru::LruCache;
use tokio::time::Instant;

use super::super::question::{Page, Question};
use super::super::whole::WholeAnswer;
use super::Document;
use crate::identity::Instance;

/// A guest's boot leaves some 30 documents with 20 KiB, so this is enough for
/// the last boots of thousands of guests.
const MOST_BYTES: usize = 64 << 20;

/// Bytes an instance may have of them, so that no guest can crowd out the others
/// by asking for whatever there is under every address it has.
const MOST_BYTES_EACH: usize = 1 << 20;

/// Memory of an entry beside its bytes.
const ENTRY: usize = 512;

/// A shelf for each instance. What was put last goes last: it is the newest.
/// Reading changes no order, because a document that is read grows old all the
/// same.
pub(super) struct Shelves {
    by_instance: LruCache<Instance, Shelf>,
    bytes: usize,
}

struct Shelf {
    pages: LruCache<Page, Document>,
    bytes: usize,
}

impl Default for Shelves {
    fn default() -> Self {
        Self {
            by_instance: LruCache::unbounded(),
            bytes: 0,
        }
    }
}

impl Shelves {
    pub(super) fn get(&self, question: &Question) -> Option<Document> {
        let shelf = self.by_instance.peek(&question.instance)?;
        shelf.pages.peek(&question.page).cloned()
    }

    /// The document is as new as if it were put now, if it says the same as `answer`.
    pub(super) fn renew(
        &mut self,
        question: &Question,
        answer: &WholeAnswer,
        now: Instant,
    ) -> bool {
        let shelf = self.by_instance.get_mut(&question.instance);
        let document = shelf.and_then(|shelf| shelf.pages.get_mut(&question.page));
        let same = document.filter(|document| document.answer.equals(answer));
        same.map(|document| document.since = now).is_some()
    }

    pub(super) fn put(&mut self, question: &Question, document: Document) {
        let instance = &question.instance;
        let before = self
            .by_instance
            .peek(instance)
            .map_or(0, |shelf| shelf.bytes);
        let shelf = self
            .by_instance
            .get_or_insert_mut_ref(instance, Shelf::default);
        shelf.put(&question.page, document);
        self.bytes = self.bytes - before + shelf.bytes;
        while self.bytes > MOST_BYTES && self.drop_oldest() {}
    }

    pub(super) fn remove(&mut self, question: &Question) {
        if let Some(shelf) = self.by_instance.peek_mut(&question.instance) {
            self.bytes -= shelf.bytes;
            shelf.remove(&question.page);
            self.bytes += shelf.bytes;
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops shelves on which nothing is newer.
    pub(super) fn drop_older_than(&mut self, born: Instant) {
        while let Some((_, shelf)) = self.by_instance.peek_lru()
            && shelf.is_older_than(born)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.by_instance.pop_lru();
        self.bytes -= oldest.as_ref().map_or(0, |(_, shelf)| shelf.bytes);
        oldest.is_some()
    }
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            pages: LruCache::unbounded(),
            bytes: ENTRY,
        }
    }
}

impl Shelf {
    fn put(&mut self, page: &Page, document: Document) {
        self.remove(page);
        self.bytes += size(page, &document);
        self.pages.put(compact(page), document);
        while self.bytes > MOST_BYTES_EACH
            && let Some((page, document)) = self.pages.pop_lru()
        {
            self.bytes -= size(&page, &document);
        }
    }

    fn remove(&mut self, page: &Page) {
        if let Some(document) = self.pages.pop(page) {
            self.bytes -= size(page, &document);
        }
    }

    fn is_older_than(&self, born: Instant) -> bool {
        let newest = self.pages.peek_mru();
        newest.is_none_or(|(_, document)| document.since < born)
    }
}

/// A page that holds on to no buffer of the connection it was read from.
fn compact(page: &Page) -> Page {
    let target = PathAndQuery::try_from(page.target.as_str());
    Page {
        address: page.address,
        target: target.unwrap_or_else(|_| page.target.clone()),
    }
}

fn size(page: &Page, document: &Document) -> usize {
    ENTRY + page.target.as_str().len() + document.answer.size()
}
