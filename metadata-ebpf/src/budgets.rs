//! What guests have spent, in the map.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use metadata_ebpf::decision::Budgets;
use metadata_ebpf::guard::{Budget, Guest, Limits};

use crate::maps;

/// The budgets of all guests.
///
/// Two processors may read one budget at once and each take from it: then a guest
/// gets in one connection more. An atomic exchange needs Linux 5.12, a lock no LRU map
/// may hold.
pub(crate) struct GuestBudgets;

impl Budgets for GuestBudgets {
    #[inline(always)]
    fn charge(&self, guest: &Guest) -> bool {
        let Some(limits) = limits() else {
            return true;
        };
        // SAFETY: the helper has no preconditions.
        let now = unsafe { bpf_ktime_get_ns() };
        // Both are looked at before either pays: who is refused has spent nothing.
        if is_either_spent(guest, &limits, now) {
            return false;
        }
        pay(guest, &limits, now);
        pay(&guest.with_any_address(), &limits.of_a_mac(), now);
        true
    }

    #[inline(always)]
    fn are_spent(&self, guest: &Guest) -> bool {
        let Some(limits) = limits() else {
            return false;
        };
        // SAFETY: the helper has no preconditions.
        let now = unsafe { bpf_ktime_get_ns() };
        is_either_spent(guest, &limits, now)
    }
}

/// `None` if everyone may do as he likes.
#[inline(always)]
fn limits() -> Option<Limits> {
    let limits = *maps::LIMITS.get(0)?;
    if limits.are_off() { None } else { Some(limits) }
}

/// The one address's first: who has spent that is refused at its cost alone.
#[inline(always)]
fn is_either_spent(guest: &Guest, limits: &Limits, now: u64) -> bool {
    is_spent(guest, limits, now) || is_spent(&guest.with_any_address(), &limits.of_a_mac(), now)
}

#[inline(always)]
fn pay(guest: &Guest, limits: &Limits, now: u64) {
    let Some(budget) = maps::GUESTS.get_ptr_mut(guest) else {
        let first = Budget {
            whole_at: limits.charged(0, now),
            admitted: 1,
            refused: 0,
        };
        // A full map forgets another guest; if even that fails, this one is not held up.
        let _ = maps::GUESTS.insert(guest, &first, 0);
        return;
    };
    // SAFETY: the entry lives on while the program runs, if perhaps as another guest's.
    let budget = unsafe { &mut *budget };
    budget.whole_at = limits.charged(budget.whole_at, now);
    budget.admitted += 1;
}

/// Counts as refused who is.
#[inline(always)]
fn is_spent(guest: &Guest, limits: &Limits, now: u64) -> bool {
    let Some(budget) = maps::GUESTS.get_ptr_mut(guest) else {
        return false;
    };
    // SAFETY: the entry lives on while the program runs, if perhaps as another guest's.
    let budget = unsafe { &mut *budget };
    let is_spent = limits.are_spent(budget.whole_at, now);
    budget.refused += u64::from(is_spent);
    is_spent
}
