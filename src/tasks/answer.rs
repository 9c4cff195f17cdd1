//! Extractive question answering: which part of the second text answers the
//! first.

use std::sync::Arc;

pub use super::span::{found, null_score};
use super::{Behaviour, Read, span, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{
    AnswerOptions, Border, FoundAnswer, Predicted, Question, Resolved, Target, TokenScore, What,
};
use crate::model::Model;
use crate::rows::{Output, Scalar};
use crate::text::Encoding;

pub struct Answers;

/// The column of each border among the outputs.
fn column(border: Border) -> usize {
    match border {
        Border::Start => 0,
        Border::End => 1,
    }
}

impl Behaviour for Answers {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        match target {
            Target::Predicted | Target::All | Target::Border { .. } => Ok(()),
            Target::Class { .. } | Target::Contrast { .. } => {
                let how = "a target is {\"position\": \"start\"} or {\"position\": \"end\"}";
                Err(unsuited(model, how, "/target"))
            }
        }
    }

    /// The context's tokens, and the first one, which stands for no answer. As in
    /// transformers' pipeline no other token competes.
    fn reads(&self, encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        let tokens = encoding.tokens.iter().enumerate();
        let context = |token: &crate::text::Token| token.segment == 1 && !token.special;
        let mut reads: Vec<usize> =
            tokens.filter(|(_, token)| context(token)).map(|(place, _)| place).collect();
        if reads.is_empty() {
            let detail = "question answering needs text_pair, the text to look for answers in";
            return Err(Error::new(Code::InputEmpty, detail));
        }
        reads.insert(0, 0);
        Ok(reads.into())
    }

    fn predicted(&self, question: &Question, read: &Read<'_>) -> Result<Predicted> {
        let scores = |border: Border| {
            let score = |(number, &token): (usize, &usize)| {
                let place = 2 * number + column(border);
                let (logit, probability) =
                    (read.output.logits[place], read.output.probabilities[place]);
                TokenScore { token, logit, probability }
            };
            read.reads.iter().enumerate().map(score).collect()
        };
        let Answered { answer, others, null_score } = answered(&question.answers, read)?;
        let (start, end) = (scores(Border::Start), scores(Border::End));
        Ok(Predicted::Answer { answer, others, null_score, start, end })
    }

    /// `predicted` and `all` mean start and end of the best answer; of none, the first token.
    fn resolve(&self, question: &Question, read: &Read<'_>) -> Result<Vec<Resolved>> {
        let best = answered(&question.answers, read)?.answer;
        let of_best = |border| match border {
            Border::Start => best.start_token,
            Border::End => best.end_token,
        };
        match &question.target {
            Target::Border { border, token } => {
                let token = token.unwrap_or_else(|| of_best(*border));
                Ok(vec![at(read, *border, token, question.output)?])
            }
            _ => [Border::Start, Border::End]
                .into_iter()
                .map(|border| at(read, border, of_best(border), question.output))
                .collect(),
        }
    }

    fn most(&self, target: &Target, _model: &Model, _encoding: &Encoding) -> usize {
        match target {
            Target::Border { .. } => 1,
            _ => 2,
        }
    }
}

/// The answers to one question, best first.
pub struct Answered {
    pub answer: FoundAnswer,
    pub others: Vec<FoundAnswer>,
    pub null_score: Option<f64>,
}

impl Answered {
    /// The best of these and, where it counts, that there is none.
    pub fn of(
        options: &AnswerOptions,
        mut found: Vec<FoundAnswer>,
        null_score: Option<f64>,
    ) -> Result<Self> {
        found.extend(null_score.map(span::null_answer));
        let mut answers = span::best(found, options.top_k).into_iter();
        let answer = answers.next().ok_or_else(|| Error::internal("an answer without a token"))?;
        Ok(Self { answer, others: answers.collect(), null_score })
    }

    /// Whether there is none: every other answer has a token of the second text.
    pub fn is_none(&self) -> bool {
        self.answer.end_token == 0
    }
}

fn answered(options: &AnswerOptions, read: &Read<'_>) -> Result<Answered> {
    Answered::of(options, span::found(options, read), span::null_score(options, read))
}

/// Answers of several parts of a text, each with its own tokens' numbers in the whole: of
/// those that read the same, the surest.
pub fn surest(options: &AnswerOptions, found: Vec<FoundAnswer>) -> Vec<FoundAnswer> {
    let mut answers: Vec<FoundAnswer> = Vec::new();
    for answer in span::best(found, usize::MAX) {
        if !answers.iter().any(|other| span::same(other, &answer)) {
            answers.push(answer);
        }
    }
    answers.truncate(options.top_k);
    answers
}

fn at(read: &Read<'_>, border: Border, token: usize, output: Output) -> Result<Resolved> {
    let number = read.number_of(token, "token that an answer can have")?;
    let scalar = Scalar::one(output, 2 * number + column(border));
    Ok(Resolved { token: Some(token), what: What::Border(border), scalar })
}
