//! A kernel that answers otherwise than usual.

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::thread;

use netlink_packet_core::NLM_F_MULTIPART;
use netlink_packet_route::link::LinkMessage;
use nix::libc::{EBUSY, ENODEV};
use socket2::{Domain, Type};

use super::*;

const INODE: u64 = 4_026_531_840;
const RTM_NEWLINK: u16 = 16;

/// A message as the kernel writes it: the header is its length, type, flags, sequence and port.
fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    [
        &length.to_ne_bytes(),
        &kind.to_ne_bytes()[..],
        &flags.to_ne_bytes(),
        &sequence.to_ne_bytes(),
        &0_u32.to_ne_bytes(),
        payload,
    ]
    .concat()
}

fn done(flags: u16, sequence: u32, errno: i32) -> Vec<u8> {
    let code = (-errno).to_ne_bytes();
    message(NLMSG_DONE, NLM_F_MULTIPART | flags, sequence, &code)
}

/// A dump of links where each question gets the next of these answers, or none.
fn dump(
    patience: Duration,
    answers: Vec<fn(u32) -> Vec<u8>>,
) -> (Result<Vec<Dumped>, NetlinkError>, usize) {
    // Unlike datagrams', its other end's end is noticed.
    let (ours, kernel) = socket2::Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    // SAFETY: the descriptor is nobody else's.
    let socket = unsafe { Socket::from_raw_fd(ours.into_raw_fd()) };
    let socket = NamespaceSocket::of(socket, INODE, patience).unwrap();
    let answering = thread::spawn(move || {
        let (mut answers, mut asked) = (answers.into_iter(), 0);
        while (&kernel)
            .read(&mut [0; 1024])
            .is_ok_and(|length| length > 0)
        {
            asked += 1;
            if let Some(answer) = answers.next() {
                assert!((&kernel).write(&answer(asked)).is_ok());
            }
        }
        asked
    });
    let listed = socket.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()));
    drop(socket);
    (listed, usize::try_from(answering.join().unwrap()).unwrap())
}

const LONG: Duration = Duration::from_secs(60);

fn whole(sequence: u32) -> Vec<u8> {
    let link = message(RTM_NEWLINK, NLM_F_MULTIPART, sequence, &[0; 16]);
    [link, done(0, sequence, 0)].concat()
}

#[test]
fn who_gets_no_answer_hears_what_was_asked_and_where() {
    let (listed, asked) = dump(Duration::from_millis(50), Vec::new());
    let error = listed.unwrap_err();
    assert!(error.is_silence());
    let said = error.to_string();
    assert!(
        said.contains("RTM_GETLINK") && said.contains(&INODE.to_string()),
        "{said}"
    );
    assert_eq!(asked, 1);
}

#[test]
fn an_answer_to_an_earlier_question_is_none() {
    let late = |sequence| [whole(sequence - 1), whole(sequence)].concat();
    let (listed, _) = dump(LONG, vec![late]);
    assert_eq!(listed.unwrap().len(), 1);
}

#[test]
fn a_listing_that_a_change_interrupted_is_asked_for_again() {
    let interrupted = |sequence| {
        let link = message(RTM_NEWLINK, NLM_F_MULTIPART, sequence, &[0; 16]);
        [link, done(NLM_F_DUMP_INTR, sequence, 0)].concat()
    };
    let (listed, asked) = dump(LONG, vec![interrupted, interrupted, whole]);
    assert_eq!((listed.unwrap().len(), asked), (1, 3));
    let (listed, asked) = dump(LONG, vec![interrupted; DUMP_ATTEMPTS + 1]);
    assert!(matches!(listed, Err(NetlinkError::Unstable)));
    assert_eq!(asked, DUMP_ATTEMPTS);
}

#[test]
fn a_listing_that_ends_early_is_no_listing() {
    let broken_off = |sequence| {
        let link = message(RTM_NEWLINK, NLM_F_MULTIPART, sequence, &[0; 16]);
        [link, done(0, sequence, ENODEV)].concat()
    };
    let (listed, _) = dump(LONG, vec![broken_off]);
    assert!(listed.unwrap_err().is_gone());
    let busy = |sequence| message(NLMSG_ERROR, 0, sequence, &(-EBUSY).to_ne_bytes());
    let (listed, _) = dump(LONG, vec![busy]);
    assert_eq!(listed.unwrap_err().errno(), Some(EBUSY));
}
