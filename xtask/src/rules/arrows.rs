//! Which crate may name which, as ARCHITECTURE.md draws it.

use super::{Dependency, Package, none, short, workspace};

/// Each crate with the crates of ours that it may name. What is not here is refused: a new crate, or a new arrow,
/// is a decision, made in ARCHITECTURE.md and then here.
const ALLOWED: [(&str, &[&str]); 20] = [
    ("model", &[]),
    ("placement", &["model"]),
    ("engine", &["model", "placement"]),
    ("store", &["model"]),
    ("drive", &["model", "placement", "engine", "store"]),
    ("server", &["model", "placement", "engine", "store", "drive", "wire"]),
    ("api", &["model", "placement", "store", "server", "console"]),
    ("console", &[]),
    ("agent-core", &["model"]),
    ("hypervisor", &["model"]),
    ("libvirt", &["model", "hypervisor"]),
    ("disk", &["model"]),
    ("transfer", &["model"]),
    ("agent", &["model", "agent-core", "hypervisor", "libvirt", "disk", "transfer", "wire"]),
    ("wire", &["model"]),
    ("client", &["model"]),
    ("hostler", &["model", "client", "api", "server", "store"]),
    ("sim", &["model", "placement", "engine", "drive", "store", "agent-core", "hypervisor"]),
    ("testbed", &["model", "wire", "client", "agent", "agent-core", "hypervisor", "transfer", "disk"]),
    ("xtask", &[]),
];

/// Crates whose decisions have to be the same each time: no runtime, no clock, no chance.
const PURE: [&str; 6] = ["model", "placement", "engine", "drive", "agent-core", "hypervisor"];

/// What has a runtime, a clock, chance or the network in it.
const IMPURE: [&str; 19] = [
    "tokio",
    "tokio-stream",
    "async-std",
    "futures-util",
    "chrono",
    "time",
    "rand",
    "getrandom",
    "fastrand",
    "hyper",
    "axum",
    "reqwest",
    "tonic",
    "rustls",
    "rusqlite",
    "rustix",
    "libc",
    "nix",
    "tempfile",
];

/// Features with which an otherwise pure library would read a clock or throw dice.
const IMPURE_FEATURES: [(&str, &[&str]); 2] =
    [("jiff", &["std", "tz-system"]), ("uuid", &["v1", "v4", "v6", "v7", "fast-rng", "rng"])];

/// What these crates alone may name, in any kind of dependency.
const NAMED_BY: [(&str, &[&str]); 6] = [
    ("hostler-wire", &["server", "agent", "testbed"]),
    ("virt-sys", &["libvirt"]),
    ("virt", &[]),
    ("tonic", &["wire"]),
    ("tonic-build", &["wire"]),
    ("rusqlite", &["store", "agent"]),
];

/// What never comes in: other TLS libraries than rustls with ring.
const BANNED: [&str; 5] = ["aws-lc-sys", "aws-lc-rs", "openssl-sys", "openssl", "native-tls"];

fn breaches(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .flat_map(|package| package.dependencies.iter().filter_map(|to| breach(package, to)))
        .collect()
}

fn breach(from: &Package, to: &Dependency) -> Option<String> {
    let (crate_, library) = (from.short(), to.name.as_str());
    let shipped = to.kind.as_deref() != Some("dev");
    if let Some((_, users)) = NAMED_BY.iter().find(|(named, _)| *named == library)
        && !users.contains(&crate_)
    {
        return Some(format!("{crate_} names {library}, which {users:?} alone may"));
    }
    let ours = ALLOWED.iter().any(|(name, _)| *name == short(library)) && is_ours(library);
    if ours && shipped && !may(crate_, short(library)) {
        return Some(format!("{crate_} names {}: no such arrow in ARCHITECTURE.md", short(library)));
    }
    if shipped && PURE.contains(&crate_) {
        return impurity(to).map(|why| format!("{crate_} decides and must be pure, but {why}"));
    }
    None
}

fn impurity(to: &Dependency) -> Option<String> {
    if IMPURE.contains(&to.name.as_str()) {
        return Some(format!("names {}", to.name));
    }
    let (_, features) = IMPURE_FEATURES.iter().find(|(name, _)| *name == to.name)?;
    if to.uses_default_features {
        return Some(format!("names {} with its default features", to.name));
    }
    let feature = to.features.iter().find(|feature| features.contains(&feature.as_str()))?;
    Some(format!("names {} with its feature {feature}", to.name))
}

fn may(crate_: &str, named: &str) -> bool {
    ALLOWED.iter().any(|(name, allowed)| *name == crate_ && allowed.contains(&named))
}

fn is_ours(library: &str) -> bool {
    library.starts_with("hostler-") || library == "hostler" || library == "xtask"
}

fn unknown(packages: &[Package]) -> Vec<String> {
    let unknown = packages.iter().filter(|package| ALLOWED.iter().all(|(name, _)| *name != package.short()));
    unknown
        .map(|package| format!("{} ({}) has no row of arrows", package.name, package.manifest_path))
        .collect()
}

fn banned(lock: &str) -> Vec<String> {
    let banned = BANNED.iter().filter(|name| lock.lines().any(|line| line == format!("name = \"{name}\"")));
    banned
        .map(|name| format!("Cargo.lock has {name}; find who wants it with `cargo tree -i {name}`"))
        .collect()
}

#[test]
fn crates_name_only_what_the_architecture_lets_them_name() {
    none(&breaches(&workspace().packages));
}

#[test]
fn every_crate_has_a_row_of_arrows() {
    none(&unknown(&workspace().packages));
}

#[test]
fn no_other_tls_library_than_rustls_with_ring_comes_in() {
    let lock = std::fs::read_to_string(crate::tree::top().join("Cargo.lock")).unwrap();
    none(&banned(&lock));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>, bool, &[&str])]) -> Package {
        let dependency =
            |(name, kind, defaults, features): &(&str, Option<&str>, bool, &[&str])| Dependency {
                name: (*name).into(),
                kind: kind.map(String::from),
                features: features.iter().map(|feature| (*feature).into()).collect(),
                uses_default_features: *defaults,
            };
        Package {
            name: name.into(),
            dependencies: dependencies.iter().map(dependency).collect(),
            manifest_path: String::new(),
        }
    }

    fn refused(name: &str, dependency: (&str, Option<&str>, bool, &[&str])) -> bool {
        !breaches(&[package(name, &[dependency])]).is_empty()
    }

    #[test]
    fn an_arrow_upwards_is_refused_and_one_downwards_is_not() {
        assert!(refused("hostler-model", ("hostler-engine", None, true, &[])));
        assert!(refused("hostler-agent", ("hostler-engine", None, true, &[])));
        assert!(!refused("hostler-engine", ("hostler-model", None, true, &[])));
    }

    #[test]
    fn wire_is_named_by_server_agent_and_testbed_alone_also_in_tests() {
        for name in ["hostler", "hostler-api", "hostler-drive", "hostler-sim"] {
            assert!(refused(name, ("hostler-wire", None, true, &[])), "{name}");
            assert!(refused(name, ("hostler-wire", Some("dev"), true, &[])), "{name} in tests");
        }
        for name in ["hostler-server", "hostler-agent", "hostler-testbed"] {
            assert!(!refused(name, ("hostler-wire", None, true, &[])), "{name}");
        }
    }

    #[test]
    fn a_deciding_crate_has_no_runtime_no_clock_and_no_dice() {
        assert!(refused("hostler-engine", ("tokio", None, false, &[])));
        assert!(refused("hostler-drive", ("tokio", None, false, &[])));
        assert!(refused("hostler-agent-core", ("rand", None, false, &[])));
        assert!(refused("hostler-model", ("jiff", None, true, &[])));
        assert!(refused("hostler-model", ("uuid", None, false, &["v7"])));
        assert!(!refused("hostler-model", ("jiff", None, false, &["alloc"])));
        assert!(!refused("hostler-server", ("tokio", None, false, &[])));
        assert!(!refused("hostler-engine", ("tokio", Some("dev"), false, &[])));
    }

    #[test]
    fn a_library_that_belongs_to_one_crate_is_refused_elsewhere() {
        assert!(refused("hostler-agent", ("virt-sys", None, true, &[])));
        assert!(refused("hostler-server", ("tonic", Some("dev"), true, &[])));
        assert!(!refused("hostler-libvirt", ("virt-sys", None, true, &[])));
        assert!(!refused("hostler-wire", ("tonic", None, true, &[])));
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        assert!(!unknown(&[package("hostler-novel", &[])]).is_empty());
    }

    #[test]
    fn a_banned_library_in_the_lock_is_refused() {
        assert!(!banned("[[package]]\nname = \"aws-lc-sys\"\nversion = \"0.1\"\n").is_empty());
        assert!(banned("[[package]]\nname = \"ring\"\n").is_empty());
    }
}
