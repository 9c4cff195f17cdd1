//! Answers as spans of tokens, by the rules of transformers' question-answering pipeline
//! (its last version, 4.57).

use super::Read;
use crate::explanation::{AnswerOptions, FoundAnswer, NoAnswer};

/// Spans that are looked at in words, for so many answers.
fn candidates_for(answers: usize) -> usize {
    2 * answers + 10
}

/// A span of tokens by its numbers among the reads.
#[derive(Clone, Copy)]
struct Candidate {
    start: usize,
    end: usize,
    score: f64,
}

/// The best spans in words with their products of start and end, summed over spans that read
/// the same; best first.
pub fn found(options: &AnswerOptions, read: &Read<'_>) -> Vec<FoundAnswer> {
    let mut answers: Vec<FoundAnswer> = Vec::new();
    for candidate in candidates(options, read) {
        let answer = in_words(read, candidate);
        match answers.iter_mut().find(|other| same(other, &answer)) {
            Some(other) => other.probability += answer.probability,
            None => answers.push(answer),
        }
    }
    best(answers, options.top_k)
}

/// Whether two answers read the same.
pub fn same(one: &FoundAnswer, other: &FoundAnswer) -> bool {
    one.text.to_lowercase() == other.text.to_lowercase()
}

/// The first `count` of the highest.
pub fn best(mut answers: Vec<FoundAnswer>, count: usize) -> Vec<FoundAnswer> {
    answers.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    answers.truncate(count);
    answers
}

/// How sure it is that there is no answer, where that counts: the product of start and end
/// at the first read.
pub fn null_score(options: &AnswerOptions, read: &Read<'_>) -> Option<f64> {
    match options.none {
        NoAnswer::Ignored => None,
        NoAnswer::Considered => Some(probability(read, 0, 0) * probability(read, 0, 1)),
    }
}

/// That there is no answer, as one.
pub fn null_answer(probability: f64) -> FoundAnswer {
    FoundAnswer { text: String::new(), start: 0, end: 0, probability, start_token: 0, end_token: 0 }
}

/// Of the `number`-th read.
fn probability(read: &Read<'_>, number: usize, column: usize) -> f64 {
    read.output.probabilities[2 * number + column]
}

/// The best spans, best first. The first read stands for no answer.
fn candidates(options: &AnswerOptions, read: &Read<'_>) -> Vec<Candidate> {
    let most = candidates_for(options.top_k);
    let mut best: Vec<Candidate> = Vec::new();
    for start in 1..read.reads.len() {
        for end in start..read.reads.len() {
            if read.reads[end] - read.reads[start] >= options.max_tokens {
                break;
            }
            let score = probability(read, start, 0) * probability(read, end, 1);
            let place = best.partition_point(|other| other.score >= score);
            if place < most {
                best.insert(place, Candidate { start, end, score });
                best.truncate(most);
            }
        }
    }
    best
}

/// From the start of the first token's word to the end of the last one's.
fn in_words(read: &Read<'_>, candidate: Candidate) -> FoundAnswer {
    let (start_token, end_token) = (read.reads[candidate.start], read.reads[candidate.end]);
    let tokens = &read.encoding.tokens;
    let (start, end) = (tokens[start_token].whole.0, tokens[end_token].whole.1);
    FoundAnswer {
        text: read.encoding.slice(1, start, end),
        start,
        end,
        probability: candidate.score,
        start_token,
        end_token,
    }
}
