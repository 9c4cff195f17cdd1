//! Two texts that are read apart: an encoder embeds each by itself, and what is
//! explained is the cosine of the two embeddings, as a function of one text and
//! as a function of the other.

use std::sync::Arc;

use futures_util::future::try_join3;

use super::prepared::Follow;
use super::single::{Parts, ScoredMethod, assemble, attributions};
use crate::attention::{self, Wished};
use crate::attribution::{Attribution, Subject};
use crate::error::{Error, Result};
use crate::explanation::{Explained, Predicted, Question, Resolved};
use crate::passes::Passes;
use crate::rows::{Maps, Row, RowOutput, Want};
use crate::tasks::embedding;
use crate::text::{Encoding, Unit};

/// Explains what makes `text` and `pair` similar. Attention is that of `text`.
pub async fn explain(
    question: &Question,
    passes: &Passes,
    wished: Option<&Wished>,
    text: Encoding,
    pair: Encoding,
) -> Result<Explained> {
    let none: Arc<[usize]> = [].into();
    let row = |encoding: &Encoding, maps: Maps| Row {
        maps,
        want: Want::States,
        ..Row::forward(Arc::clone(&encoding.ids), Arc::clone(&none))
    };
    let maps = wished.map(Wished::at_first).unwrap_or_default();
    let outputs = passes.run(vec![row(&text, maps), row(&pair, Maps::default())]).await?;
    let [mut of_text, of_pair]: [_; 2] =
        outputs.try_into().map_err(|_| Error::internal("two rows gave not two outputs"))?;
    let maps = std::mem::take(&mut of_text.attention);
    let similarity = embedding::similarity(&question.model, &of_text, &of_pair);
    let value: Vec<f64> = similarity.pair.iter().map(|pair| pair.cosine).collect();
    let sides = [Side::new(&text, &of_pair, 0), Side::new(&pair, &of_text, 1)];
    let of_side = async |side: &Side<'_>| {
        let subject = side.subject(question, &none, &value);
        let target = std::slice::from_ref(&side.target);
        let own = attributions(question, passes, subject, target, &Follow::default()).await?;
        let other = if side.segment == 0 { &pair } else { &text };
        Ok(own.into_iter().map(|one| beside(one, other, side.segment)).collect::<Vec<_>>())
    };
    let of_text = sides[0].subject(question, &none, &value);
    // Beside each other: neither text's methods leave the other's no time.
    let (mut scored, of_pair, attention) = try_join3(
        of_side(&sides[0]),
        of_side(&sides[1]),
        attention::answer(wished, passes, of_text, Some(&sides[0].target), maps),
    )
    .await?;
    scored.iter_mut().zip(of_pair).for_each(|(all, own)| {
        all.attributions.extend(own.attributions);
        all.usage.add(own.usage);
    });
    let targets = sides.map(|side| side.target).into();
    let predicted = Predicted::Similarity(similarity);
    let values = value.repeat(2);
    let parts = Parts { predicted, scored, targets, values, attention, evaluation: None };
    Ok(assemble(question, joined(text, pair), parts))
}

/// One text, and the cosine with the other as a function of it.
struct Side<'a> {
    encoding: &'a Encoding,
    target: Resolved,
    segment: usize,
}

impl<'a> Side<'a> {
    fn new(encoding: &'a Encoding, other: &RowOutput, segment: usize) -> Self {
        Self { encoding, target: embedding::cosine_with(other, segment), segment }
    }

    fn subject<'s>(
        &'s self,
        question: &Question,
        reads: &'s Arc<[usize]>,
        values: &'s [f64],
    ) -> Subject<'s> {
        let scalars = std::slice::from_ref(&self.target.scalar);
        Subject { encoding: self.encoding, reads, scalars, values, seed: question.seed }
    }
}

/// Scores of one text among those of both: the other's are 0.
fn beside(mut scored: ScoredMethod, other: &Encoding, segment: usize) -> ScoredMethod {
    let among = |Attribution { scores, .. }: &mut Attribution| {
        let place = if segment == 0 { scores.len() } else { 0 };
        scores.splice(place..place, std::iter::repeat_n(0., other.tokens.len()));
    };
    scored.attributions.iter_mut().for_each(among);
    scored
}

/// One list of tokens and of each unit, the second text's after the first's.
fn joined(mut text: Encoding, mut pair: Encoding) -> Encoding {
    let (tokens, words) = (text.tokens.len(), text.words.len());
    for token in &mut pair.tokens {
        token.segment = 1;
        token.word = token.word.map(|word| word + words);
    }
    let behind = |unit: &mut Unit| {
        unit.segment = 1;
        unit.tokens.iter_mut().for_each(|token| *token += tokens);
    };
    pair.words.iter_mut().chain(&mut pair.sentences).for_each(behind);
    text.tokens.append(&mut pair.tokens);
    text.words.append(&mut pair.words);
    text.sentences.append(&mut pair.sentences);
    text.texts = text.texts.iter().chain(pair.texts.iter()).cloned().collect();
    text.truncated |= pair.truncated;
    text
}
