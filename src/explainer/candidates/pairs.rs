//! Tokenises a text with the hypothesis of each candidate.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::explainer::TokenizedInput;
use crate::explanation::{Candidates, HypothesisWords, Question};
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, TextEncoder, Unit};

/// Tokenises every pair of an input, with the same text tokens in all of them. A text that is too
/// long is cut to what the longest hypothesis leaves.
pub fn tokenized(
    question: &Question,
    candidates: &Candidates,
    input: &Input,
    truncate: Truncate,
) -> Result<TokenizedInput> {
    if input.text_pair.is_some() {
        let detail = "with candidate_labels the second text is the hypothesis; send a single text";
        return Err(Error::field(input.pair_pointer(), detail));
    }
    let (model, text) = (&question.model, &question.model.text);
    let pair = |(index, hypothesis): (usize, &String)| {
        let pair = Input { text_pair: Some(hypothesis.clone()), ..input.clone() };
        let encoding = text.encode(&model.id, &pair, truncate)?;
        let shared = shared(&encoding, text)
            .map_err(|error| error.within(&format!("/candidate_labels/{index}")))?;
        Ok((encoding, shared))
    };
    let pairs: Vec<(Encoding, usize)> =
        candidates.hypotheses.iter().enumerate().map(pair).collect::<Result<_>>()?;
    let shortest = pairs.iter().map(|(_, shared)| *shared).min().unwrap_or_default();
    let truncated = pairs.iter().any(|(encoding, _)| encoding.truncated);
    let pairs: Vec<Encoding> = pairs
        .into_iter()
        .map(|(encoding, shared)| cut(encoding, text, shared - shortest))
        .map(|encoding| Encoding { truncated, ..encoding })
        .map(|encoding| match candidates.words {
            HypothesisWords::Fixed => hold(encoding, shortest),
            HypothesisWords::Explained => encoding,
        })
        .collect();
    let start = |pair: &Encoding| pair.ids.input_ids.get(..shortest).map(<[u32]>::to_vec);
    match pairs.windows(2).all(|two| start(&two[0]) == start(&two[1])) {
        true => Ok(TokenizedInput::Candidates(pairs)),
        false => Err(Error::field("/candidate_labels", TEXT_NOT_FIRST)),
    }
}

const TEXT_NOT_FIRST: &str = "the model's tokenizer does not put the text before its hypothesis; \
                              candidate_labels need one that does";

fn content_positions(encoding: &Encoding, segment: usize) -> impl Iterator<Item = usize> {
    let tokens = encoding.tokens.iter().enumerate();
    let content = tokens.filter(move |(_, token)| token.segment == segment && !token.special);
    content.map(|(position, _)| position)
}

/// Returns the number of tokens before those of the hypothesis.
fn shared(encoding: &Encoding, text: &TextEncoder) -> Result<usize> {
    let hypothesis: Vec<usize> = content_positions(encoding, 1).collect();
    let Some(&first) = hypothesis.first() else {
        let detail = "the tokenizer keeps no character of this candidate's hypothesis";
        return Err(Error::new(Code::InputEmpty, detail));
    };
    let last = content_positions(encoding, 0).last().unwrap_or_default();
    if last > first {
        return Err(Error::field("", TEXT_NOT_FIRST));
    }
    // Truncation cuts the longer text, so a hypothesis of less than half the room stays whole.
    let content = hypothesis.len() + content_positions(encoding, 0).count();
    let room = text.max_tokens - (encoding.tokens.len() - content).min(text.max_tokens);
    if encoding.truncated && 2 * (hypothesis.len() + 1) > room {
        let detail = format!(
            "this candidate's hypothesis takes more than half of the {room} tokens available for \
             both texts; make it shorter"
        );
        return Err(Error::new(Code::InputTooLong, detail));
    }
    Ok(first)
}

/// Removes the last `count` tokens of the text.
fn cut(encoding: Encoding, text: &TextEncoder, count: usize) -> Encoding {
    if count == 0 {
        return encoding;
    }
    let tokens: Vec<usize> = content_positions(&encoding, 0).collect();
    let Some(&last) = tokens.len().checked_sub(count + 1).and_then(|i| tokens.get(i)) else {
        return encoding;
    };
    let removed: Range<usize> = last + 1..last + 1 + count;
    let positions: Vec<usize> =
        (0..encoding.tokens.len()).filter(|position| !removed.contains(position)).collect();
    let select = |ids: &[u32]| positions.iter().map(|&position| ids[position]).collect();
    let ids = text.tokens(select(&encoding.ids.input_ids), select(&encoding.ids.token_type_ids));
    let end = encoding.tokens[last].end;
    let new_position = |token: &usize| positions.binary_search(token).ok();
    let remaining = |mut unit: Unit| {
        unit.tokens = unit.tokens.iter().filter_map(new_position).collect();
        (unit.segment == 1 || unit.start < end).then_some(unit)
    };
    let rationale = encoding.rationale.iter().filter_map(new_position).collect();
    Encoding {
        ids: Arc::new(ids),
        rationale,
        tokens: positions.iter().map(|&position| encoding.tokens[position].clone()).collect(),
        words: encoding.words.into_iter().filter_map(remaining).collect(),
        sentences: encoding.sentences.into_iter().filter_map(remaining).collect(),
        spans: encoding
            .spans
            .into_iter()
            .map(|mut span| {
                span.unit.tokens = span.unit.tokens.iter().filter_map(new_position).collect();
                span
            })
            .collect(),
        ..encoding
    }
}

/// Removes the units of the hypothesis, so that methods do not change it.
fn hold(mut encoding: Encoding, shared: usize) -> Encoding {
    encoding.held = encoding.tokens.len() - shared;
    encoding.words.retain(|word| word.segment == 0);
    encoding.sentences.retain(|sentence| sentence.segment == 0);
    encoding.tokens.iter_mut().skip(shared).for_each(|token| token.word = None);
    encoding
}
