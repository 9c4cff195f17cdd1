//! Corrects token offsets if the tokenizer normalizes the text.
//!
//! The tokenizers library maps a composed character (é from e and an accent, a Hangul syllable)
//! only to its first code point, and a replaced pattern only to its last. This module finds the
//! others: code points between a token and the next one belong to it if normalizing them
//! together with it differs from normalizing them separately.

use tokenizers::{NormalizedString, Normalizer};

use super::borders::Span;

/// Maximum number of code points to add to a token. Unicode's longest compositions have four
/// code points.
const MAX_ADDED: usize = 8;

/// Widens the spans of tokens to cover all code points that their characters were made from.
/// Creates no new overlaps.
pub fn widen(spans: &mut [Span], text: &[char], normalizer: &impl Normalizer) {
    let normalize = |text: &str| {
        let mut normalized = NormalizedString::from(text);
        normalizer.normalize(&mut normalized).map(|()| normalized.get().to_owned()).ok()
    };
    let covers = |span: &&mut Span| span.0 < span.1 && span.1 <= text.len();
    let mut starts: Vec<usize> = spans.iter().map(|span| span.0).collect();
    starts.sort_unstable();
    for span in spans.iter_mut().filter(covers) {
        let next = starts.partition_point(|&start| start < span.1);
        let next = starts.get(next).map_or(text.len(), |&start| start.min(text.len()));
        let beyond = text[span.1..next].iter();
        span.1 += joined(&normalize, text[span.1 - 1], beyond, String::push, |new, old| {
            new.starts_with(old)
        });
    }
    let mut ends: Vec<usize> = spans.iter().map(|span| span.1).collect();
    ends.sort_unstable();
    for span in spans.iter_mut().filter(covers) {
        let last = ends.partition_point(|&end| end <= span.0).checked_sub(1);
        let beyond = text[last.map_or(0, |last| ends[last])..span.0].iter().rev();
        let join = |whole: &mut String, c| whole.insert(0, c);
        span.0 -= joined(&normalize, text[span.0], beyond, join, |new, old| new.ends_with(old));
    }
}

/// Returns how many of `others`, the code points next to a token, nearest first, are normalized
/// together with its outermost code point, `base`. `is_separate` compares the normalized text
/// with the one before the last code point was added.
fn joined<'a>(
    normalize: &impl Fn(&str) -> Option<String>,
    base: char,
    others: impl Iterator<Item = &'a char>,
    join: impl Fn(&mut String, char),
    is_separate: impl Fn(&str, &str) -> bool,
) -> usize {
    // White space never belongs to a token.
    let mut others = others.take(MAX_ADDED).take_while(|c| !c.is_whitespace()).peekable();
    // Normalizing takes most of the time, and few tokens have such a neighbour.
    if others.peek().is_none() {
        return 0;
    }
    let mut whole = base.to_string();
    let Some(mut last) = normalize(&whole) else { return 0 };
    let mut count = 0;
    for (number, &c) in others.enumerate() {
        join(&mut whole, c);
        let Some(new) = normalize(&whole) else { break };
        if !is_separate(&new, &last) {
            (last, count) = (new, number + 1);
        } else if new != last {
            break;
        }
        // Otherwise the normalizer dropped it, and later code points may still be joined.
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::normalizers::{
        BertNormalizer, Lowercase, NFC, NFKC, NormalizerWrapper, Replace, Sequence,
    };

    use super::*;

    fn widened(text: &str, spans: &[Span], normalizer: impl Into<NormalizerWrapper>) -> Vec<Span> {
        let text: Vec<char> = text.chars().collect();
        let mut spans = spans.to_vec();
        widen(&mut spans, &text, &normalizer.into());
        spans
    }

    fn composed(text: &str) -> String {
        NormalizedString::from(text).nfc().get().to_owned()
    }

    fn decomposed(text: &str) -> String {
        NormalizedString::from(text).nfd().get().to_owned()
    }

    #[test]
    fn composed_characters_are_covered() {
        let text = "de\u{301}ja\u{300}";
        assert_eq!(
            widened(text, &[(0, 1), (1, 2), (3, 4), (4, 5)], NFC),
            [(0, 1), (1, 3), (3, 4), (4, 6)]
        );
        // Two byte tokens of one character, and one token with bytes of two characters.
        assert_eq!(widened(text, &[(0, 2), (1, 2), (3, 5)], NFC), [(0, 3), (1, 3), (3, 6)]);
        assert_eq!(widened(text, &[(0, 2), (1, 4)], NFC), [(0, 3), (1, 4)]);
        let hangul = "\u{1100}\u{1161}\u{110b}\u{1173}\u{11af}";
        assert_eq!(widened(hangul, &[(0, 1), (0, 3)], NFKC), [(0, 2), (0, 5)]);
        assert_eq!(widened(hangul, &[(0, 1), (2, 3)], NFKC), [(0, 2), (2, 5)]);
        let lower = Sequence::new(vec![Lowercase.into(), NFC.into()]);
        assert_eq!(widened("E\u{301}", &[(0, 1)], lower), [(0, 2)]);
    }

    #[test]
    fn replaced_patterns_are_covered() {
        let quotes = Replace::new("``", "\"").unwrap();
        assert_eq!(widened("a``b", &[(0, 1), (2, 3), (3, 4)], quotes), [(0, 1), (1, 3), (3, 4)]);
    }

    #[test]
    fn dropped_characters_belong_to_no_token() {
        let bert = BertNormalizer::default();
        assert_eq!(widened("e\u{301}t", &[(0, 1), (2, 3)], bert), [(0, 1), (2, 3)]);
        assert_eq!(widened("e\u{200b}\u{7}", &[(0, 1)], bert), [(0, 1)]);
        assert_eq!(widened("e \u{301}", &[(0, 1)], NFC), [(0, 1)]);
        // A letter without a piece in the vocabulary does not belong to its neighbour.
        assert_eq!(widened("ab", &[(0, 1)], NFC), [(0, 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// For a decomposed text, the widened spans cover the code points of each composed
        /// character.
        #[test]
        fn decomposed_texts(text in "(\\PC|[가-힣]|[À-ɏ]|[ἀ-῾]|[ก-๛]){0,12}") {
            let parts: Vec<Vec<char>> = composed(&text)
                .chars()
                .map(|c| decomposed(c.encode_utf8(&mut [0; 4])).chars().collect())
                .collect();
            let whole: Vec<char> = decomposed(&text).chars().collect();
            // Canonical ordering may move marks across letters.
            prop_assume!(parts.concat() == whole);
            let mut ends = parts.iter().scan(0, |end, part| {
                let start = *end;
                *end += part.len();
                Some((start, *end))
            });
            let expected: Vec<Span> = ends.by_ref().collect();
            let mut spans: Vec<Span> =
                expected.iter().map(|&(start, _)| (start, start + 1)).collect();
            widen(&mut spans, &whole, &NormalizerWrapper::from(NFC));
            prop_assert_eq!(spans, expected);
        }

        /// Spans only grow, stay in order and do not overlap.
        #[test]
        fn any_text(text in "\\PC{0,12}", kept in proptest::collection::vec(any::<bool>(), 12)) {
            let chars: Vec<char> = text.chars().collect();
            let indices = (0..chars.len()).filter(|&index| kept[index]);
            let before: Vec<Span> = indices.map(|index| (index, index + 1)).collect();
            let mut after = before.clone();
            widen(&mut after, &chars, &NormalizerWrapper::from(NFKC));
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(after.0 <= before.0 && before.1 <= after.1 && after.1 <= chars.len());
            }
            prop_assert!(after.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }
}
