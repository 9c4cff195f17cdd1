//! Architecture rules, checked against the source text: each lib.rs lists its modules from bottom
//! to top, and a module imports only modules below it.

mod cycles;

use std::fs;
use std::path::{Path, PathBuf};

use explaind::attribution::METHODS;

/// The sources of both crates, the numeric core first.
fn roots() -> [PathBuf; 2] {
    ["compute/src", "src"].map(|root| Path::new(env!("CARGO_MANIFEST_DIR")).join(root))
}

/// Returns the modules in the order of each lib.rs.
fn modules() -> Vec<String> {
    let lib = roots().map(|root| fs::read_to_string(root.join("lib.rs")).unwrap()).join("\n");
    lib.lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|name| name.trim_end_matches(';').to_owned())
        .collect()
}

/// Returns the Rust files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs");
    all_files(folder).into_iter().filter(is_rust).collect()
}

/// Returns every source file with its top-level module and its code without tests and comments.
fn sources() -> Vec<(PathBuf, String, String)> {
    let all = roots().map(|root| files(&root).into_iter().map(move |path| (root.clone(), path)));
    all.into_iter()
        .flatten()
        .map(|(root, path)| {
            let local = path.strip_prefix(root).unwrap().to_path_buf();
            let module = local.iter().next().unwrap().to_string_lossy().replace(".rs", "");
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            (local, module, code)
        })
        .collect()
}

/// Returns the modules that the code names after `crate::`.
fn uses(code: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    code.split("crate::").skip(1).map(name).collect()
}

#[test]
fn modules_import_only_lower_modules() {
    let modules = modules();
    let rank = |name: &str| modules.iter().position(|module| module == name);
    let mut checked = 0;
    for (path, module, code) in sources() {
        let Some(own) = rank(&module) else { continue };
        for used in uses(&code) {
            let other = rank(&used).unwrap_or_else(|| panic!("{}: {used}", path.display()));
            assert!(other <= own, "{} uses {used}, a module above it", path.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} imports were found");
}

/// Returns whether `name` occurs, but not within a longer word.
fn has_word(code: &str, name: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    // Others, such as `candle_`, are prefixes.
    let ends = name.ends_with(char::is_alphanumeric);
    code.match_indices(name).any(|(start, _)| {
        let after = code[start + name.len()..].chars().next();
        let continues = ends && after.is_some_and(in_word);
        !continues && !code[..start].ends_with(in_word)
    })
}

/// Asserts that only the modules that `allowed` accepts contain `name`.
fn confined(name: &str, allowed: impl Fn(&str) -> bool) {
    let mut count = 0;
    for (path, module, code) in sources() {
        if has_word(&code, name) {
            assert!(allowed(&module), "{} names {name}", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "nothing names {name}");
}

#[test]
fn crates_are_used_only_in_their_modules() {
    confined("axum::", |module| ["http", "app"].contains(&module));
    confined("candle_", |module| ["backend", "model"].contains(&module));
    confined("safetensors::", |module| ["blocks", "checkpoint", "render"].contains(&module));
    confined("maud::", |module| ["render", "report"].contains(&module));
    confined("ureq::", |module| {
        ["checkpoint", "commands", "remote", "telemetry"].contains(&module)
    });
    confined("postgres::", |module| module == "corpus");
    confined("tokio::", |module| {
        ["passes", "engine", "inside", "explainer", "http", "batch", "app", "commands"]
            .contains(&module)
    });
    confined("Serialize", |module| ["render", "http", "config"].contains(&module));
}

#[test]
fn methods_do_not_use_each_other() {
    let methods: Vec<&str> = METHODS.iter().map(|entry| entry.name).collect();
    let mut checked = 0;
    for (path, _, code) in sources().iter().filter(|(_, module, _)| module == "attribution") {
        let own = path.file_stem().unwrap().to_string_lossy();
        if !methods.contains(&&*own) {
            continue;
        }
        for other in methods.iter().filter(|name| **name != own) {
            assert!(!code.contains(&format!("{other}::")), "{own} uses {other}");
        }
        checked += 1;
    }
    assert_eq!(checked, methods.len(), "each method has a file of its name");
}

#[test]
fn no_file_is_too_long() {
    for path in roots().iter().flat_map(|root| files(root)) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_file_of_the_pages_is_served() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("src/http/web/files.rs")).unwrap();
    let served = |name: &str| table.contains(&format!("\"{name}\","));
    let mut own_bytes = 0;
    let mut checked = 0;
    for path in all_files(&root.join("web")) {
        let name = path.strip_prefix(root.join("web")).unwrap().to_str().unwrap().to_owned();
        let is_notice = name.ends_with(".txt") || name.ends_with(".md");
        assert!(served(&name) != is_notice, "{name}");
        let text = fs::read_to_string(&path).unwrap();
        if !name.starts_with("vendor/") {
            own_bytes += text.len();
            assert!(text.lines().count() <= 400, "{name} is too long");
        }
        checked += 1;
    }
    assert!(checked > 20, "only {checked} files were found");
    assert!(own_bytes < 200_000, "the pages' own files have {own_bytes} bytes");
}

/// Returns all files of a folder and its subfolders.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_files(&path) } else { vec![path] }).collect()
}
