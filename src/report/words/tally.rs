//! Running statistics of the scores of words.

use std::collections::HashMap;

use serde_json::Value;

use crate::explanation::Lexicon;
use crate::report::Accumulate;
use crate::report::moments::Moments;

/// The statistics of all words over the texts so far.
#[derive(Debug)]
pub struct Tally {
    pub words: HashMap<String, Word>,
    pub lexicon: Lexicon,
    /// One per group of the lexicon: the sums of its words' scores in each text.
    pub groups: Vec<Word>,
    /// Number of texts that each class is predicted for.
    pub predicted: Vec<usize>,
    pub truncated: usize,
    /// Number of words in all texts.
    pub occurrences: usize,
}

/// The statistics of one word, or of one group.
#[derive(Debug, Clone)]
pub struct Word {
    pub texts: usize,
    pub occurrences: usize,
    /// `[classes]`
    pub moments: Vec<Moments>,
}

impl Tally {
    pub fn new(classes: usize, lexicon: Lexicon) -> Self {
        Self {
            words: HashMap::new(),
            groups: vec![Word::new(classes); lexicon.names().count()],
            lexicon,
            predicted: vec![0; classes],
            truncated: 0,
            occurrences: 0,
        }
    }

    /// Adds the words of one text, `(word, occurrences, [mean score per class])`, to their groups.
    fn add_groups(&mut self, words: &[(&str, usize, Vec<f64>)]) {
        let classes = self.predicted.len();
        let mut sums = vec![(0, vec![0.; classes]); self.groups.len()];
        for (word, count, scores) in words {
            let own = sums.iter_mut().zip(self.lexicon.has(word)).filter(|(_, has)| *has);
            for ((occurrences, sum), _) in own {
                *occurrences += count;
                sum.iter_mut().zip(scores).for_each(|(sum, score)| *sum += *count as f64 * score);
            }
        }
        let found = self.groups.iter_mut().zip(sums).filter(|(_, (count, _))| *count > 0);
        found.for_each(|(group, (count, sums))| group.add(count, &sums));
    }
}

impl Word {
    fn new(classes: usize) -> Self {
        Self { texts: 0, occurrences: 0, moments: vec![Moments::default(); classes] }
    }

    /// Adds a text with so many occurrences and this score per class.
    fn add(&mut self, occurrences: usize, scores: &[f64]) {
        self.texts += 1;
        self.occurrences += occurrences;
        let texts = self.texts;
        self.moments.iter_mut().zip(scores).for_each(|(own, score)| own.add(*score, texts));
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
        self.add_groups(&words);
        for (text, count, scores) in words {
            self.occurrences += count;
            let word = self.words.entry(text.to_owned()).or_insert_with(|| Word::new(classes));
            word.add(count, &scores);
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
