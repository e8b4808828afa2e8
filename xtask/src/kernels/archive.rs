//! A part of Debian's archive, asked by an apt with sources, lists and cache of
//! its own. What it downloads is what the signed index names; the machine's own
//! apt is neither asked nor changed, but for its proxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::release::Suite;
use crate::process;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Depends on the kernel that Debian recommends for clouds.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An apt that knows some suites.
pub(super) struct Archive {
    configuration: PathBuf,
}

impl Archive {
    /// Reads the indexes of `suites`; keeps them below `root`.
    ///
    /// # Errors
    /// When a suite cannot be had or its signature is wrong.
    pub(super) fn open(root: &Path, suites: &[Suite]) -> Result<Self> {
        for directory in [
            "sources",
            "preferences",
            "state/lists/partial",
            "cache/archives/partial",
        ] {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::write(root.join("sources/kernels.sources"), sources(suites))?;
        fs::write(root.join("status"), "")?;
        let archive = Self {
            configuration: root.join("apt.conf"),
        };
        fs::write(&archive.configuration, configuration(root))?;
        process::read(
            archive
                .apt("apt-get")
                .args(["update", "--quiet", "--error-on=any"]),
        )?;
        Ok(archive)
    }

    /// The versions in which there is a kernel for clouds, the highest first.
    ///
    /// # Errors
    /// When apt fails.
    pub(super) fn versions(&self) -> Result<Vec<String>> {
        let table = process::read(self.apt("apt-cache").args(["madison", META_PACKAGE]))?;
        Ok(second_column(&table))
    }

    /// Downloads that kernel's packages into a directory.
    ///
    /// # Errors
    /// When one of them is not what the index says, or does not come.
    pub(super) fn download(&self, version: &str, into: &Path) -> Result<()> {
        let mut download = self.apt("apt-get");
        download.args(["download", "--quiet"]).current_dir(into);
        for package in self.packages(version)? {
            download.arg(format!("{package}={version}"));
        }
        process::read(&mut download)?;
        Ok(())
    }

    /// The packages that hold a kernel: Debian divides newer ones. Those without a
    /// kernel's version in their names hold nothing.
    fn packages(&self, version: &str) -> Result<Vec<String>> {
        let mut packages = vec![META_PACKAGE.to_owned()];
        let mut asked = 0;
        while let Some(package) = packages.get(asked) {
            let question = format!("{package}={version}");
            let record = process::read(self.apt("apt-cache").args(["show", &question]))?;
            for dependency in same_version(&record, version) {
                if !packages.contains(&dependency) {
                    packages.push(dependency);
                }
            }
            asked += 1;
        }
        packages.retain(|package| package.contains('.'));
        if packages.is_empty() {
            bail!("{META_PACKAGE} {version} names no kernel");
        }
        Ok(packages)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_remove("APT_CONFIG");
        command.arg("--config-file").arg(&self.configuration);
        command
    }
}

fn sources(suites: &[Suite]) -> String {
    suites
        .iter()
        .map(|Suite { uri, name }| {
            format!(
                "Types: deb\nURIs: {uri}\nSuites: {name}\nComponents: main\n\
                 Architectures: amd64\nTargets: Packages\nSigned-By: {KEYRING}\n\n"
            )
        })
        .collect()
}

/// apt reads this after the machine's, so these win. What the machine lets run
/// after an update is about its own lists.
fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        r#"#clear APT::Update;
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Sandbox::User "root";
APT::Default-Release "";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{root}/preferences";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
"#
    )
}

fn second_column(table: &str) -> Vec<String> {
    let column = |line: &str| Some(line.split('|').nth(1)?.trim().to_owned());
    table.lines().filter_map(column).collect()
}

/// The packages that a package needs in exactly its own version.
fn same_version(record: &str, version: &str) -> Vec<String> {
    let exactly = format!("(= {version})");
    record
        .lines()
        .filter_map(|line| line.strip_prefix("Depends:"))
        .flat_map(|dependencies| dependencies.split(','))
        .filter_map(|dependency| dependency.trim().strip_suffix(exactly.as_str()))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The highest version that `accepts` takes in the first of `places` that has one.
///
/// # Errors
/// When no place has one; says why each was of no use.
pub(super) fn find(
    root: &Path,
    places: &[&[Suite]],
    accepts: impl Fn(&str) -> bool,
) -> Result<(Archive, String)> {
    let mut reasons = Vec::new();
    for suites in places {
        let version = Archive::open(root, suites).and_then(|archive| {
            let versions = archive.versions()?;
            let version = versions.into_iter().find(|version| accepts(version));
            let version = version.with_context(|| format!("none in {suites:?}"))?;
            Ok((archive, version))
        });
        match version {
            Ok(found) => return Ok(found),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    bail!("{}", reasons.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_table() {
        let table = "linux-image-cloud-amd64 | 7.3.4-1~bpo13+1 | http://a b/main\n\
                     linux-image-cloud-amd64 |   7.2.13-1 | http://a sid/main\n";
        assert_eq!(second_column(table), ["7.3.4-1~bpo13+1", "7.2.13-1"]);
    }

    #[test]
    fn what_belongs_to_the_same_kernel_is_followed_and_nothing_else() {
        let record = "Package: linux-image-7.3.4\n\
             Pre-Depends: linux-base (>= 4.17~)\n\
             Depends: dracut | initramfs-tools (>= 0.120), linux-binary-7.3.4 (= 7.3.4-1), \
             linux-modules-7.3.4 (= 7.3.4-1), kmod (= 34-2)\n\
             Breaks: linux-old (= 7.3.4-1)\n";
        assert_eq!(
            same_version(record, "7.3.4-1"),
            ["linux-binary-7.3.4", "linux-modules-7.3.4"]
        );
    }
}
