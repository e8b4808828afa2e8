//! `metadatad check`: what would hinder `run`.

use std::process::ExitCode;

use crate::check;
use crate::config::{ConfigSources, options};

/// Prints what was found; fails when there is an error among it.
pub fn run(sources: &ConfigSources, json: bool) -> anyhow::Result<ExitCode> {
    let report = check::examine(sources);
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints every option that is read, with its default and meaning.
pub fn print_options(json: bool) -> anyhow::Result<()> {
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&options::descriptions())?
        );
    } else {
        print!("{}", options::listing());
    }
    Ok(())
}
