//! Learns a user's concept from texts.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::Explainer;
use super::first_pass::{self, FirstPass};
use crate::concepts::{self, Learned, Measured};
use crate::error::{Code, Error, Result};
use crate::explanation::{Class, Concept, Load, Question, Resolved, ScalarName, Target};
use crate::heads::Task;
use crate::passes::Passes;
use crate::rows::{Maps, Means, Row, Scalar, Want};
use crate::tasks::{self, ModelOutput, embedding};
use crate::text::Encoding;

/// A concept to learn.
pub struct Lesson {
    pub name: String,
    /// The texts with the concept, then those of the contrast.
    pub question: Question,
    /// How many of the texts have the concept.
    pub with: usize,
    /// Whether the target is the label that is predicted most often for all texts, instead of that of
    /// the question. The texts of both lists choose together, because the test of a target is exact
    /// only if another split of the same texts had the same target.
    pub chooses_target: bool,
}

/// The directions of every layer, by the mean difference and by logistic regression.
pub type Directions = Vec<[Vec<f64>; 2]>;

impl Explainer {
    /// Learns a concept and stores it under its name. Every text takes a forward row and a gradient
    /// row. Concepts are learned one after the other.
    ///
    /// # Errors
    /// Fails if a text cannot be read, if the two lists do not differ, or if there are too many
    /// concepts.
    pub async fn learn(&self, lesson: Lesson) -> Result<(Arc<Concept>, Directions)> {
        let Lesson { name, question, with, chooses_target } = lesson;
        self.concepts.check_room(&name)?;
        let model = Arc::clone(&question.model);
        let loads = |encoding: &Encoding| {
            let pair = encoding.separate_pair.as_ref();
            let other = pair.map(|pair| Load::forward(&model, pair.len(), 1));
            let own = [
                Load::forward(&model, encoding.len(), 1),
                Load::gradients(&model, encoding.len(), 1),
            ];
            own.into_iter().chain(other).collect()
        };
        // Before the admission, so that concepts that wait take no capacity. The semaphore is never
        // closed.
        let turn = Arc::clone(&self.learning).acquire_owned();
        let turn = self.time_limit(&question).before_deadline(turn).await?;
        let turn = turn.map_err(Error::internal)?;
        let mut admitted = self.admit(question, loads).await?;
        let encodings = std::mem::take(&mut admitted.encodings).into_iter();
        let encodings: Vec<Encoding> = encodings.collect::<Result<_>>()?;
        let (passes, question) = (&admitted.passes, &admitted.question);
        let texts = Texts { passes, question, encodings: &encodings };
        let firsts = texts.first_passes().await?;
        let target = match chooses_target {
            true => {
                Target::Class { token: None, class: Class::Index(most_frequent(&labels(&firsts))) }
            }
            false => question.target.clone(),
        };
        let targets = texts.targets(&firsts, target)?;
        let measured = texts.measure(&firsts, &targets).await?;
        let concept: Vec<bool> = (0..encodings.len()).map(|text| text < with).collect();
        let seed = question.seed;
        let learned = passes.compute(move || {
            let learned = concepts::learn(&measured, &concept, seed);
            // Only now, even if nobody waits any more: the states were in memory.
            drop(turn);
            learned
        });
        let learned = passes.in_time(learned).await.ok_or_else(|| passes.late())??;
        let Learned { layers, directions, best } = learned;
        let layer = best.ok_or_else(|| {
            let detail = "both lists have the same mean state at every layer: for the model, their \
                          texts do not differ";
            Error::field("/contrast", detail)
        })?;
        let concept = Concept {
            name,
            model: model.id.clone(),
            revision: model.revision.clone(),
            target: common(&targets),
            texts: [with, encodings.len() - with],
            layers,
            layer,
        };
        let store = Arc::clone(&self.concepts);
        let stored = passes.compute(move || store.put(concept)).await??;
        admitted.close();
        Ok((stored, directions))
    }
}

/// The texts of a lesson.
struct Texts<'a> {
    passes: &'a Passes,
    question: &'a Question,
    encodings: &'a [Encoding],
}

impl Texts<'_> {
    /// Predicts every text; of two texts that are embedded separately, the second.
    async fn first_passes(&self) -> Result<Vec<FirstPass>> {
        try_join_all(self.encodings.iter().enumerate().map(async |(index, encoding)| {
            let read = encoding.separate_pair.as_deref().unwrap_or(encoding);
            let first =
                first_pass::forward(self.question, self.passes, Maps::default(), read).await;
            first.map_err(|error| self.with_pointer(error, index))
        }))
        .await
    }

    /// Returns the scalar of every text.
    fn targets(&self, firsts: &[FirstPass], target: Target) -> Result<Vec<Resolved>> {
        let question = Question { target, ..self.question.clone() };
        let resolve = |(index, (encoding, first)): (usize, (&Encoding, &FirstPass))| {
            if encoding.separate_pair.is_some() {
                return Ok(embedding::cosine_with(&first.output, 0));
            }
            let (model, reads, output) = (&*question.model, &*first.reads, &first.output);
            let read = ModelOutput { model, encoding, reads, output };
            let resolved = tasks::of(model.task).resolve(&question, &read);
            let resolved = resolved.map_err(|error| self.with_pointer(error, index))?;
            let none = || {
                let detail = "the text has no output to explain";
                Error::field(&self.question.inputs[index].pointer, detail)
            };
            resolved.into_iter().next().ok_or_else(none)
        };
        self.encodings.iter().zip(firsts).enumerate().map(resolve).collect()
    }

    /// Adds the pointer of the text, which tasks do not know.
    fn with_pointer(&self, error: Error, index: usize) -> Error {
        match error.code {
            Code::InputEmpty => error.at(&self.question.inputs[index].pointer),
            _ => error,
        }
    }

    /// Returns the states and gradients at every layer, `[layers][texts]`.
    async fn measure(&self, firsts: &[FirstPass], targets: &[Resolved]) -> Result<Vec<Measured>> {
        let layers = self.question.model.layers();
        let row = |((encoding, first), target): ((&Encoding, &FirstPass), &Resolved)| {
            let reads = match target.scalar {
                Scalar::Cosine(_) | Scalar::Highest(_) => [].into(),
                Scalar::Sum { .. } => Arc::clone(&first.reads),
            };
            let scalar = Some(target.scalar.clone());
            let want = Want::Means(Means { layers: 1..layers + 1, weights: None, scalar });
            Row { want, ..Row::forward(Arc::clone(&encoding.ids), reads) }
        };
        let rows = self.encodings.iter().zip(firsts).zip(targets).map(row).collect();
        let mut measured = vec![Measured::default(); layers];
        for output in self.passes.run(rows).await? {
            for (layer, own) in measured.iter_mut().zip(output.layers) {
                layer.states.push(own.states);
                layer.gradients.push(own.gradient);
            }
        }
        Ok(measured)
    }
}

/// Returns whether a task predicts one label per text, which can be counted.
pub fn counts_labels(task: Task) -> bool {
    matches!(task, Task::TextClassification | Task::NextSentence)
}

/// Returns the label that is predicted for every text.
fn labels(firsts: &[FirstPass]) -> Vec<usize> {
    let highest = |first: &FirstPass| {
        let logits = &first.output.logits;
        let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
        (0..logits.len()).fold(0, better)
    };
    firsts.iter().map(highest).collect()
}

/// Returns the most frequent label, the first of equal ones.
fn most_frequent(labels: &[usize]) -> usize {
    let count = |label: usize| labels.iter().filter(|own| **own == label).count();
    let better = |best: usize, label: usize| {
        if (count(label), best) > (count(best), label) { label } else { best }
    };
    labels.iter().copied().reduce(better).unwrap_or_default()
}

/// Returns the scalar's name, if it is the same for all texts.
fn common(targets: &[Resolved]) -> Option<ScalarName> {
    let first = &targets.first()?.what;
    targets.iter().all(|target| target.what == *first).then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;
    use crate::rows::dot;

    const WIDTH: usize = 8;
    const LABELS: usize = 6;
    const TEXTS: usize = 12;

    /// Random texts, half of them with a concept, and a linear classifier.
    struct Case {
        states: Vec<Vec<f64>>,
        weights: Vec<Vec<f64>>,
    }

    impl Case {
        fn of(number: u64) -> Self {
            let mut generator = Generator::stream(5, number);
            let mut vectors = |count: usize| -> Vec<Vec<f64>> {
                (0..count).map(|_| (0..WIDTH).map(|_| generator.normal()).collect()).collect()
            };
            Self { states: vectors(TEXTS), weights: vectors(LABELS) }
        }

        fn logit(&self, label: usize, text: usize) -> f64 {
            dot(&self.weights[label], &self.states[text])
        }

        fn by_all_texts(&self) -> usize {
            let predicted = |text: usize| {
                let logit = |label: &usize| self.logit(*label, text);
                (0..LABELS).max_by(|a, b| logit(a).total_cmp(&logit(b))).unwrap()
            };
            most_frequent(&(0..TEXTS).map(predicted).collect::<Vec<_>>())
        }

        /// The label whose logit differs most between the lists.
        fn by_the_split(&self) -> usize {
            let difference = |label: &usize| {
                let sum = |texts: std::ops::Range<usize>| -> f64 {
                    texts.map(|text| self.logit(*label, text)).sum()
                };
                (sum(0..TEXTS / 2) - sum(TEXTS / 2..TEXTS)).abs()
            };
            (0..LABELS).max_by(|a, b| difference(a).total_cmp(&difference(b))).unwrap()
        }

        fn is_significant(&self, target: usize, seed: u64) -> bool {
            let gradients = vec![self.weights[target].clone(); TEXTS];
            let concept: Vec<bool> = (0..TEXTS).map(|text| text < TEXTS / 2).collect();
            let measured = Measured { states: self.states.clone(), gradients };
            concepts::learn(&[measured], &concept, seed).layers[0].tcav.is_significant()
        }
    }

    #[test]
    fn the_default_target_keeps_the_level_of_the_test() {
        let cases = 300;
        let wrong = |target: fn(&Case) -> usize| {
            let is_wrong = |number: &u64| {
                let case = Case::of(*number);
                case.is_significant(target(&case), *number)
            };
            (0..cases).filter(is_wrong).count()
        };
        // Binomial with 300 cases and 0.05: 15 are expected, 27 exceeded once in a thousand times.
        let by_all = wrong(Case::by_all_texts);
        assert!((2..=27).contains(&by_all), "{by_all} of {cases}");
        // These cases do tell when a target is chosen by the lists.
        let by_the_split = wrong(Case::by_the_split);
        assert!(by_the_split > 27, "{by_the_split} of {cases}");
    }

    #[test]
    fn the_first_of_equal_labels_is_the_most_frequent() {
        assert_eq!(most_frequent(&[2, 1, 1, 2, 0]), 1);
        assert_eq!(most_frequent(&[3, 3, 0]), 3);
    }
}
