//! The rules of the house, read from its imports: lib.rs lists the floors from
//! the ground up, and each uses only those below.

use std::fs;
use std::path::{Path, PathBuf};

use explaind::attribution::METHODS;

/// The sources of both crates, the numeric core first.
fn roots() -> [PathBuf; 2] {
    ["compute/src", "src"].map(|root| Path::new(env!("CARGO_MANIFEST_DIR")).join(root))
}

/// The floors in the order of each lib.rs.
fn floors() -> Vec<String> {
    let lib = roots().map(|root| fs::read_to_string(root.join("lib.rs")).unwrap()).join("\n");
    lib.lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|name| name.trim_end_matches(';').to_owned())
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// Every source file with its floor and its code outside of tests and comments.
fn sources() -> Vec<(PathBuf, String, String)> {
    let all = roots().map(|root| files(&root).into_iter().map(move |path| (root.clone(), path)));
    all.into_iter()
        .flatten()
        .map(|(root, path)| {
            let local = path.strip_prefix(root).unwrap().to_path_buf();
            let floor = local.iter().next().unwrap().to_string_lossy().replace(".rs", "");
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            (local, floor, code)
        })
        .collect()
}

/// The floors that a piece of code names after `crate::`.
fn uses(code: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    code.split("crate::").skip(1).map(name).collect()
}

#[test]
fn imports_go_only_down() {
    let floors = floors();
    let rank = |name: &str| floors.iter().position(|floor| floor == name);
    let mut checked = 0;
    for (path, floor, code) in sources() {
        let Some(here) = rank(&floor) else { continue };
        for used in uses(&code) {
            let there = rank(&used).unwrap_or_else(|| panic!("{}: {used}", path.display()));
            assert!(there <= here, "{} uses {used}, a floor above it", path.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} imports were found");
}

/// Only the files that `allowed` accepts name `what`.
fn confined(what: &str, allowed: impl Fn(&str) -> bool) {
    let mut found = 0;
    for (path, floor, code) in sources() {
        if code.contains(what) {
            assert!(allowed(&floor), "{} names {what}", path.display());
            found += 1;
        }
    }
    assert!(found > 0, "nothing names {what}");
}

#[test]
fn crates_keep_to_their_floors() {
    confined("axum::", |floor| ["http", "app", "main"].contains(&floor));
    confined("candle_", |floor| ["backend", "model"].contains(&floor));
    confined("safetensors::", |floor| ["blocks", "checkpoint", "render"].contains(&floor));
    confined("maud::", |floor| ["render", "report"].contains(&floor));
    confined("ureq::", |floor| ["checkpoint", "telemetry"].contains(&floor));
    confined("tokio::", |floor| {
        ["passes", "engine", "explainer", "http", "app", "main"].contains(&floor)
    });
    confined("Serialize", |floor| ["render", "http", "config"].contains(&floor));
}

#[test]
fn methods_do_not_use_each_other() {
    let methods: Vec<&str> = METHODS.iter().map(|entry| entry.name).collect();
    let mut checked = 0;
    for (path, _, code) in sources().iter().filter(|(_, floor, _)| floor == "attribution") {
        let own = path.file_stem().unwrap().to_string_lossy();
        if !methods.contains(&&*own) {
            continue;
        }
        for other in methods.iter().filter(|name| **name != own) {
            assert!(!code.contains(&format!("{other}::")), "{own} uses {other}");
        }
        checked += 1;
    }
    assert_eq!(checked, methods.len(), "each method is a file of its name");
}

#[test]
fn no_file_is_too_long() {
    for path in roots().iter().flat_map(|root| files(root)) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
    }
}
