//! Running statistics of the scores of words.

use std::collections::HashMap;

use serde_json::Value;

use crate::report::Accumulate;
use crate::report::moments::Moments;

/// The statistics of all words over the texts so far.
#[derive(Debug)]
pub struct Tally {
    pub words: HashMap<String, Word>,
    /// Number of texts that each class is predicted for.
    pub predicted: Vec<usize>,
    pub truncated: usize,
    /// Number of words in all texts.
    pub occurrences: usize,
}

/// The statistics of one word.
#[derive(Debug, Clone)]
pub struct Word {
    pub texts: usize,
    pub occurrences: usize,
    /// `[classes]`
    pub moments: Vec<Moments>,
}

impl Tally {
    pub fn new(classes: usize) -> Self {
        Self { words: HashMap::new(), predicted: vec![0; classes], truncated: 0, occurrences: 0 }
    }
}

impl Accumulate for Tally {
    fn texts(&self) -> usize {
        self.predicted.iter().sum()
    }

    fn add(&mut self, _: usize, record: &Value) -> Option<()> {
        let classes = self.predicted.len();
        let predicted = usize::try_from(record["predicted"].as_u64()?).ok()?;
        let truncated = record["truncated"].as_bool()?;
        let words = record["words"].as_array()?.iter();
        let words: Vec<(&str, usize, Vec<f64>)> =
            words.map(|word| word_of(word, classes)).collect::<Option<_>>()?;
        *self.predicted.get_mut(predicted)? += 1;
        self.truncated += usize::from(truncated);
        for (text, count, scores) in words {
            self.occurrences += count;
            let new =
                || Word { texts: 0, occurrences: 0, moments: vec![Moments::default(); classes] };
            let word = self.words.entry(text.to_owned()).or_insert_with(new);
            word.texts += 1;
            word.occurrences += count;
            let texts = word.texts;
            word.moments.iter_mut().zip(scores).for_each(|(own, score)| own.add(score, texts));
        }
        Some(())
    }
}

/// Parses `[word, occurrences, [score per class]]`.
fn word_of(word: &Value, classes: usize) -> Option<(&str, usize, Vec<f64>)> {
    let count = usize::try_from(word[1].as_u64()?).ok()?;
    let scores: Vec<f64> = word[2].as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    (scores.len() == classes && count > 0).then_some((word[0].as_str()?, count, scores))
}
