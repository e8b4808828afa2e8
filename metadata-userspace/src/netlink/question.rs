//! What the kernel was asked.

use netlink_packet_route::RouteNetlinkMessage;

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) sequence: u32,
    /// As rtnetlink(7) calls it.
    pub(super) name: &'static str,
}

/// The name of each request that is made here.
pub(super) fn name_of(message: &RouteNetlinkMessage) -> &'static str {
    match message {
        RouteNetlinkMessage::GetLink(_) => "RTM_GETLINK",
        RouteNetlinkMessage::SetLink(_) => "RTM_SETLINK",
        RouteNetlinkMessage::NewAddress(_) => "RTM_NEWADDR",
        RouteNetlinkMessage::DelAddress(_) => "RTM_DELADDR",
        RouteNetlinkMessage::GetAddress(_) => "RTM_GETADDR",
        RouteNetlinkMessage::NewRoute(_) => "RTM_NEWROUTE",
        RouteNetlinkMessage::DelRoute(_) => "RTM_DELROUTE",
        RouteNetlinkMessage::GetRoute(_) => "RTM_GETROUTE",
        RouteNetlinkMessage::NewQueueDiscipline(_) => "RTM_NEWQDISC",
        RouteNetlinkMessage::DelQueueDiscipline(_) => "RTM_DELQDISC",
        RouteNetlinkMessage::GetQueueDiscipline(_) => "RTM_GETQDISC",
        RouteNetlinkMessage::NewTrafficFilter(_) => "RTM_NEWTFILTER",
        RouteNetlinkMessage::DelTrafficFilter(_) => "RTM_DELTFILTER",
        RouteNetlinkMessage::GetTrafficFilter(_) => "RTM_GETTFILTER",
        RouteNetlinkMessage::NewNsId(_) => "RTM_NEWNSID",
        RouteNetlinkMessage::GetNsId(_) => "RTM_GETNSID",
        _ => "a request",
    }
}
