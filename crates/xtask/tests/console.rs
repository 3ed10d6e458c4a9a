//! `make demo` on a machine that cannot build the web console: it says so and goes on, while what is shipped or tested ends.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A tree with the script and an empty `web`, and a folder of programs that stand before those of the machine.
fn tree(programs: &[(&str, &str)]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for folder in ["scripts", "web", "bin"] {
        std::fs::create_dir(tree.path().join(folder)).unwrap();
    }
    std::fs::copy(root().join("scripts/console.sh"), tree.path().join("scripts/console.sh")).unwrap();
    for (name, script) in programs {
        let program = tree.path().join("bin").join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    tree
}

fn console(tree: &Path, what: &str) -> Output {
    let path = format!("{}:/usr/bin:/bin", tree.join("bin").display());
    Command::new("sh").arg(tree.join("scripts/console.sh")).arg(what).env("PATH", path).output().unwrap()
}

#[test]
fn the_demo_does_without_a_console_that_cannot_be_built() {
    // A Node.js that is too old, or none; and one whose packages cannot be had.
    let too_old = [("node", "exit 1"), ("npm", "exit 0")];
    let no_packages = [("node", "exit 0"), ("npm", "echo 'no network' >&2; exit 1")];
    for (programs, why) in [(too_old, "Node.js 20.19 or newer, with npm, is needed"), (no_packages, "no network")] {
        let tree = tree(&programs);
        let build = console(tree.path(), "build");
        assert!(!build.status.success() && String::from_utf8_lossy(&build.stderr).contains(why), "{build:?}");
        let demo = console(tree.path(), "demo");
        let said = String::from_utf8_lossy(&demo.stderr).into_owned();
        assert!(demo.status.success(), "{demo:?}");
        assert!(said.contains(why) && said.contains("runs without it") && said.contains("https://nodejs.org"), "{said}");
        // One that was built before is better than none.
        std::fs::create_dir(tree.path().join("web/dist")).unwrap();
        std::fs::write(tree.path().join("web/dist/index.html"), "").unwrap();
        let demo = console(tree.path(), "demo");
        assert!(demo.status.success() && String::from_utf8_lossy(&demo.stderr).contains("carries the one in web/dist"), "{demo:?}");
    }
}

#[test]
fn only_the_demo_does_without() {
    for (target, wanted) in [("demo", "scripts/console.sh demo"), ("build", "scripts/console.sh build"), ("test", "scripts/console.sh build")] {
        let plan = Command::new("make").args(["--dry-run", "--always-make", target]).current_dir(root()).env_remove("MAKEFLAGS").output().unwrap();
        let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
        assert!(plan.lines().any(|line| line.contains(wanted)), "make {target} would do\n{plan}");
    }
}
