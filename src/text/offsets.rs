//! Offsets of the original text where the tokenizer normalises it.
//!
//! The tokenizers library keeps where each normalised character is from, but of characters
//! that were put together (é of an e and its accent, a syllable of Hangul letters) only the
//! first, and of what a pattern replaced only the last. The others are found here: the code
//! points beyond a token, up to the next one, belong to it as far as the normalizer makes
//! something else of them together than of each by itself.

use tokenizers::{NormalizedString, Normalizer};

use super::borders::Span;

/// Code points that are looked at beyond a token. Unicode's longest compositions take
/// three more than the first.
const MOST: usize = 8;

/// Widens the offsets of a text's tokens so that they cover whole what their characters were
/// made of. None reaches into a token that it did not reach into before.
pub fn widen(spans: &mut [Span], text: &[char], normalizer: &impl Normalizer) {
    let made = |text: &str| {
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
        span.1 += joined(&made, text[span.1 - 1], beyond, String::push, |now, seen| {
            now.starts_with(seen)
        });
    }
    let mut ends: Vec<usize> = spans.iter().map(|span| span.1).collect();
    ends.sort_unstable();
    for span in spans.iter_mut().filter(covers) {
        let last = ends.partition_point(|&end| end <= span.0).checked_sub(1);
        let beyond = text[last.map_or(0, |last| ends[last])..span.0].iter().rev();
        let join = |whole: &mut String, c| whole.insert(0, c);
        span.0 -= joined(&made, text[span.0], beyond, join, |now, seen| now.ends_with(seen));
    }
}

/// How many of `others`, the code points beyond a token, nearest first, were put together
/// with `base`, its own. `apart` says whether what is made of all of them still has what was
/// made of fewer.
fn joined<'a>(
    made: &impl Fn(&str) -> Option<String>,
    base: char,
    others: impl Iterator<Item = &'a char>,
    join: impl Fn(&mut String, char),
    apart: impl Fn(&str, &str) -> bool,
) -> usize {
    let mut whole = base.to_string();
    let Some(mut seen) = made(&whole) else { return 0 };
    let mut count = 0;
    // White space is between words, whatever becomes of it.
    let others = others.take(MOST).take_while(|c| !c.is_whitespace());
    for (number, &c) in others.enumerate() {
        join(&mut whole, c);
        let Some(now) = made(&whole) else { break };
        if !apart(&now, &seen) {
            (seen, count) = (now, number + 1);
        } else if now != seen {
            break;
        }
        // Else it was dropped: what comes beyond may still be joined.
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
    fn a_composed_character_is_covered_whole() {
        let text = "de\u{301}ja\u{300}";
        assert_eq!(
            widened(text, &[(0, 1), (1, 2), (3, 4), (4, 5)], NFC),
            [(0, 1), (1, 3), (3, 4), (4, 6)]
        );
        // Two bytes of one character, and the bytes of two in one token.
        assert_eq!(widened(text, &[(0, 2), (1, 2), (3, 5)], NFC), [(0, 3), (1, 3), (3, 6)]);
        assert_eq!(widened(text, &[(0, 2), (1, 4)], NFC), [(0, 3), (1, 4)]);
        let hangul = "\u{1100}\u{1161}\u{110b}\u{1173}\u{11af}";
        assert_eq!(widened(hangul, &[(0, 1), (0, 3)], NFKC), [(0, 2), (0, 5)]);
        assert_eq!(widened(hangul, &[(0, 1), (2, 3)], NFKC), [(0, 2), (2, 5)]);
        let lower = Sequence::new(vec![Lowercase.into(), NFC.into()]);
        assert_eq!(widened("E\u{301}", &[(0, 1)], lower), [(0, 2)]);
    }

    #[test]
    fn what_a_pattern_replaced_is_covered_whole() {
        let quotes = Replace::new("``", "\"").unwrap();
        assert_eq!(widened("a``b", &[(0, 1), (2, 3), (3, 4)], quotes), [(0, 1), (1, 3), (3, 4)]);
    }

    #[test]
    fn what_was_dropped_is_nobody_s() {
        let bert = BertNormalizer::default();
        assert_eq!(widened("e\u{301}t", &[(0, 1), (2, 3)], bert), [(0, 1), (2, 3)]);
        assert_eq!(widened("e\u{200b}\u{7}", &[(0, 1)], bert), [(0, 1)]);
        assert_eq!(widened("e \u{301}", &[(0, 1)], NFC), [(0, 1)]);
        // A letter that the model has no piece for is itself, not a part of another.
        assert_eq!(widened("ab", &[(0, 1)], NFC), [(0, 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// The library's offsets of a decomposed text, character by character, are those of
        /// the composed one where each of its characters lies.
        #[test]
        fn decomposed_texts(text in "(\\PC|[가-힣]|[À-ɏ]|[ἀ-῾]|[ก-๛]){0,12}") {
            let parts: Vec<Vec<char>> = composed(&text)
                .chars()
                .map(|c| decomposed(c.encode_utf8(&mut [0; 4])).chars().collect())
                .collect();
            let whole: Vec<char> = decomposed(&text).chars().collect();
            // Marks of one letter may change places with those of another.
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

        /// Whatever the normalizer, tokens keep their order, and neighbours their borders.
        #[test]
        fn any_text(text in "\\PC{0,12}", kept in proptest::collection::vec(any::<bool>(), 12)) {
            let chars: Vec<char> = text.chars().collect();
            let places = (0..chars.len()).filter(|&place| kept[place]);
            let before: Vec<Span> = places.map(|place| (place, place + 1)).collect();
            let mut after = before.clone();
            widen(&mut after, &chars, &NormalizerWrapper::from(NFKC));
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(after.0 <= before.0 && before.1 <= after.1 && after.1 <= chars.len());
            }
            prop_assert!(after.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }
}
