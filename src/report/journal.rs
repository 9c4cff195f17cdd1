//! A file of the results of a run, one JSON line per text, written as they are found, so that a run
//! that was interrupted continues. The first line identifies the run.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Value, json};

/// The results of a run so far.
#[derive(Debug)]
pub struct Journal {
    file: File,
    known: HashSet<usize>,
}

impl Journal {
    /// The name of the file, in the folder of a report.
    pub const NAME: &str = "records.jsonl";

    /// Opens the file at `path`, whose folder is created if needed. If it is of the run that `run`
    /// identifies, calls `each` with the number and the result of every text in it; otherwise
    /// starts anew. A line that was cut, and what follows it, is dropped; so is a result that
    /// `each` does not accept.
    pub fn open(
        path: &Path,
        run: &Value,
        mut each: impl FnMut(usize, &Value) -> Option<()>,
    ) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let written = fs::read(path).unwrap_or_default();
        let first = json!({ "run": run });
        let mut lines = written.split_inclusive(|&byte| byte == b'\n').map(whole_line);
        let mut length = 0;
        let mut known = HashSet::new();
        if lines.next().flatten().is_some_and(|(line, _)| line == first) {
            length = first.to_string().len() + 1;
            let results = lines.map_while(|line| line);
            let accepted = results.map_while(|(line, bytes)| {
                let number = usize::try_from(line["number"].as_u64()?).ok()?;
                each(number, &line["result"])?;
                Some((number, bytes))
            });
            for (number, bytes) in accepted {
                known.insert(number);
                length += bytes;
            }
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.set_len(length as u64)?;
        file.seek(SeekFrom::End(0))?;
        if length == 0 {
            writeln!(file, "{first}")?;
        }
        Ok(Self { file, known })
    }

    /// Returns the number of texts with a result.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    pub fn has(&self, number: usize) -> bool {
        self.known.contains(&number)
    }

    /// Appends the result of a text.
    pub fn add(&mut self, number: usize, result: &Value) -> io::Result<()> {
        let line = json!({ "number": number, "result": result });
        // In one write, so that no other line is between its parts.
        self.file.write_all(format!("{line}\n").as_bytes())
    }
}

/// Parses a line that ends with a line break, and returns its length; `None` if it was cut.
fn whole_line(line: &[u8]) -> Option<(Value, usize)> {
    let json = line.strip_suffix(b"\n")?;
    Some((serde_json::from_slice(json).ok()?, line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(path: &Path, run: &Value) -> (Journal, Vec<(usize, Value)>) {
        let mut found = Vec::new();
        let journal = Journal::open(path, run, |number, result| {
            (*result != json!("refused")).then(|| found.push((number, result.clone())))
        });
        (journal.unwrap(), found)
    }

    #[test]
    fn a_run_continues_after_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/records.jsonl");
        let run = json!({"model": "m", "seed": 1});
        let (mut journal, found) = reopened(&path, &run);
        assert!(found.is_empty());
        journal.add(4, &json!([0.1, "a\nb"])).unwrap();
        journal.add(2, &json!(null)).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, found) = reopened(&path, &run);
            let expected = [(4, json!([0.1, "a\nb"])), (2, json!(null))];
            let lines = whole[..cut].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(found, expected[..lines.saturating_sub(1)], "{cut}");
            assert!((0..9).filter(|&number| journal.has(number)).count() == journal.known());
            for number in
                [4, 2].into_iter().filter(|&number| !journal.has(number)).collect::<Vec<_>>()
            {
                journal.add(number, &expected[usize::from(number == 2)].1).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), whole, "{cut}");
        }
    }

    #[test]
    fn results_of_another_run_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        reopened(&path, &json!(1)).0.add(0, &json!("a")).unwrap();
        assert_eq!(reopened(&path, &json!(2)).1, []);
        assert_eq!(reopened(&path, &json!(1)).1, []);
        let mut journal = reopened(&path, &json!(1)).0;
        journal.add(0, &json!("refused")).unwrap();
        journal.add(1, &json!("b")).unwrap();
        assert_eq!(reopened(&path, &json!(1)).1, []);
    }
}
