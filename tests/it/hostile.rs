//! Fuzzing of `Model::encode`: every text is encoded or rejected, and offsets stay inside the text.

use std::sync::{Arc, OnceLock};

use explaind::model::{Model, Placement};
use explaind::text::tokenizer::Truncate;
use explaind::text::{Encoding, Input, Unit};
use proptest::prelude::*;

use crate::support::{cases, input, load};

/// Both built-in models: one with word pieces, one with characters.
fn models() -> &'static [Arc<Model>] {
    static MODELS: OnceLock<Vec<Arc<Model>>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let load = |name: &str| load(name.parse().unwrap(), &Placement::default());
        ["builtin:sentiment-en", "builtin:sentiment-zh"].map(load).into()
    })
}

/// Checks the invariants of an encoding.
fn check(text: &str) {
    models().iter().for_each(|model| check_with(model, text));
}

fn check_with(model: &Model, text: &str) {
    let Ok(encoding) = model.encode(&input(text, None), Truncate::Yes) else { return };
    let length = text.chars().count();
    assert!(encoding.tokens.len() <= model.text.max_tokens);
    let mut end = 0;
    for token in encoding.tokens.iter().filter(|token| !token.special) {
        assert!(token.start <= token.end && token.end <= length, "{text:?}: {token:?}");
        assert!(token.start >= end || token.end == end, "{text:?}: {token:?} is out of order");
        end = token.end;
    }
    for token in encoding.tokens.iter().filter(|token| !token.special && token.start < token.end) {
        let blank = text.chars().skip(token.start).take(token.end - token.start);
        assert!(token.word.is_some() || blank.clone().all(char::is_whitespace), "{token:?}");
    }
    check_units(text, &encoding, &encoding.words);
    check_units(text, &encoding, &encoding.sentences);
    check_spans(model, text, length);
}

/// Units are in order, do not overlap, and cover everything except white space. Every token with
/// a word is in exactly one unit.
fn check_units(text: &str, encoding: &Encoding, units: &[Unit]) {
    let chars: Vec<char> = text.chars().collect();
    let mut covered = vec![false; chars.len()];
    let mut owned = vec![false; encoding.tokens.len()];
    for unit in units {
        assert_eq!(chars[unit.start..unit.end].iter().collect::<String>(), unit.text);
        for character in &mut covered[unit.start..unit.end] {
            assert!(!std::mem::replace(character, true), "{text:?}: units overlap");
        }
        for &token in &unit.tokens {
            assert!(!std::mem::replace(&mut owned[token], true), "{text:?}: a token in two units");
            assert!(encoding.tokens[token].start < unit.end);
            assert!(encoding.tokens[token].end > unit.start);
        }
    }
    for (c, covered) in chars.iter().zip(covered) {
        assert!(
            covered || encoding.truncated || c.is_whitespace(),
            "{text:?}: {c:?} is in no unit"
        );
    }
    for (token, owned) in encoding.tokens.iter().zip(owned) {
        assert_eq!(owned, token.word.is_some(), "{text:?}: {token:?}");
    }
}

/// Encodes both halves of a text as spans: they do not overlap, or are rejected because they share
/// a token.
fn check_spans(model: &Model, text: &str, length: usize) {
    if length < 2 {
        return;
    }
    let middle = length / 2;
    let halves = Input { spans: vec![(0, middle), (middle, length)], ..input(text, None) };
    match model.encode(&halves, Truncate::Yes) {
        Ok(encoding) => {
            let [first, second] = &encoding.spans[..] else { panic!("two spans") };
            assert!(first.unit.end <= second.unit.start);
            assert!(first.unit.start == 0 && second.unit.end == length);
        }
        Err(error) => assert!(error.pointer.unwrap().starts_with("/spans/"), "{text:?}"),
    }
}

#[test]
fn handpicked_texts() {
    for text in [
        "Café — GREAT!! 😀 ok",
        "e\u{301}\u{302}\u{303}clair",
        "ＦＵＬＬ width",
        "a\r\nb\tc",
        "👨‍👩‍👧‍👦 family",
        "\u{202e}right to left",
        "<script>alert(1)</script>",
        "[CLS] [MASK] [SEP]",
        "\u{0}\u{1}\u{7f}",
        "ｶﾞｷﾞ",
        "这部电影真的很棒",
        "ไทยไม่มีวรรค",
        "a\u{200b}b\u{feff}c",
        "ﷺ",
        "İstanbul ǅ ß ﬁ",
        "don't can't won't",
        "3.14 1,000 10%",
        "x",
    ] {
        check(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500, 5_000)))]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn words_punctuation_and_spaces(
        text in "([a-zA-Zé]{1,9}|[!-/]|[一-龥]{1,4}|[。！？，]|[ａ-ｚ]|[ぁ-ん]|[ก-ฮ]|[가-힣]|[😀-😂]|\
                 \u{301}|\u{200d}|\u{fe0f}|\u{200b}|ﷺ|İ|\r\n|[ \t\n]){0,40}",
    ) {
        check(&text);
    }
}
