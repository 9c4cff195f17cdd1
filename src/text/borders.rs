//! Word and sentence boundaries by Unicode's rules (UAX #29), and words in runs of Chinese
//! characters, which have no spaces, by a dictionary.

use std::sync::LazyLock;

use jieba_rs::Jieba;
use unicode_segmentation::UnicodeSegmentation;

use crate::script::is_han;

/// A half-open range of code points.
pub type Span = (usize, usize);

/// Takes about 35 MB and 0.2 s; loaded on the first Chinese text.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Returns the words of a text, including punctuation marks, without white space.
pub fn words(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut run = String::new();
    let mut position = 0;
    for piece in text.split_word_bounds() {
        let length = piece.chars().count();
        if piece.chars().all(is_han) {
            run.push_str(piece);
        } else {
            push_chinese_words(&std::mem::take(&mut run), position, &mut spans);
            if !is_blank(piece) {
                spans.push((position, position + length));
            }
        }
        position += length;
    }
    push_chinese_words(&run, position, &mut spans);
    spans
}

/// Appends the words of a run of Chinese characters that ends at `end`.
fn push_chinese_words(run: &str, end: usize, spans: &mut Vec<Span>) {
    if run.is_empty() {
        return;
    }
    let mut start = end - run.chars().count();
    for word in JIEBA.cut(run, true) {
        for part in split_off_hen(word.word) {
            let length = part.chars().count();
            spans.push((start, start + length));
            start += length;
        }
    }
}

/// Splits 很 off. It is always an adverb of degree, and its effect on the score should be
/// visible, but the dictionary has some of its compounds: 很棒, not 很好.
fn split_off_hen(word: &str) -> impl Iterator<Item = &str> {
    word.split_inclusive('很').flat_map(|part| {
        let before = part.strip_suffix('很').unwrap_or(part);
        [before, &part[before.len()..]].into_iter().filter(|part| !part.is_empty())
    })
}

/// Returns whether the dictionary of Chinese has this word.
pub fn is_chinese_word(text: &str) -> bool {
    JIEBA.has_word(text)
}

/// Returns the sentences of a text, without surrounding white space.
pub fn sentences(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut position = 0;
    for piece in text.split_sentence_bounds() {
        let length = piece.chars().count();
        if !is_blank(piece) {
            let before = piece.chars().take_while(|c| c.is_whitespace()).count();
            let after = piece.chars().rev().take_while(|c| c.is_whitespace()).count();
            spans.push((position + before, position + length - after));
        }
        position += length;
    }
    spans
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, spans: Vec<Span>) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        spans.into_iter().map(|(start, end)| chars[start..end].iter().collect()).collect()
    }

    #[test]
    fn words_in_both_scripts() {
        for (text, expected) in [
            ("这部电影真的很棒", "这部 电影 真的 很 棒"),
            ("质量很好，不错！", "质量 很 好 ， 不错 ！"),
            ("好得很", "好 得 很"),
            ("It isn't bad, 3.14!", "It isn't bad , 3.14 !"),
            ("这部movie真的好看", "这部 movie 真的 好看"),
            ("iPhone很好用😀👍🏽", "iPhone 很 好 用 😀 👍🏽"),
            ("  a \t\r\n b ", "a b"),
            ("", ""),
        ] {
            assert_eq!(cut(text, words(text)).join(" "), expected);
        }
    }

    #[test]
    fn sentences_in_both_scripts() {
        for (text, expected) in [
            ("物流很快。东西不好！还会买吗？", &["物流很快。", "东西不好！", "还会买吗？"][..]),
            ("It works. I like it!  Do you?", &["It works.", "I like it!", "Do you?"]),
            ("Dr. no is 3.5 stars", &["Dr. no is 3.5 stars"]),
            ("他说：“很好。”我不信", &["他说：“很好。”", "我不信"]),
        ] {
            assert_eq!(cut(text, sentences(text)), expected);
        }
    }
}
