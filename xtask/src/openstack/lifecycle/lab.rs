//! What every scenario has at hand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::super::api::Api;
use super::super::cloud;
use super::super::place::Place;

/// The instance whose document the guests of the scenarios get.
const INSTANCE: &str = "web";

/// The cloud, its API, and metadatad's binary.
#[derive(Debug)]
pub(super) struct Lab<'a> {
    pub(super) place: &'a Place,
    pub(super) binary: PathBuf,
    pub(super) api: Api,
    pub(super) project: String,
    pub(super) instance: String,
}

impl<'a> Lab<'a> {
    pub(super) fn new(place: &'a Place, binary: &Path) -> Result<Self> {
        let mut instances = cloud::instances(place)?;
        let instance = instances.remove(INSTANCE);
        let instance = instance.with_context(|| format!("no instance {INSTANCE}"))?;
        Ok(Self {
            place,
            binary: binary.to_owned(),
            api: Api::login()?,
            project: instance.project_id,
            instance: instance.uuid,
        })
    }
}
