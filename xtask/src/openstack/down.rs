//! Ends what `up` started, and removes what it made.

use std::fs;

use anyhow::{Context, Result};

use super::place::Place;
use super::record::Record;
use super::services::{FOUNDATIONS, NAMES};
use super::{fabric, stopping};

/// Everything runs on the data, which stays unless `purge`.
pub(super) fn run(place: &Place, purge: bool) -> Result<()> {
    if !place.exists() {
        eprintln!("there is no cloud at {}", place.root().display());
        return Ok(());
    }
    let (foundations, others) = NAMES.split_at(FOUNDATIONS);
    end(place, others)?;
    end(place, foundations)?;
    stopping::sweep(place)?;
    fabric::remove(place)?;
    if purge {
        fs::remove_dir_all(place.root())
            .with_context(|| format!("cannot remove {}", place.root().display()))?;
    }
    Ok(())
}

/// Asks all of them, then waits for each.
fn end(place: &Place, names: &[&str]) -> Result<()> {
    let running: Vec<(&str, Record)> = names
        .iter()
        .rev()
        .filter_map(|name| Some((*name, Record::load(place, name)?)))
        .collect();
    for (name, record) in &running {
        eprintln!("      ending {name}");
        stopping::ask(record)?;
    }
    for (name, record) in &running {
        stopping::stop(place, name, record)?;
    }
    Ok(())
}
