//! What the agent finds out about its machine, cheaply.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use synod_domain::Timestamp;

/// The machine's host name.
pub fn hostname() -> Option<String> {
    line("/proc/sys/kernel/hostname").or_else(|| line("/etc/hostname"))
}

/// All facts, as an object of texts and numbers.
pub fn collect() -> Value {
    let mut facts = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            facts.insert(name.to_owned(), value);
        }
    };
    let release = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release")).unwrap_or_default();
    put("os", Some(json!(release_field(&release, "ID").unwrap_or_else(|| std::env::consts::OS.to_owned()))));
    put("os_version", release_field(&release, "VERSION_ID").map(Value::from));
    put("arch", Some(json!(std::env::consts::ARCH)));
    put("kernel", line("/proc/sys/kernel/osrelease").map(Value::from));
    put("hostname", hostname().map(Value::from));
    put("cpus", std::thread::available_parallelism().ok().map(|n| json!(n.get())));
    put("memory_mib", number("/proc/meminfo", "MemTotal:").map(|kib| json!(kib / 1024)));
    put("virtualization", virtualization().map(Value::from));
    put("boot_time", number("/proc/stat", "btime").and_then(|s| i64::try_from(s).ok()).map(|s| json!(Timestamp(s.saturating_mul(1000)))));
    put("agent_version", Some(json!(env!("CARGO_PKG_VERSION"))));
    Value::Object(facts)
}

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The value of `NAME=value` or `NAME="value"` (os-release(5)).
fn release_field(release: &str, name: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The number that follows a word at the beginning of a line.
fn number(path: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(word))?.split_whitespace().next()?.parse().ok()
}

fn virtualization() -> Option<String> {
    if let Some(container) = line("/run/systemd/container") {
        return Some(container);
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    let hardware = ["sys_vendor", "product_name"].map(|name| line(&format!("/sys/class/dmi/id/{name}")).unwrap_or_default()).join(" ");
    let known = [
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("Virtual Machine", "hyperv"),
        ("Xen", "xen"),
        ("Amazon EC2", "ec2"),
        ("Google", "gce"),
        ("OpenStack", "openstack"),
    ];
    let found = known.iter().find(|(word, _)| hardware.contains(word)).map(|(_, name)| (*name).to_owned());
    found.or_else(|| (!hardware.trim().is_empty()).then(|| "none".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_plain() {
        let facts = collect();
        let facts = facts.as_object().unwrap();
        for name in ["os", "arch", "agent_version"] {
            assert!(facts[name].is_string(), "{facts:?}");
        }
        assert!(facts.values().all(|value| value.is_string() || value.is_number()), "{facts:?}");
    }

    #[test]
    fn os_release_is_read() {
        let text = "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\nVERSION='12 (x)'\n";
        assert_eq!(release_field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(release_field(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(release_field(text, "NAME"), None);
    }
}
