//! Answers as spans of tokens, as in transformers' question-answering pipeline (last in version
//! 4.57).

use super::ModelOutput;
use crate::explanation::{AnswerOptions, FoundAnswer, NoAnswer};

/// Returns the number of candidate spans to convert to words for so many answers.
fn candidates_for(answers: usize) -> usize {
    2 * answers + 10
}

/// A span of tokens, by indices in `reads`.
#[derive(Clone, Copy)]
struct Candidate {
    start: usize,
    end: usize,
    score: f64,
}

/// Returns the best answers, best first. An answer's probability is that of its start times that
/// of its end, summed over spans with the same text.
pub fn found(options: &AnswerOptions, outputs: &ModelOutput<'_>) -> Vec<FoundAnswer> {
    let mut answers: Vec<FoundAnswer> = Vec::new();
    for candidate in candidates(options, outputs) {
        let answer = in_words(outputs, candidate);
        match answers.iter_mut().find(|other| same(other, &answer)) {
            Some(other) => other.probability += answer.probability,
            None => answers.push(answer),
        }
    }
    best(answers, options.top_k)
}

/// Whether two answers have the same text.
pub fn same(one: &FoundAnswer, other: &FoundAnswer) -> bool {
    one.text.to_lowercase() == other.text.to_lowercase()
}

/// Returns the `count` most probable answers.
pub fn best(mut answers: Vec<FoundAnswer>, count: usize) -> Vec<FoundAnswer> {
    answers.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    answers.truncate(count);
    answers
}

/// Returns the probability of no answer, if considered: the product of start and end at the
/// first read.
pub fn null_score(options: &AnswerOptions, outputs: &ModelOutput<'_>) -> Option<f64> {
    match options.none {
        NoAnswer::Ignored => None,
        NoAnswer::Considered => Some(probability(outputs, 0, 0) * probability(outputs, 0, 1)),
    }
}

/// Returns "no answer" as an answer.
pub fn null_answer(probability: f64) -> FoundAnswer {
    FoundAnswer { text: String::new(), start: 0, end: 0, probability, start_token: 0, end_token: 0 }
}

/// Returns the probability of the `position`-th read.
fn probability(outputs: &ModelOutput<'_>, position: usize, column: usize) -> f64 {
    outputs.output.probabilities[2 * position + column]
}

/// Returns the best spans, best first. Skips the first read, which stands for no answer.
fn candidates(options: &AnswerOptions, outputs: &ModelOutput<'_>) -> Vec<Candidate> {
    let max = candidates_for(options.top_k);
    let mut best: Vec<Candidate> = Vec::new();
    for start in 1..outputs.reads.len() {
        for end in start..outputs.reads.len() {
            if outputs.reads[end] - outputs.reads[start] >= options.max_tokens {
                break;
            }
            let score = probability(outputs, start, 0) * probability(outputs, end, 1);
            let rank = best.partition_point(|other| other.score >= score);
            if rank < max {
                best.insert(rank, Candidate { start, end, score });
                best.truncate(max);
            }
        }
    }
    best
}

/// Extends a span to whole words.
fn in_words(outputs: &ModelOutput<'_>, candidate: Candidate) -> FoundAnswer {
    let (start_token, end_token) = (outputs.reads[candidate.start], outputs.reads[candidate.end]);
    let tokens = &outputs.encoding.tokens;
    let (start, end) = (tokens[start_token].whole.0, tokens[end_token].whole.1);
    FoundAnswer {
        text: outputs.encoding.slice(1, start, end),
        start,
        end,
        probability: candidate.score,
        start_token,
        end_token,
    }
}
