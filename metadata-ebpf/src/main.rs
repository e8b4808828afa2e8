//! The TC programs. They only carry out what [`metadata_ebpf::decision`] says.
//!
//! Both let a frame go with `TC_ACT_UNSPEC`, also one they have rewritten:
//! `cls_bpf` then asks the next filter, and TCX the next program (there the
//! same value is `TCX_NEXT`), so that other programs on the interface see
//! every frame that they would see without ours. `TC_ACT_OK` would end the
//! chain.
#![no_std]
#![no_main]

mod maps;
mod skb;
mod sockets;

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use metadata_ebpf::decision::{self, Decision};
use metadata_ebpf::{ACCESS_MARK_MASK, Verdict};

use crate::skb::Skb;
use crate::sockets::ProxySockets;

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
    let mut decision = decision::steer(&skb, &sockets, proxy_port);
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
    skb.report(decision);
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
