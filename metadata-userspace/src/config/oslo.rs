//! The oslo.config dialect of INI, as `oslo_config/iniparser.py` and
//! `oslo_config/cfg.py` read it: what Neutron accepts is accepted here, with
//! the same outcome.
//!
//! Text becomes [`lexer::Assignment`]s, files and directories in order become
//! [`Settings`], and [`substitution`] fills in `$option` and
//! `${group.option}`.

pub mod lexer;
mod settings;
mod sources;
pub mod substitution;

pub use settings::{Place, Setting, Settings, Unreadable};
pub use sources::ConfigSource;

/// The group of options that stand in none.
pub const DEFAULT_GROUP: &str = "DEFAULT";

/// Group names are compared in lower case, except `DEFAULT`, which is only
/// ever written so (`_normalize_group_name`).
fn normalize_group(name: &str) -> String {
    if name == DEFAULT_GROUP {
        name.to_owned()
    } else {
        name.to_lowercase()
    }
}
