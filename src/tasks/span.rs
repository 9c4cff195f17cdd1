//! The best span of an answer, by the rules of transformers' question-answering
//! pipeline (its last version, 4.57).

use super::Read;
use crate::error::{Error, Result};
use crate::explanation::FoundAnswer;

/// The most tokens of an answer.
const LONGEST: usize = 15;

/// Spans that are looked at in words.
const CANDIDATES: usize = 12;

/// A span of tokens by its numbers among the reads.
#[derive(Clone, Copy)]
struct Candidate {
    start: usize,
    end: usize,
    score: f64,
}

/// The words with the highest product of start and end, summed over spans that
/// read the same.
pub fn best(read: &Read<'_>) -> Result<FoundAnswer> {
    let mut answers: Vec<FoundAnswer> = Vec::new();
    for candidate in candidates(read) {
        let answer = in_words(read, candidate);
        let same =
            |other: &&mut FoundAnswer| other.text.to_lowercase() == answer.text.to_lowercase();
        match answers.iter_mut().find(same) {
            Some(other) => other.probability += answer.probability,
            None => answers.push(answer),
        }
    }
    let best = answers
        .into_iter()
        .reduce(|best, answer| if answer.probability > best.probability { answer } else { best });
    best.ok_or_else(|| Error::internal("an answer without a token"))
}

/// The best spans, best first. The first read stands for no answer.
fn candidates(read: &Read<'_>) -> Vec<Candidate> {
    let probability = |number: usize, column: usize| read.output.probabilities[2 * number + column];
    let mut best: Vec<Candidate> = Vec::new();
    for start in 1..read.reads.len() {
        for end in start..read.reads.len() {
            if read.reads[end] - read.reads[start] >= LONGEST {
                break;
            }
            let score = probability(start, 0) * probability(end, 1);
            let place = best.partition_point(|other| other.score >= score);
            if place < CANDIDATES {
                best.insert(place, Candidate { start, end, score });
                best.truncate(CANDIDATES);
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
