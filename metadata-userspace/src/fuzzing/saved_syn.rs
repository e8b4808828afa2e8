use super::second_opinion::is_ip;
use crate::identity::MacAddr;
use crate::proxy::saved_syn::ethernet_source;

/// The SYN that the kernel kept ([`crate::proxy::saved_syn`]): the MAC is the frame's
/// source and a station's, and it is found in every frame in which another parser finds
/// IP.
pub fn saved_syn(data: &[u8]) {
    let found = ethernet_source(data);
    let source = data.get(6..12);
    if let Some(MacAddr(mac)) = found {
        assert_eq!(Some(mac.as_slice()), source);
        assert!(is_station(&mac));
    }
    if is_ip(data) && source.is_some_and(is_station) {
        assert!(found.is_some(), "nobody sent an IP packet");
    }
}

fn is_station(mac: &[u8]) -> bool {
    mac.iter().any(|byte| *byte != 0) && mac.first().is_some_and(|first| first & 1 == 0)
}
