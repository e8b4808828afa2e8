//! Taking the supervisor's orders, from the first to the last.

use std::os::fd::OwnedFd;

use super::sandbox;
use super::serve::{Worker, WorkerError};
use crate::config::Config;
use crate::logging::{self, LogOptions};
use crate::supervisor::control::{Control, ControlError, from_memory_file};
use crate::supervisor::orders::{Briefing, Order, Report};
use crate::upstream::names;

/// Serves until the order to drain, or until the supervisor is gone; then
/// finishes what is under way.
pub async fn follow(control: OwnedFd) -> Result<(), WorkerError> {
    let control = Control::new(control)?;
    let briefing = be_briefed(&control).await?;
    start_logging(&briefing.config);
    let sandbox = sandbox::enter(&briefing.config)?;
    let mut worker = Worker::new(briefing, sandbox)?;
    names::ask(worker.names.clone());
    loop {
        let (desk, connections) = (worker.desk.clone(), worker.connections.clone());
        let names = worker.names.clone();
        tokio::select! {
            order = control.receive::<Order>() => match order {
                Ok((Order::Drain, _)) | Err(ControlError::Closed) => break,
                Ok((order, file)) => worker.obey(order, file)?,
                Err(error) => return Err(error.into()),
            },
            path = connections.asked() => control.send(&Report::Connect { path }, None).await?,
            host = names.asked() => control.send(&Report::LookUp { host }, None).await?,
            () = desk.asked() => control.send(&Report::AskHostState, None).await?,
        }
    }
    worker.drain().await;
    Ok(())
}

async fn be_briefed(control: &Control) -> Result<Briefing, WorkerError> {
    match control.receive::<Order>().await? {
        (Order::Start, file) => Ok(from_memory_file(file)?),
        _ => Err(WorkerError::NotBriefed),
    }
}

fn start_logging(config: &Config) {
    let options = LogOptions {
        debug: config.debug,
        access_log: config.proxy.access_log,
    };
    if let Err(error) = logging::init(options) {
        eprintln!("metadatad: the worker cannot log: {error}");
    }
}
