//! Extractive question answering: which part of the second text answers the first.

use std::sync::Arc;

pub use super::span::{found, null_score};
use super::{Behaviour, ModelOutput, span, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{
    AnswerOptions, FoundAnswer, Predicted, Question, Resolved, ScalarName, SpanBoundary, Target,
    TokenScore,
};
use crate::model::Model;
use crate::rows::{Output, Scalar};
use crate::text::Encoding;

pub struct Answers;

/// Returns the output column of a span boundary.
fn column(border: SpanBoundary) -> usize {
    match border {
        SpanBoundary::Start => 0,
        SpanBoundary::End => 1,
    }
}

impl Behaviour for Answers {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        match target {
            Target::Predicted | Target::All | Target::SpanBoundary { .. } => Ok(()),
            Target::Class { .. } | Target::Contrast { .. } => {
                let how = "a target is {\"position\": \"start\"} or {\"position\": \"end\"}";
                Err(unsuited(model, how, "/target"))
            }
        }
    }

    /// Returns the context's tokens, preceded by the first token, which stands for no answer. As
    /// in transformers' pipeline, no other tokens compete.
    fn reads(&self, encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        let tokens = encoding.tokens.iter().enumerate();
        let context = |token: &crate::text::Token| token.segment == 1 && !token.special;
        let mut reads: Vec<usize> =
            tokens.filter(|(_, token)| context(token)).map(|(index, _)| index).collect();
        if reads.is_empty() {
            let detail = "question answering needs text_pair, the text to look for answers in";
            return Err(Error::new(Code::InputEmpty, detail));
        }
        reads.insert(0, 0);
        Ok(reads.into())
    }

    fn predicted(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Predicted> {
        let scores = |border: SpanBoundary| {
            let score = |(position, &token): (usize, &usize)| {
                let index = 2 * position + column(border);
                let (logit, probability) =
                    (outputs.output.logits[index], outputs.output.probabilities[index]);
                TokenScore { token, logit, probability }
            };
            outputs.reads.iter().enumerate().map(score).collect()
        };
        let Answered { answer, others, null_score } = answered(&question.answers, outputs)?;
        let (start, end) = (scores(SpanBoundary::Start), scores(SpanBoundary::End));
        Ok(Predicted::Answer { answer, others, null_score, start, end })
    }

    /// `predicted` and `all` mean start and end of the best answer, the first token if there is
    /// none.
    fn resolve(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Vec<Resolved>> {
        let best = answered(&question.answers, outputs)?.answer;
        let best_token = |border| match border {
            SpanBoundary::Start => best.start_token,
            SpanBoundary::End => best.end_token,
        };
        match &question.target {
            Target::SpanBoundary { border, token } => {
                let token = token.unwrap_or_else(|| best_token(*border));
                Ok(vec![boundary_scalar(outputs, *border, token, question.output)?])
            }
            _ => [SpanBoundary::Start, SpanBoundary::End]
                .into_iter()
                .map(|border| boundary_scalar(outputs, border, best_token(border), question.output))
                .collect(),
        }
    }

    fn most(&self, target: &Target, _model: &Model, _encoding: &Encoding) -> usize {
        match target {
            Target::SpanBoundary { .. } => 1,
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
    /// Selects the best answers, including that there is none if `null_score` is given.
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

    /// Whether there is no answer: all others have a token of the second text.
    pub fn is_none(&self) -> bool {
        self.answer.end_token == 0
    }
}

fn answered(options: &AnswerOptions, outputs: &ModelOutput<'_>) -> Result<Answered> {
    Answered::of(options, span::found(options, outputs), span::null_score(options, outputs))
}

/// Merges the answers of several windows, whose token indices are those of the whole text: keeps
/// the most probable of answers with the same text.
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

fn boundary_scalar(
    outputs: &ModelOutput<'_>,
    border: SpanBoundary,
    token: usize,
    output: Output,
) -> Result<Resolved> {
    let position = outputs.read_index(token, "possible answer token")?;
    let scalar = Scalar::one(output, 2 * position + column(border));
    Ok(Resolved { token: Some(token), what: ScalarName::SpanBoundary(border), scalar })
}
