//! By which number a namespace knows another: what the kernel says of other namespaces
//! carries it.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_ECHO};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::{Dumped, NamespaceSocket, NetlinkError};

const HEADER_SIZE: usize = 4;
const NETNSA_NSID: u16 = 1;
/// Have the kernel choose; in an answer, that there is none.
const NONE: i32 = -1;

impl NamespaceSocket {
    /// The number of an open namespace in the socket's. It gets one if it has none; the
    /// kernel gives one too whenever an interface moves between the two.
    ///
    /// Each question has the kernel go through all numbers (`__peernet2id` in its
    /// net/core/net_namespace.c), so one that has none yet, as most, is asked about once.
    pub fn number_of(&self, namespace: BorrowedFd<'_>) -> Result<i32, NetlinkError> {
        let give = about(namespace, Some(NsidAttribute::Id(NONE)));
        let number = match self.ask(RouteNetlinkMessage::NewNsId(give), NLM_F_ECHO) {
            Err(error) if error.already_exists() => {
                self.ask(RouteNetlinkMessage::GetNsId(about(namespace, None)), 0)?
            }
            answer => answer?,
        };
        number.ok_or_else(|| NetlinkError::Malformed("no number of a namespace".to_owned()))
    }

    fn ask(&self, question: RouteNetlinkMessage, flags: u16) -> Result<Option<i32>, NetlinkError> {
        let question = self.send(question, NLM_F_ACK | flags)?;
        let mut number = None;
        self.receive(question, |payload| {
            let answer = Dumped(payload.to_owned());
            let value = answer.attribute(HEADER_SIZE, NETNSA_NSID);
            number = value.and_then(|value| Some(i32::from_ne_bytes(value.try_into().ok()?)));
            Ok(())
        })?;
        Ok(number.filter(|&number| number != NONE))
    }
}

fn about(namespace: BorrowedFd<'_>, also: Option<NsidAttribute>) -> NsidMessage {
    let mut message = NsidMessage::default();
    let fd = NsidAttribute::Fd(namespace.as_raw_fd().cast_unsigned());
    message.attributes = also.into_iter().chain([fd]).collect();
    message
}
