//! No two files import each other, directly or through others. A file and those in its own folder
//! count as one: parents list their children, and children use what parents define.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sources;

/// The paths that each module names, from the root of the crate: `a::b::C` for `super::b::C` in
/// a/d.rs.
struct Modules(BTreeMap<String, Vec<String>>);

impl Modules {
    /// Reads modules from the paths of their files and their code.
    fn read<'a>(sources: impl Iterator<Item = (&'a Path, &'a str)>) -> Self {
        let module = |(path, code): (&Path, &str)| {
            let name = path.with_extension("").to_string_lossy().replace('/', "::");
            let name = name.strip_suffix("::mod").unwrap_or(&name);
            let name = if name == "lib" { "" } else { name };
            let paths = named_paths(code).iter().map(|path| from_root(path, name)).collect();
            (name.to_owned(), paths)
        };
        Self(sources.map(module).collect())
    }

    /// Returns the module that defines `path`, as the compiler does: it follows what modules import
    /// from others and pass on.
    fn defining(&self, path: &str) -> &str {
        let mut ancestors = std::iter::successors(Some(path), |path| Some(parent(path)));
        let module = ancestors.find_map(|path| self.0.get_key_value(path));
        let (module, imports) = module.expect("the root is a module");
        let Some(name) = path[module.len()..].split("::").find(|name| !name.is_empty()) else {
            return module;
        };
        let passed_on =
            |import: &&String| *import != path && import.ends_with(&format!("::{name}"));
        imports.iter().find(passed_on).map_or(module, |import| self.defining(import))
    }

    /// Returns the modules that each module imports, other than its parents and children.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let of_module = |(module, paths): (&'_ String, &'_ Vec<String>)| {
            let defining = paths.iter().map(|path| self.defining(path));
            defining
                .filter(|other| !is_within(module, other) && !is_within(other, module))
                .collect()
        };
        self.0.iter().map(|entry| (entry.0.as_str(), of_module(entry))).collect()
    }

    /// Returns the modules that import each other in cycles.
    fn cycles(&self) -> Vec<&str> {
        let mut left = self.imports();
        loop {
            let count = left.len();
            let modules: BTreeSet<&str> = left.keys().copied().collect();
            let imported: BTreeSet<&str> = left.values().flatten().copied().collect();
            left.retain(|module, imports| {
                imported.contains(module) && imports.iter().any(|other| modules.contains(other))
            });
            if left.len() == count {
                return left.into_keys().collect();
            }
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn is_within(module: &str, folder: &str) -> bool {
    let rest = module.strip_prefix(folder);
    rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with("::"))
}

/// Converts a path that `module` names.
fn from_root(path: &str, module: &str) -> String {
    match path.split_once("::") {
        Some(("crate", rest)) => rest.to_owned(),
        Some(("super", rest)) => from_root(rest, parent(module)),
        _ if module.is_empty() => path.to_owned(),
        _ => format!("{module}::{path}"),
    }
}

fn in_path(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

/// Returns the paths in `code` that are imported, or that begin with `crate` or `super`.
fn named_paths(code: &str) -> Vec<String> {
    let starts = ["crate::", "super::", "use "].map(|start| code.match_indices(start));
    let starts = starts.into_iter().flatten().map(|(at, _)| at);
    let starts = starts.filter(|at| !code[..*at].ends_with(in_path));
    starts.flat_map(|at| paths(code[at..].trim_start_matches("use ")).0).collect()
}

/// Returns the paths that `text` starts with, such as `a::b` and `a::c::D` for `a::{b, c::D}`, and
/// the text after them.
fn paths(text: &str) -> (Vec<String>, &str) {
    let (path, mut rest) = text.split_at(text.find(|c| !in_path(c)).unwrap_or(text.len()));
    if !path.ends_with("::") || !rest.starts_with('{') {
        return (vec![path.trim_end_matches("::").to_owned()], rest);
    }
    let mut found = Vec::new();
    while rest.starts_with(['{', ',']) {
        let (inner, after) = paths(rest[1..].trim_start());
        found.extend(inner.iter().map(|inner| format!("{path}{inner}")));
        rest = &after[after.find([',', '}']).unwrap()..];
    }
    (found, &rest[1..])
}

#[test]
fn no_files_import_each_other() {
    let sources = sources();
    let modules = Modules::read(sources.iter().map(|(path, _, code)| (&**path, &**code)));
    let count: usize = modules.imports().values().map(BTreeSet::len).sum();
    assert!(count > 500, "only {count} imports were found");
    let cycles = modules.cycles();
    assert!(cycles.is_empty(), "{cycles:?} import each other");
}

#[test]
fn cycles_are_found_through_folders_and_what_they_pass_on() {
    let files = [
        ("lib.rs", "mod a;\nmod b;"),
        ("a/mod.rs", "mod c;\nmod d;\npub use d::{D, E};"),
        ("a/c.rs", "use super::{\n    D,\n    E as F,\n};"),
        ("a/d.rs", "fn f() -> crate::b::B { super::c::g() }"),
        ("b.rs", "pub struct B;"),
    ];
    let cycles = |files: &[(&str, &str)]| {
        let modules = Modules::read(files.iter().map(|(path, code)| (Path::new(path), *code)));
        modules.cycles().join(" ")
    };
    assert_eq!(cycles(&files), "a::c a::d");
    let mut files = files;
    files[3].1 = "fn f() -> crate::b::B {}";
    assert_eq!(cycles(&files), "");
    files[4].1 = "use crate::a::{D as C};";
    assert_eq!(cycles(&files), "a::d b");
}
