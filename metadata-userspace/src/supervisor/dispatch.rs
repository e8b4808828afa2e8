//! Telling a worker what to do.

use std::os::fd::{AsFd, BorrowedFd};

use tokio::time::timeout;

use super::control::{Control, ControlError, to_memory_file};
use super::listeners::Listener;
use super::orders::{ListenerId, ListenerRole, Order};
use super::vigil;
use super::worker_process::Command;

pub(super) async fn send(control: &Control, command: &Command) -> Result<(), ControlError> {
    match command {
        Command::Open { id, listener } => hand_over(control, *id, listener).await,
        Command::Close { id } => tell(control, &Order::Close { id: *id }, None).await,
        Command::Retire { id } => tell(control, &Order::Retire { id: *id }, None).await,
        Command::Inventory(inventory) => {
            let file = to_memory_file(inventory)?;
            tell(control, &Order::Inventory, Some(file.as_fd())).await
        }
        Command::Ready => tell(control, &Order::Ready, None).await,
        Command::RealmChanged { realm } => {
            let realm = realm.clone();
            tell(control, &Order::RealmChanged { realm }, None).await
        }
        Command::Replace => Err(ControlError::Outdated),
        Command::HostState(state) => {
            let file = to_memory_file(state)?;
            tell(control, &Order::HostState, Some(file.as_fd())).await
        }
    }
}

pub(super) async fn hand_over(
    control: &Control,
    id: ListenerId,
    listener: &Listener,
) -> Result<(), ControlError> {
    let order = Order::Listen {
        id,
        role: ListenerRole::clone(&listener.role),
    };
    tell(control, &order, Some(listener.socket.as_fd())).await
}

/// A worker that takes no orders must not hold the supervisor up.
pub(super) async fn tell(
    control: &Control,
    order: &Order,
    file: Option<BorrowedFd<'_>>,
) -> Result<(), ControlError> {
    let sent = timeout(vigil::PATIENCE, control.send(order, file)).await;
    sent.unwrap_or(Err(ControlError::Stuck(vigil::PATIENCE)))
}
