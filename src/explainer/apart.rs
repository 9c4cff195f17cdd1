//! Two texts that are read apart: an encoder embeds each by itself, and what is
//! explained is the cosine of the two embeddings, as a function of one text and
//! as a function of the other.

use std::sync::Arc;

use super::{explained, explanations};
use crate::attention;
use crate::attribution::Granularity;
use crate::error::{Error, Result};
use crate::explanation::{Explained, Explanation, Predicted, Question};
use crate::passes::Passes;
use crate::rows::{Row, Want};
use crate::tasks::embedding;
use crate::text::{Encoding, Unit};

/// Explains what makes `text` and `pair` similar. Attention is that of `text`.
pub async fn explain(
    question: &Question,
    passes: &Passes,
    layers: &[usize],
    text: Encoding,
    pair: Encoding,
) -> Result<Explained> {
    let none: Arc<[usize]> = [].into();
    let row = |encoding: &Encoding, attention: &[usize]| Row {
        attention: attention.to_vec(),
        want: Want::States,
        ..Row::forward(Arc::clone(&encoding.ids), Arc::clone(&none))
    };
    let outputs = passes.run(vec![row(&text, layers), row(&pair, &[])]).await?;
    let [mut of_text, of_pair]: [_; 2] =
        outputs.try_into().map_err(|_| Error::internal("two rows gave not two outputs"))?;
    let attention = std::mem::take(&mut of_text.attention);
    let similarity = embedding::similarity(&question.model, &of_text, &of_pair);
    let values: Vec<f64> = similarity.pair.iter().map(|pair| pair.cosine).collect();
    let mut all = Vec::new();
    if !question.methods.is_empty() {
        let both = [(&text, &of_pair, &pair), (&pair, &of_text, &text)];
        for (segment, (encoding, output, other)) in both.into_iter().enumerate() {
            let target = embedding::cosine_with(output, segment);
            let own = explanations(question, passes, encoding, &none, &[target], &values).await?;
            all.extend(own.into_iter().map(|one| beside(one, other, segment)));
        }
    }
    let attention = attention::select(question, layers, attention)?;
    let predicted = Predicted::Similarity(similarity);
    Ok(explained(question, joined(text, pair), predicted, all, attention))
}

/// Scores of one text among those of both: the other's are 0.
fn beside(mut explanation: Explanation, other: &Encoding, segment: usize) -> Explanation {
    for (unit, scores) in &mut explanation.scores {
        let count = match unit {
            Granularity::Token => other.tokens.len(),
            Granularity::Word => other.words.len(),
            Granularity::Sentence => other.sentences.len(),
            Granularity::Span => other.spans.len(),
        };
        let place = if segment == 0 { scores.len() } else { 0 };
        scores.splice(place..place, std::iter::repeat_n(0., count));
    }
    explanation
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
    text.texts.append(&mut pair.texts);
    text.truncated |= pair.truncated;
    text
}
