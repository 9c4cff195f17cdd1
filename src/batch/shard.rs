//! Parts of an input for processes that share the work.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One of several parts of a file: every `count`th row, from the row `index` on. Neighbouring rows
/// are often alike, so that taking turns makes parts of the same work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: usize,
    count: usize,
}

impl Shard {
    /// The whole file.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The largest number of shards; file names have five digits.
    const MOST: usize = 100_000;

    /// Returns whether the row with this index, from 0, belongs to the shard.
    pub fn has(self, row: usize) -> bool {
        row % self.count == self.index
    }

    /// Returns the file of this shard: `results-00000-of-00004.jsonl` for `results.jsonl`.
    pub fn path(self, output: &Path) -> PathBuf {
        let mut name = OsString::from(output.file_stem().unwrap_or_default());
        name.push(format!("-{:05}-of-{:05}", self.index, self.count));
        if let Some(ending) = output.extension() {
            name.push(".");
            name.push(ending);
        }
        output.with_file_name(name)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
        });
        let most = Self::MOST;
        parts.filter(|shard| shard.index < shard.count && shard.count <= most).ok_or_else(|| {
            format!("a shard is I/N, with I from 0 to N - 1 and N up to {most}, such as 0/4")
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_divide_the_rows() {
        for count in 1..6 {
            let shards: Vec<Shard> =
                (0..count).map(|index| format!("{index}/{count}").parse().unwrap()).collect();
            for row in 0..40 {
                assert_eq!(
                    shards.iter().filter(|shard| shard.has(row)).count(),
                    1,
                    "{row}/{count}"
                );
            }
            let sizes = shards.iter().map(|shard| (0..40).filter(|row| shard.has(*row)).count());
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
        assert!((0..9).all(|row| Shard::WHOLE.has(row)));
    }

    #[test]
    fn shards_have_files_of_their_own() {
        let shard: Shard = "3/12".parse().unwrap();
        assert_eq!(shard.to_string(), "3/12");
        for (output, path) in [
            ("a/results.jsonl", "a/results-00003-of-00012.jsonl"),
            ("b.c.parquet", "b.c-00003-of-00012.parquet"),
        ] {
            assert_eq!(shard.path(Path::new(output)), Path::new(path));
        }
    }

    #[test]
    fn other_shards_are_refused() {
        for text in ["", "1", "4/4", "-1/4", "0/0", "0/100001", "a/b", "1/2/3", "0.5/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
