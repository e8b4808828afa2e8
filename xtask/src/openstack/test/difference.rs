//! Where answers may differ from those of Neutron's hops, and why: nothing else may.
//! All of it was seen with Neutron 29.0.0 and haproxy 2.6.

use super::outcome::Outcome;
use crate::lab::http::Response;

/// Whose hop makes the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    Proxy,
    Agent,
    Either,
}

/// A difference that is wanted.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) hop: Hop,
    /// What Neutron's hops answer: the explanation holds only for that.
    pub(super) theirs: fn(&Response) -> bool,
    pub(super) ours: fn(&Response) -> bool,
    pub(super) because: &'static str,
}

impl Difference {
    pub(super) fn explains(&self, theirs: &Outcome, ours: &Outcome) -> bool {
        theirs.answer().is_some_and(self.theirs) && ours.answer().is_some_and(self.ours)
    }
}

/// neutron/common/metadata.py raises, and the connection closes without an answer:
/// haproxy makes it a 502, at which cloud-init gives up; we say that it may pass.
const NO_ANSWER: Difference = Difference {
    hop: Hop::Proxy,
    theirs: status::<502>,
    ours: status::<503>,
    because: "neutron-metadata-agent closes without an answer; haproxy says 502, our proxy 503",
};

/// What Neutron's agent says itself is HTML, labelled text/plain.
pub(super) const AGENT_PAGE: &[Difference] = &[
    Difference {
        hop: Hop::Agent,
        theirs: |answer| status::<404>(answer) && is_labelled_wrongly(answer),
        ours: status::<404>,
        because: "neutron-metadata-agent labels its own HTML page text/plain; ours is a line of text",
    },
    Difference {
        hop: Hop::Agent,
        theirs: |answer| status::<503>(answer) && is_labelled_wrongly(answer),
        ours: status::<503>,
        because: "neutron-metadata-agent labels its own HTML page text/plain; ours is a line of text",
    },
];

pub(super) const UNPACKED: &[Difference] = &[Difference {
    hop: Hop::Agent,
    theirs: |answer| answer.body == b"#!/bin/sh\necho packed\n",
    ours: |answer| status::<200>(answer) && answer.body.starts_with(&[0x1f, 0x8b, 8]),
    because: "neutron-metadata-agent unpacks user data that is packed with gzip (LP 2120723); \
              ours leaves it as the user gave it, as a config drive does",
}];

pub(super) const QUESTION_MARK: &[Difference] = &[Difference {
    hop: Hop::Agent,
    theirs: status::<200>,
    ours: status::<404>,
    because: "neutron-metadata-agent turns %3F into the start of a query",
}];

pub(super) const NOT_UTF8: &[Difference] = &[
    NO_ANSWER,
    Difference {
        hop: Hop::Agent,
        theirs: status::<502>,
        ours: status::<503>,
        because: "neutron-metadata-agent closes at a path that is not UTF-8, which haproxy makes \
                  502; ours asks nova-api-metadata, which closes too, and says 503",
    },
];

pub(super) const HAPROXY_PAGE: &[Difference] = &[Difference {
    hop: Hop::Proxy,
    theirs: |answer| status::<400>(answer) && answer.header("content-type") == Some("text/html"),
    ours: |answer| status::<400>(answer) && answer.body.is_empty(),
    because: "haproxy refuses with an HTML page, our proxy without a body",
}];

pub(super) const HEAD_LENGTH: &[Difference] = &[Difference {
    hop: Hop::Agent,
    theirs: |answer| answer.header("content-length") == Some("0"),
    ours: |answer| status::<200>(answer) && answer.header("content-length") != Some("0"),
    because: "neutron-metadata-agent answers HEAD with length 0, ours with that of the document",
}];

pub(super) const HEAD_MISSING: &[Difference] = &[
    NO_ANSWER,
    Difference {
        hop: Hop::Agent,
        theirs: status::<502>,
        ours: status::<404>,
        because: "neutron-metadata-agent answers HEAD for a missing document with half a head",
    },
];

pub(super) const LONG_HEAD: &[Difference] = &[
    Difference {
        hop: Hop::Proxy,
        theirs: status::<502>,
        ours: status::<431>,
        because: "neutron-metadata-agent reads 4096 bytes once, and closes; our proxy says why",
    },
    Difference {
        hop: Hop::Agent,
        theirs: status::<502>,
        ours: status::<200>,
        because: "neutron-metadata-agent reads 4096 bytes once and drops what follows",
    },
];

pub(super) const TOO_LONG_HEAD: &[Difference] = &[Difference {
    hop: Hop::Proxy,
    theirs: status::<400>,
    ours: status::<431>,
    because: "haproxy calls a head of more than 16 KiB malformed; 431 says what it is (RFC 6585)",
}];

pub(super) const FORWARDED_FOR: &[Difference] = &[Difference {
    hop: Hop::Either,
    theirs: status::<502>,
    ours: status::<200>,
    because: "haproxy keeps a guest's X-Forwarded-For, and neutron-metadata-agent fails on two; \
              our proxy drops it, our agent takes haproxy's",
}];

pub(super) const OVN_NETWORK: &[Difference] = &[Difference {
    hop: Hop::Either,
    theirs: status::<404>,
    ours: status::<200>,
    because: "OVN's haproxy adds X-OVN-Network-ID to a guest's own, and neutron's agent joins \
              them to an unknown one; our proxy drops the guest's, our agent takes haproxy's",
}];

pub(super) const LOST_BODY: &[Difference] = &[Difference {
    hop: Hop::Either,
    theirs: |answer| status::<200>(answer) && answer.body.is_empty(),
    ours: |answer| status::<200>(answer) && answer.body == b"secret two",
    because: "neutron-metadata-agent reads one segment: a body in the next is lost; our proxy \
              sends both together, our agent reads both",
}];

pub(super) const CHUNKED: &[Difference] = &[Difference {
    hop: Hop::Either,
    theirs: |answer| answer.body == b"6\r\nchunky\r\n0\r\n\r\n",
    ours: |answer| answer.body == b"chunky",
    because: "neutron-metadata-agent takes the framing of chunks for the body",
}];

fn status<const STATUS: u16>(answer: &Response) -> bool {
    answer.status == STATUS
}

fn is_labelled_wrongly(answer: &Response) -> bool {
    answer.text().starts_with("<html>")
        && answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
}
