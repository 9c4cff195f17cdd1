//! The memory that this process may use: that of the machine, or the limit of its control group.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Returns the limit in bytes; `None` if it is unknown.
pub fn bytes() -> Option<u64> {
    read(Path::new("/"))
}

/// Returns the minimum of the machine's memory and the limits of the process's group and its
/// ancestors, from the system files below `root`.
fn read(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(Group::read).flat_map(|group| group.limits(root));
    limits.chain(machine_memory(root)).min()
}

fn machine_memory(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// A control group of the process.
struct Group<'a> {
    /// Possible mount points of its hierarchy.
    mounts: &'static [&'static str],
    /// The name of the file with its limit.
    file: &'static str,
    path: &'a Path,
}

impl<'a> Group<'a> {
    /// Parses a line of /proc/self/cgroup, `NUMBER:CONTROLLERS:PATH`. Version 2 has no
    /// controllers.
    fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, Path::new(parts.next()?));
        let (mounts, file): (&[_], _) = match controllers {
            "" => (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                (&["sys/fs/cgroup/memory"], "memory.limit_in_bytes")
            }
            _ => return None,
        };
        Some(Self { mounts, file, path })
    }

    /// Returns the limits of the group and its ancestors up to the mount point. In a container,
    /// the path may be the host's, and the mount point the group itself.
    fn limits(&self, root: &Path) -> Vec<u64> {
        let names = self.path.components().filter(|part| matches!(part, Component::Normal(_)));
        let path: PathBuf = names.collect();
        let folders = self.mounts.iter().flat_map(|mount| {
            path.ancestors().map(|group| root.join(mount).join(group)).collect::<Vec<_>>()
        });
        // `max`, which means no limit, does not parse.
        let limit =
            |folder: PathBuf| fs::read_to_string(folder.join(self.file)).ok()?.trim().parse().ok();
        folders.filter_map(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Returns the limit in MiB of a system with these files.
    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        read(root.path()).map(|bytes| bytes / MIB)
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:        2097152 kB\nMemFree: 1 kB\n");

    #[test]
    fn machine_memory_is_the_upper_bound() {
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[MACHINE]), Some(2048));
        let group = ("proc/self/cgroup", "0::/a.slice\n");
        let limits = [("sys/fs/cgroup/a.slice/memory.max", "max\n")];
        assert_eq!(limit(&[MACHINE, group, limits[0]]), Some(2048));
    }

    #[test]
    fn smallest_limit_of_all_ancestors_applies() {
        let group = ("proc/self/cgroup", "0::/a.slice/b.scope\n");
        let inner = ("sys/fs/cgroup/a.slice/b.scope/memory.max", "1073741824\n");
        let outer = ("sys/fs/cgroup/a.slice/memory.max", "536870912\n");
        assert_eq!(limit(&[MACHINE, group, inner]), Some(1024));
        assert_eq!(limit(&[MACHINE, group, inner, outer]), Some(512));
        // The limit of another group does not apply.
        let other = ("sys/fs/cgroup/a.slice/c.scope/memory.max", "1048576\n");
        assert_eq!(limit(&[MACHINE, group, inner, other]), Some(1024));
    }

    #[test]
    fn version_1_and_hybrid_hierarchies() {
        let groups = "4:cpu,memory:/docker/1f\n3:cpuset:/\n0::/\n";
        let group = ("proc/self/cgroup", groups);
        let file = ("sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes", "268435456\n");
        assert_eq!(limit(&[MACHINE, group, file]), Some(256));
        // In the container, its own group is mounted.
        let mounted = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
        assert_eq!(limit(&[MACHINE, group, mounted]), Some(128));
        let none = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&[MACHINE, group, none]), Some(2048));
    }

    #[test]
    fn paths_cannot_leave_the_hierarchy() {
        let group = ("proc/self/cgroup", "0::/../../other\n");
        let elsewhere = ("sys/other/memory.max", "1048576\n");
        assert_eq!(limit(&[MACHINE, group, elsewhere]), Some(2048));
    }
}
