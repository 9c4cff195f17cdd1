//! A text tokenised beside each candidate's hypothesis.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::explainer::Reading;
use crate::explanation::{Candidates, HypothesisWords, Question};
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, TextEncoder, Unit};

/// Every pair of an input, with the same of the text in all: where it must be cut, as much as
/// the longest hypothesis leaves.
pub fn reading(
    question: &Question,
    candidates: &Candidates,
    input: &Input,
    truncate: Truncate,
) -> Result<Reading> {
    if input.text_pair.is_some() {
        let detail = "with candidate_labels the second text is the hypothesis; send one text";
        return Err(Error::field(input.pair_pointer(), detail));
    }
    let (model, text) = (&question.model, &question.model.text);
    let pair = |(number, hypothesis): (usize, &String)| {
        let pair = Input { text_pair: Some(hypothesis.clone()), ..input.clone() };
        let encoding = text.encode(&model.id, &pair, truncate)?;
        let shared = shared(&encoding, text)
            .map_err(|error| error.within(&format!("/candidate_labels/{number}")))?;
        Ok((encoding, shared))
    };
    let pairs: Vec<(Encoding, usize)> =
        candidates.hypotheses.iter().enumerate().map(pair).collect::<Result<_>>()?;
    let least = pairs.iter().map(|(_, shared)| *shared).min().unwrap_or_default();
    let truncated = pairs.iter().any(|(encoding, _)| encoding.truncated);
    let pairs: Vec<Encoding> = pairs
        .into_iter()
        .map(|(encoding, shared)| cut(encoding, text, shared - least))
        .map(|encoding| Encoding { truncated, ..encoding })
        .map(|encoding| match candidates.words {
            HypothesisWords::Held => held(encoding, least),
            HypothesisWords::Explained => encoding,
        })
        .collect();
    let start = |pair: &Encoding| pair.ids.input_ids.get(..least).map(<[u32]>::to_vec);
    match pairs.windows(2).all(|two| start(&two[0]) == start(&two[1])) {
        true => Ok(Reading::Candidates(pairs)),
        false => Err(Error::field("/candidate_labels", UNEVEN)),
    }
}

const UNEVEN: &str = "the model's tokenizer does not put the text before its hypothesis; \
                      candidate_labels need one that does";

fn own(encoding: &Encoding, segment: usize) -> impl Iterator<Item = usize> {
    let tokens = encoding.tokens.iter().enumerate();
    let own = tokens.filter(move |(_, token)| token.segment == segment && !token.special);
    own.map(|(number, _)| number)
}

/// How many tokens come before those of the hypothesis.
fn shared(encoding: &Encoding, text: &TextEncoder) -> Result<usize> {
    let hypothesis: Vec<usize> = own(encoding, 1).collect();
    let Some(&first) = hypothesis.first() else {
        let detail = "the tokenizer keeps no character of this candidate's hypothesis";
        return Err(Error::new(Code::InputEmpty, detail));
    };
    let last = own(encoding, 0).last().unwrap_or_default();
    if last > first {
        return Err(Error::field("", UNEVEN));
    }
    // The longer text is cut: a hypothesis of less than half the room stays whole.
    let content = hypothesis.len() + own(encoding, 0).count();
    let room = text.max_tokens - (encoding.tokens.len() - content).min(text.max_tokens);
    if encoding.truncated && 2 * (hypothesis.len() + 1) > room {
        let detail = format!(
            "this candidate's hypothesis takes more than half of the {room} tokens that there are \
             for both; make it shorter"
        );
        return Err(Error::new(Code::InputTooLong, detail));
    }
    Ok(first)
}

/// The same with so many tokens less at the end of the text.
fn cut(encoding: Encoding, text: &TextEncoder, count: usize) -> Encoding {
    if count == 0 {
        return encoding;
    }
    let tokens: Vec<usize> = own(&encoding, 0).collect();
    let Some(&last) = tokens.len().checked_sub(count + 1).and_then(|at| tokens.get(at)) else {
        return encoding;
    };
    let gone: Range<usize> = last + 1..last + 1 + count;
    let places: Vec<usize> =
        (0..encoding.tokens.len()).filter(|place| !gone.contains(place)).collect();
    let of = |ids: &[u32]| places.iter().map(|&place| ids[place]).collect();
    let ids = text.tokens(of(&encoding.ids.input_ids), of(&encoding.ids.token_type_ids));
    let end = encoding.tokens[last].end;
    let number = |token: &usize| places.binary_search(token).ok();
    let left = |mut unit: Unit| {
        unit.tokens = unit.tokens.iter().filter_map(number).collect();
        (unit.segment == 1 || unit.start < end).then_some(unit)
    };
    Encoding {
        ids: Arc::new(ids),
        tokens: places.iter().map(|&place| encoding.tokens[place].clone()).collect(),
        words: encoding.words.into_iter().filter_map(left).collect(),
        sentences: encoding.sentences.into_iter().filter_map(left).collect(),
        spans: encoding
            .spans
            .into_iter()
            .map(|mut span| {
                span.unit.tokens = span.unit.tokens.iter().filter_map(number).collect();
                span
            })
            .collect(),
        ..encoding
    }
}

/// The same with a hypothesis that has no units, so that methods leave it alone.
fn held(mut encoding: Encoding, shared: usize) -> Encoding {
    encoding.held = encoding.tokens.len() - shared;
    encoding.words.retain(|word| word.segment == 0);
    encoding.sentences.retain(|sentence| sentence.segment == 0);
    encoding.tokens.iter_mut().skip(shared).for_each(|token| token.word = None);
    encoding
}
