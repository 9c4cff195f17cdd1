//! Property tests of words and offsets for every kind of tokenizer.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use explaind::text::tokenizer::Truncate;
use explaind::text::{Encoding, Unit};
use proptest::prelude::*;

use crate::support::{cases, golden_folder, input};

/// One model per distinct tokenizer of the golden folders.
static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let folders = fs::read_dir(golden_folder("")).unwrap().map(|entry| entry.unwrap().path());
    let mut kinds = BTreeMap::new();
    for folder in folders {
        let read = |name: &str| fs::read(folder.join(name));
        if let (Ok(tokenizer), Ok(config)) = (read("tokenizer.json"), read("tokenizer_config.json"))
        {
            kinds.entry((tokenizer, config)).or_insert(folder);
        }
    }
    let load =
        |folder| Model::load("tested", &Source::Directory(folder), &Placement::default()).unwrap();
    kinds.into_values().map(load).collect()
});

/// Units are disjoint and in order, and each token that is not special is in exactly one.
fn check_units(encoding: &Encoding, units: &[Unit], kind: &str) {
    let mut owners = vec![0; encoding.tokens.len()];
    units.iter().flat_map(|unit| &unit.tokens).for_each(|&token| owners[token] += 1);
    for (token, owners) in encoding.tokens.iter().zip(owners) {
        assert_eq!(owners, usize::from(!token.special), "{token:?} is in {owners} {kind}s");
    }
    for pair in units.windows(2) {
        let disjoint = pair[1].segment > pair[0].segment || pair[0].end <= pair[1].start;
        assert!(disjoint, "{kind}s {:?} and {:?} overlap", pair[0], pair[1]);
    }
}

fn check(model: &Model, text: &str, pair: Option<&str>, truncate: Truncate) {
    // A text without any tokens is rejected.
    let Ok(encoding) = model.encode(&input(text, pair), truncate) else { return };
    check_units(&encoding, &encoding.words, "word");
    check_units(&encoding, &encoding.sentences, "sentence");
    for (segment, text) in [Some(text), pair].into_iter().flatten().enumerate() {
        let chars: Vec<char> = text.chars().collect();
        let mut last = 0;
        let own = encoding.tokens.iter().filter(|t| t.segment == segment && !t.special);
        for token in own {
            assert!(token.start <= token.end && token.end <= chars.len(), "{token:?}");
            assert!(last <= token.start, "{token:?} begins before {last}");
            last = token.start;
        }
        for word in encoding.words.iter().filter(|word| word.segment == segment) {
            assert_eq!(chars[word.start..word.end].iter().collect::<String>(), word.text);
        }
    }
}

/// Arbitrary text, with many characters that are difficult for tokenizers.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,8}",
        "[ \\t\\r\\n\u{a0}\u{2003}\u{3000}\u{200b}\u{feff}\u{0}\u{7}]{1,4}",
        "[a-zA-Zé]{1,6}",
        "[\u{300}-\u{345}]{1,4}",
        "[\u{1100}-\u{11ff}가-힣]{1,4}",
        "[ｦ-ﾟ！-～①-⑳ﬀ-ﬆ½…]{1,4}",
        "[电影的很好，。]{1,4}",
        "[😀-😏👨👩\u{200d}\u{fe0f}🏽🇩🇪]{1,4}",
        "(\\[MASK\\]|</?s>|<mask>|``|''|##s|▁|Ġ)",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

#[test]
fn spaces_are_in_the_words_around_them() {
    for model in MODELS.iter() {
        for text in ["good  film", " good 😀 film ", "the 电影 was\tgood\n", "\u{3000}好 "] {
            check(model, text, None, Truncate::No);
            check(model, text, Some(text), Truncate::No);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(60, 5_000)))]

    #[test]
    fn words_contain_all_of_their_tokens(text in texts(), pair in proptest::option::of(texts())) {
        for model in MODELS.iter() {
            for truncate in [Truncate::Yes, Truncate::Windows { most: 100 }] {
                check(model, &text, pair.as_deref(), truncate);
            }
        }
    }
}
