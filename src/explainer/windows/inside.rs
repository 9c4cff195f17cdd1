//! Views inside the model, and concepts, of a text that is read in several windows.

use std::sync::Arc;

use super::{WindowSubject, plan};
use crate::attribution::Subject;
use crate::error::Result;
use crate::explainer::first_pass::FirstPass;
use crate::explanation::{Inside, Located, Question, Resolved};
use crate::inside::{self, Part};
use crate::passes::Passes;
use crate::rows::Want;
use crate::text::Encoding;
use crate::text::windows::TextWindow;

/// Returns the views and the place along each concept, of the first target.
pub async fn look(
    question: &Question,
    passes: &Passes,
    target: Option<&Resolved>,
    whole: &Encoding,
    windows: &[TextWindow],
    subjects: &[WindowSubject<'_>],
) -> Result<(Option<Inside>, Vec<Located>)> {
    let in_mean = shares(whole.tokens.len(), windows);
    let windows_of = subjects.iter().zip(in_mean);
    let parts: Vec<Part<'_>> =
        windows_of.map(|(subject, in_mean)| part_of(subject, passes, in_mean)).collect();
    let rows = parts.iter().map(|part| part.subject.row(Want::Lens)).collect();
    let lens = inside::lens(passes, rows, |outputs| {
        let reads = subjects.iter().map(|subject| Arc::clone(&subject.first.reads));
        let firsts: Vec<FirstPass> =
            reads.zip(outputs).map(|(reads, output)| FirstPass::of(reads, output)).collect();
        // As the served prediction is combined from the windows' own.
        Ok(plan::of(question, whole, windows, &firsts)?.predicted)
    });
    let views = inside::look(question, target, whole, &parts, lens).await?;
    Ok((views, inside::locate(question, target, &parts).await?))
}

/// Returns a window as a part of the first target.
fn part_of<'a>(window: &'a WindowSubject<'_>, passes: &'a Passes, in_mean: Arc<[f64]>) -> Part<'a> {
    let subject = window.subject();
    let share = window.tasks.first().filter(|task| task.target == 0);
    let count = usize::from(share.is_some());
    let (scalars, values) = (&subject.scalars[..count], &subject.values[..count]);
    Part {
        passes,
        subject: Subject { scalars, values, ..subject },
        weight: share.map_or(0., |task| task.weight),
        positions: window.part.positions.as_slice().into(),
        in_mean: Some(in_mean),
    }
}

/// Returns the factors with which the states of each window's tokens add up to the mean over the
/// whole text's tokens, where the state of a token is its mean over the windows that contain it.
fn shares(tokens: usize, windows: &[TextWindow]) -> Vec<Arc<[f64]>> {
    let mut times = vec![0_usize; tokens];
    windows.iter().flat_map(|window| &window.positions).for_each(|&position| times[position] += 1);
    let share = |position: &usize| 1. / (tokens * times[*position]) as f64;
    windows.iter().map(|window| window.positions.iter().map(share).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(positions: Vec<usize>) -> TextWindow {
        let encoding = Encoding {
            ids: Arc::new(crate::rows::Tokens {
                input_ids: Vec::new(),
                token_type_ids: Vec::new(),
                position_ids: Vec::new(),
            }),
            texts: [].into(),
            tokens: Vec::new(),
            words: Vec::new(),
            sentences: Vec::new(),
            spans: Vec::new(),
            rationale: Vec::new(),
            truncated: false,
            separate_pair: None,
            held: 0,
        };
        TextWindow { encoding, positions, content: 0..0 }
    }

    /// [CLS] and [SEP] are in both windows, and so is one word.
    #[test]
    fn every_token_of_the_text_counts_once() {
        let shares = shares(5, &[window(vec![0, 1, 2, 4]), window(vec![0, 2, 3, 4])]);
        assert_eq!(shares[0][..], [0.1, 0.2, 0.1, 0.1]);
        assert_eq!(shares[1][..], [0.1, 0.1, 0.2, 0.1]);
    }
}
