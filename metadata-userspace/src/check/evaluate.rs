//! From facts to findings, without looking at anything else.

use caps::Capability;

use super::facts::{Bpffs, HostFacts};
use super::modules::Availability;
use super::namespaces::ForeignListener;
use super::sources::Source;
use super::{Finding, Severity};
use crate::config::{Config, NovaProtocol};
use crate::open_files;

/// BPF features and CAP_BPF that the programs rely on.
const OLDEST_KERNEL: (u32, u32) = (5, 10);

/// Everything that was judged, the good as well.
pub(super) fn findings(config: &Config, facts: &HostFacts) -> Vec<Finding> {
    let mut findings = capabilities(facts);
    findings.push(kernel(&facts.kernel));
    findings.push(bpf(facts));
    findings.push(bpffs(config, facts.bpffs));
    findings.extend(facts.modules.iter().filter_map(module));
    findings.push(namespaces(config, facts));
    findings.extend(facts.foreign_listeners.iter().map(ForeignListener::finding));
    findings.extend(rules(config, facts));
    findings.push(account(facts));
    findings.extend(directories(facts));
    findings.extend(files(facts));
    findings.extend(inventory(config, facts));
    findings.extend(sources(facts));
    findings.extend(nova(config, facts));
    findings.extend(facts.shim.findings());
    findings.push(open_files(facts));
    findings
}

fn ok(what: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Ok,
        what: what.into(),
        remedy: None,
    }
}

fn fault(severity: Severity, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        severity,
        what: what.into(),
        remedy: Some(remedy.into()),
    }
}

fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    fault(Severity::Warning, what, remedy)
}

fn error(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    fault(Severity::Error, what, remedy)
}

fn capabilities(facts: &HostFacts) -> Vec<Finding> {
    use Capability::*;
    let any_of: [(&[Capability], &str); 7] = [
        (&[CAP_SYS_ADMIN], "enter namespaces and mount bpffs"),
        (&[CAP_NET_ADMIN], "attach filters and add routes"),
        (&[CAP_NET_BROADCAST], "hear of changes in namespaces"),
        (&[CAP_BPF, CAP_SYS_ADMIN], "load programs"),
        (&[CAP_SETUID], "give the worker another user"),
        (&[CAP_SETGID], "give the worker another group"),
        (&[CAP_CHOWN], "give the worker its socket"),
    ];
    let missing: Vec<_> = any_of
        .iter()
        .filter(|(sufficient, _)| {
            !sufficient
                .iter()
                .any(|one| facts.capabilities.contains(one))
        })
        .filter_map(|(sufficient, to)| {
            let needed = sufficient.first()?;
            Some(error(
                format!("{needed} is missing: needed to {to}"),
                "run as root, or grant the capability in the service's unit",
            ))
        })
        .collect();
    match missing.is_empty() {
        true => vec![ok("privileges suffice")],
        false => missing,
    }
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    let version = number().zip(number());
    let (major, minor) = OLDEST_KERNEL;
    match version {
        Some(version) if version >= OLDEST_KERNEL => ok(format!("kernel {release}")),
        Some(_) => error(
            format!("kernel {release} is too old"),
            format!("boot {major}.{minor} or newer"),
        ),
        None => warning(
            format!("the kernel's version {release:?} is not a version"),
            format!("make sure that it is {major}.{minor} or newer"),
        ),
    }
}

fn bpf(facts: &HostFacts) -> Finding {
    match facts.bpf_syscall {
        true => ok("the kernel runs BPF programs"),
        false => error(
            "the kernel has no bpf system call, or /proc is not mounted",
            "boot a kernel with CONFIG_BPF_SYSCALL=y",
        ),
    }
}

fn bpffs(config: &Config, state: Bpffs) -> Finding {
    let path = config.datapath.bpffs.display();
    match state {
        Bpffs::Mounted => ok(format!("bpffs is mounted for {path}")),
        Bpffs::Mountable => ok(format!(
            "bpffs is not mounted for {path} yet; `run` mounts it"
        )),
        Bpffs::Missing => error(
            format!("{path} is in no bpffs, and the kernel has none to mount"),
            "boot a kernel with CONFIG_BPF_SYSCALL=y, or mount bpffs and set bpffs in [metadatad]",
        ),
    }
}

fn module((name, availability): &(&'static str, Availability)) -> Option<Finding> {
    match availability {
        Availability::BuiltIn | Availability::Loaded | Availability::Loadable => {
            Some(ok(format!("the kernel has {name}")))
        }
        Availability::Missing => Some(error(
            format!("the kernel has no {name}, which clsact filters need"),
            format!("install the package of kernel modules that holds {name}.ko"),
        )),
        Availability::Unknown => None,
    }
}

fn namespaces(config: &Config, facts: &HostFacts) -> Finding {
    let directory = config.namespaces.netns_dir.display();
    let globs = config.namespaces.globs.join(", ");
    match (facts.netns_dir_exists, facts.served.len()) {
        (false, _) => warning(
            format!("{directory} does not exist: no namespace is served until it does"),
            "it appears with the first `ip netns add`; otherwise set netns_dir in [metadatad]",
        ),
        (true, 0) => warning(
            format!("no namespace in {directory} matches {globs:?} yet"),
            "nothing to do if the l3-agent makes them later; otherwise set namespaces in \
             [metadatad]",
        ),
        (true, count) => ok(format!(
            "namespaces in {directory} that match {globs:?}: {count}"
        )),
    }
}

/// Neutron drops what comes to its proxy's port without its mark.
fn rules(config: &Config, facts: &HostFacts) -> Option<Finding> {
    let rules = facts.rules.as_ref()?;
    let ours = &config.datapath;
    let (mark, port) = (u32::from(ours.access_mark), ours.proxy_port);
    Some(if rules.mark == mark || rules.port != port {
        ok(format!(
            "{}: Neutron's rules let steered packets in",
            rules.namespace
        ))
    } else {
        error(
            format!(
                "{}: Neutron's rules drop steered packets: they look for the mark {:#x}, and \
                 metadata_access_mark is {mark:#x}",
                rules.namespace, rules.mark
            ),
            "set metadata_access_mark as it is in l3_agent.ini, or read that file too",
        )
    })
}

fn account(facts: &HostFacts) -> Finding {
    match &facts.account {
        Ok(account) if account.uid.is_root() => warning(
            "the process that talks with guests would run as root, without capabilities",
            "set metadata_proxy_user to a user that owns nothing, or leave it empty for nobody",
        ),
        Ok(account) => ok(format!("guests are answered as user {}", account.name)),
        Err(reason) => error(
            reason.to_string(),
            "correct metadata_proxy_user and metadata_proxy_group",
        ),
    }
}

fn directories(facts: &HostFacts) -> Vec<Finding> {
    facts
        .directories
        .iter()
        .map(|(directory, usable)| match usable {
            Ok(()) => ok(format!("{} can be written to", directory.display())),
            Err(reason) => error(
                format!("{} cannot be written to: {reason}", directory.display()),
                format!(
                    "make it a directory that root may write to: install -d {}",
                    directory.display()
                ),
            ),
        })
        .collect()
}

fn files(facts: &HostFacts) -> Vec<Finding> {
    facts
        .files
        .iter()
        .map(|(option, path, readable)| match readable {
            Ok(()) => ok(format!("{option}: {} can be read", path.display())),
            Err(reason) => error(
                format!("{option}: cannot read {}: {reason}", path.display()),
                format!("correct {option}, or put the PEM file there"),
            ),
        })
        .collect()
}

fn inventory(config: &Config, facts: &HostFacts) -> Option<Finding> {
    let path = config.agent.inventory.as_ref()?.display();
    Some(match facts.inventory.as_ref()? {
        Ok(0) => warning(
            format!("inventory {path} has no instance: every guest gets 404"),
            "describe the guests in it, one [[instance]] each",
        ),
        Ok(count) => ok(format!("instances in the inventory {path}: {count}")),
        Err(reason) => error(reason.clone(), format!("correct {path}")),
    })
}

fn nova(config: &Config, facts: &HostFacts) -> Vec<Finding> {
    let nova = &config.nova;
    let mut findings = Vec::new();
    let place = format!("{} port {}", nova.host, nova.port);
    match &facts.nova {
        Some(Ok(address)) => findings.push(ok(format!("nova's metadata API accepts at {address}"))),
        Some(Err(reason)) => findings.push(warning(
            format!("nova's metadata API at {place} does not accept: {reason}"),
            "start it or correct nova_metadata_host and nova_metadata_port; guests get 503 until \
             then",
        )),
        None => findings.push(ok(format!(
            "metadatad serves the metadata API itself at {place}"
        ))),
    }
    if nova.shared_secret.0.is_empty() {
        findings.push(warning(
            "metadata_proxy_shared_secret is empty: whoever reaches nova's metadata API can claim \
             to be any instance",
            "set the same random text here and in [neutron] of nova.conf",
        ));
    }
    match nova.protocol {
        NovaProtocol::Https if nova.insecure => findings.push(warning(
            "nova_metadata_insecure is on: whoever is between here and nova can answer in its place",
            "turn it off, and set auth_ca_cert when the authority is private",
        )),
        NovaProtocol::Http | NovaProtocol::Https => {}
    }
    findings
}

fn sources(facts: &HostFacts) -> Vec<Finding> {
    let judge = |source: &Source| {
        let Source {
            name,
            option,
            place,
            accepts,
        } = source;
        match accepts {
            Ok(()) => ok(format!("{name} accepts at {place}")),
            Err(reason) => warning(
                format!("{name} at {place} does not accept: {reason}"),
                format!(
                    "start it or correct {option}; where no other is named, guests get 503 until \
                     then"
                ),
            ),
        }
    };
    facts.sources.iter().map(judge).collect()
}

fn open_files(facts: &HostFacts) -> Finding {
    let wanted = open_files::needed(facts.served.len());
    match facts.open_files {
        limit if limit >= wanted => ok(format!("up to {limit} open files")),
        limit => warning(
            format!("only {limit} files may be open; {wanted} are advisable here"),
            format!("raise the hard limit: LimitNOFILE={wanted} in the unit, or ulimit -Hn"),
        ),
    }
}

#[cfg(test)]
mod tests;
