//! Texts that nobody meant: whatever is sent is answered or refused, offsets
//! stay inside the text, and the service goes on.

use std::sync::{Arc, OnceLock};

use explaind::model::{Model, Placement};
use explaind::text::tokenizer::Truncate;
use proptest::prelude::*;

use crate::support::{input, load};

fn model() -> &'static Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    MODEL.get_or_init(|| load("builtin:sentiment-en".parse().unwrap(), &Placement::default()))
}

/// What must hold of any text that is answered.
fn check(text: &str) {
    let Ok(encoding) = model().text.encode(&input(text, None), Truncate::Yes) else { return };
    let length = text.chars().count();
    assert!(encoding.tokens.len() <= model().text.max_tokens);
    let mut end = 0;
    for token in encoding.tokens.iter().filter(|token| !token.special) {
        assert!(token.start <= token.end && token.end <= length, "{text:?}: {token:?}");
        assert!(token.start >= end || token.end == end, "{text:?}: {token:?} goes back");
        end = token.end;
    }
    let mut covered = vec![false; length];
    for word in &encoding.words {
        let chars: String = text.chars().skip(word.start).take(word.end - word.start).collect();
        assert_eq!(chars, word.text);
        for place in &mut covered[word.start..word.end] {
            assert!(!std::mem::replace(place, true), "{text:?}: words overlap");
        }
        for &token in &word.tokens {
            assert!(encoding.tokens[token].word.is_some());
        }
    }
    for (c, covered) in text.chars().zip(covered) {
        assert!(covered || c.is_whitespace(), "{text:?}: {c:?} is in no word");
    }
}

#[test]
fn chosen_texts() {
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
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn words_marks_and_spaces(text in "([a-zA-Zé]{1,9}|[!-/]|[一-龥]|[😀-😂]|\u{301}|[ \t\n]){0,40}") {
        check(&text);
    }
}
