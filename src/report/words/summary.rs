//! The words of each class, ranked.

use super::Settings;
use super::tally::{Tally, Word};
use crate::evaluation::interval::Interval;
use crate::report::{Accumulate, Run, Scope};

/// The contents of the report.
#[derive(Debug, Clone)]
pub struct Summary {
    pub model: String,
    pub revision: String,
    pub data: String,
    pub method: &'static str,
    pub seed: u64,
    pub min_texts: usize,
    pub texts: usize,
    /// Distinct texts in the file, and the number of repetitions.
    pub of: usize,
    pub repeated: usize,
    pub truncated: usize,
    pub failed: usize,
    /// The error of the first text that failed.
    pub first_failure: Option<String>,
    /// Texts that were not begun in time.
    pub left: usize,
    /// Number of different words in all texts.
    pub vocabulary: usize,
    pub classes: Vec<Class>,
}

/// The words of one class.
#[derive(Debug, Clone)]
pub struct Class {
    pub index: usize,
    pub label: String,
    /// Number of texts that it is predicted for.
    pub predicted: usize,
    /// The groups of the lexicon, in order.
    pub groups: Vec<GroupEffect>,
    /// All words in at least [`Summary::min_texts`] texts, the largest certain effect first.
    pub words: Vec<WordEffect>,
}

/// The effect of a word on a class.
#[derive(Debug, Clone)]
pub struct WordEffect {
    pub word: String,
    pub texts: usize,
    pub occurrences: usize,
    /// Mean score over the texts with the word, of the mean over its occurrences in each.
    pub effect: Interval,
    /// Mean times occurrences: what the word contributes to the class in the whole corpus.
    pub total: f64,
}

/// The effect of a group of words on a class.
#[derive(Debug, Clone)]
pub struct GroupEffect {
    pub name: String,
    pub texts: usize,
    pub occurrences: usize,
    /// Mean over the texts with a word of the group, of the sum of their scores in each. `None` for
    /// fewer than two texts.
    pub effect: Option<Interval>,
    /// Sum over all texts.
    pub total: f64,
}

impl Class {
    /// Returns the words whose interval does not contain 0.
    pub fn certain(&self) -> impl Iterator<Item = &WordEffect> {
        self.words.iter().filter(|word| word.effect.least_magnitude() > 0.)
    }
}

impl Summary {
    pub(super) fn new(scope: &Scope<'_>, settings: &Settings, tally: &Tally, run: &Run) -> Self {
        let (model, texts) = (scope.model, scope.texts);
        let class = |index: usize| Class {
            index,
            label: model.label(index),
            predicted: tally.predicted[index],
            groups: groups(tally, index),
            words: ranked(tally, index, settings.min_texts),
        };
        Self {
            model: model.id.clone(),
            revision: model.revision.clone(),
            data: texts.name.clone(),
            method: settings.method.name,
            seed: settings.seed,
            min_texts: settings.min_texts,
            texts: tally.texts(),
            of: texts.of,
            repeated: texts.repeated,
            truncated: tally.truncated,
            failed: run.failed.len(),
            first_failure: run.failed.first().map(|(_, error)| error.detail.clone()),
            left: run.left,
            vocabulary: tally.words.len(),
            classes: (0..model.outputs()).map(class).collect(),
        }
    }
}

fn groups(tally: &Tally, class: usize) -> Vec<GroupEffect> {
    let effect = |(name, group): (&str, &Word)| GroupEffect {
        name: name.to_owned(),
        texts: group.texts,
        occurrences: group.occurrences,
        effect: group.moments[class].interval(group.texts),
        total: group.moments[class].mean * group.texts as f64,
    };
    tally.lexicon.names().zip(&tally.groups).map(effect).collect()
}

/// Returns the words by the smallest effect within their interval, so that a rare word with a
/// wide interval does not lead; words with the same one, which is mostly 0, by the mean.
fn ranked(tally: &Tally, class: usize, min_texts: usize) -> Vec<WordEffect> {
    let effect = |(text, word): (&String, &Word)| {
        let moments = word.moments[class];
        Some(WordEffect {
            word: text.clone(),
            texts: word.texts,
            occurrences: word.occurrences,
            effect: moments.interval(word.texts)?,
            total: moments.mean * word.occurrences as f64,
        })
    };
    let frequent = tally.words.iter().filter(|(_, word)| word.texts >= min_texts);
    let mut words: Vec<WordEffect> = frequent.filter_map(effect).collect();
    words.sort_by(|a, b| {
        let certain = |word: &WordEffect| word.effect.least_magnitude();
        let size = |word: &WordEffect| word.effect.mean.abs();
        certain(b)
            .total_cmp(&certain(a))
            .then(size(b).total_cmp(&size(a)))
            .then_with(|| a.word.cmp(&b.word))
    });
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explanation::{Groups, Lexicon};

    /// Two texts give "great" 1 and 3; "odd" is in a single text twice; "the" pulls both ways.
    #[test]
    fn effects_are_worked_out_by_hand() {
        let given = [("praise", &["Great", "odd"][..]), ("none", &["absent"])];
        let given = given.map(|(name, words)| {
            (name.to_owned(), words.iter().map(|word| (*word).to_owned()).collect())
        });
        let mut tally = Tally::new(2, Lexicon::new(&Groups::from(given), 9).unwrap());
        for record in [
            json!([["great", 1, [-1., 1.]], ["odd", 2, [-9., 9.]], ["the", 1, [-1., 1.]]]),
            json!([["great", 3, [-3., 3.]], ["the", 1, [1., -1.]]]),
            json!([["great", 1, [-2., 2.]], ["the", 2, [0., 0.]]]),
        ] {
            let record = json!({"predicted": 1, "truncated": false, "words": record});
            tally.add(0, &record).unwrap();
        }
        let words = ranked(&tally, 1, 2);
        assert_eq!(words.iter().map(|word| &*word.word).collect::<Vec<_>>(), ["great", "the"]);
        let great = &words[0];
        assert_eq!((great.texts, great.occurrences), (3, 5));
        // The mean is over texts, not over occurrences: that would be 2.4.
        assert!((great.effect.mean - 2.).abs() < 1e-12 && (great.total - 10.).abs() < 1e-12);
        let half = 4.302_652_73 / 3f64.sqrt();
        assert!((great.effect.high - 2. - half).abs() < 1e-9, "{:?}", great.effect);
        assert!((ranked(&tally, 0, 2)[0].effect.mean + 2.).abs() < 1e-12);
        assert_eq!(ranked(&tally, 1, 1).len(), 2, "one text has no interval");
        // In the first text, "great" once and "odd" twice: 1 + 2 x 9 = 19; then 3 x 3 and 2.
        let [none, praise] = &groups(&tally, 1)[..] else { panic!("two groups") };
        assert_eq!((none.texts, none.effect, none.total), (0, None, 0.));
        assert_eq!((praise.name.as_str(), praise.texts, praise.occurrences), ("praise", 3, 7));
        assert!((praise.effect.unwrap().mean - 10.).abs() < 1e-12, "{praise:?}");
        assert!((praise.total - 30.).abs() < 1e-12, "{praise:?}");
    }

    #[test]
    fn records_of_another_form_are_refused() {
        for record in [
            json!(null),
            json!({"predicted": 2, "truncated": false, "words": []}),
            json!({"predicted": 0, "truncated": false, "words": [["a", 1, [1.]]]}),
            json!({"predicted": 0, "truncated": false, "words": [["a", 0, [1., 1.]]]}),
            json!({"predicted": 0, "truncated": false, "words": [[1, 1, [1., 1.]]]}),
        ] {
            let mut tally = Tally::new(2, Lexicon::default());
            assert_eq!(tally.add(0, &record), None, "{record}");
            assert_eq!((tally.texts(), tally.words.len()), (0, 0));
        }
    }
}
