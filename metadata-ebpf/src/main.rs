//! The programs. They only carry out what [`metadata_ebpf::decision`] says.
//!
//! Those of TC let a frame go with `TC_ACT_UNSPEC`, also one they have rewritten:
//! `cls_bpf` then asks the next filter, and TCX the next program (there the
//! same value is `TCX_NEXT`), so that other programs on the interface see
//! every frame that they would see without ours. `TC_ACT_OK` would end the
//! chain.
#![no_std]
#![no_main]

mod budgets;
mod linear;
mod maps;
mod report;
mod skb;
mod sockets;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use metadata_ebpf::decision::{self, Decision};
use metadata_ebpf::{ACCESS_MARK_MASK, Verdict};

use crate::budgets::GuestBudgets;
use crate::linear::Linear;
use crate::report::report;
use crate::skb::Skb;
use crate::sockets::ProxySockets;

/// Before there is a socket buffer: what must not come in is dropped, and nothing is
/// changed. On veth and tap the checksum may be partial there, and no program of this
/// kind can know.
#[xdp]
fn metadata_guard(ctx: XdpContext) -> u32 {
    let frame = Linear::new(ctx.data(), ctx.data_end());
    if !decision::may_go_to_metadata(&frame) {
        return xdp_action::XDP_PASS;
    }
    let sockets = ProxySockets {
        ctx: ctx.as_ptr(),
        proxy_port: maps::PROXY_PORT.load(),
    };
    let decision = decision::guard(&frame, &sockets, &GuestBudgets);
    maps::count(decision.verdict, frame.size());
    report(&ctx, ctx.ingress_ifindex() as u32, &decision);
    if decision.verdict.drops() {
        xdp_action::XDP_DROP
    } else {
        xdp_action::XDP_PASS
    }
}

/// Ingress: TCP to the metadata address goes to the proxy port, if the proxy
/// listens there.
#[classifier]
fn metadata_steer(ctx: TcContext) -> i32 {
    let skb = Skb::new(ctx);
    if !decision::may_go_to_metadata(&skb.linear()) {
        return TC_ACT_UNSPEC;
    }
    let proxy_port = maps::PROXY_PORT.load();
    let sockets = ProxySockets {
        ctx: skb.as_ptr(),
        proxy_port,
    };
    let mut decision = decision::steer(&skb, &sockets, &GuestBudgets, proxy_port);
    if let Some(rewrite) = decision.rewrite {
        match skb.rewrite(&rewrite) {
            Ok(()) => skb.mark(u32::from(maps::ACCESS_MARK.load()), ACCESS_MARK_MASK),
            Err(_) => decision.verdict = Verdict::SteerFailed,
        }
    }
    conclude(&skb, &decision)
}

/// Egress: the proxy's answers come from the port that the guest asked.
#[classifier]
fn metadata_restore(ctx: TcContext) -> i32 {
    let skb = Skb::new(ctx);
    if !decision::may_come_from_metadata(&skb.linear()) {
        return TC_ACT_UNSPEC;
    }
    let mut decision = decision::restore(&skb, maps::PROXY_PORT.load());
    if let Some(rewrite) = decision.rewrite
        && skb.rewrite(&rewrite).is_err()
    {
        decision.verdict = Verdict::RestoreFailed;
    }
    conclude(&skb, &decision)
}

#[inline(always)]
fn conclude(skb: &Skb, decision: &Decision) -> i32 {
    maps::count(decision.verdict, skb.size());
    report(skb.context(), skb.interface(), decision);
    if decision.verdict.drops() {
        TC_ACT_SHOT
    } else {
        TC_ACT_UNSPEC
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier accepts no endless loop: a program that could come here
    // would not load.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
