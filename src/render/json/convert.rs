//! Conversion of an answer to the JSON types.

use std::collections::BTreeMap;

use super::target::target;
use super::{
    Attention, Attributions, ExplainItem, ExplainResponse, Explained, Explanation, Failed, Fit,
    Head, HeadPattern, MethodCost, ModelEcho, Nested, Number, OptionValue, Pair, PredictItem,
    PredictResponse, Predicted, Span, Token, Unit, Usage, concepts, inside, interactions, number,
    trust, windows,
};
use crate::attribution::{self, Granularity};
use crate::choice::Choice;
use crate::explanation::{self, Answer};
use crate::model::Model;
use crate::passes;
use crate::render::evidence::beside;
use crate::render::summary::Summary;
use crate::rows::Output;
use crate::text;

/// Converts an answer; `problem` converts the error of an input.
pub fn explain<E>(
    answer: Answer,
    problem: impl Fn(crate::error::Error) -> E,
) -> ExplainResponse<E> {
    let model = &answer.model;
    let results = answer
        .results
        .into_iter()
        .map(|(id, result)| match result {
            Ok(explained) => ExplainItem::Explained(Box::new(explained_json(id, explained, model))),
            Err(error) => ExplainItem::Failed(Failed { id, error: problem(error) }),
        })
        .collect();
    ExplainResponse { model: model_echo(model), results, usage: usage(&answer.usage) }
}

/// Converts only the predictions of an answer.
pub fn predict<E>(
    answer: Answer,
    problem: impl Fn(crate::error::Error) -> E,
) -> PredictResponse<E> {
    let results = answer
        .results
        .into_iter()
        .map(|(id, result)| match result {
            Ok(explained) => PredictItem::Predicted(Predicted {
                id,
                prediction: explained.predicted.into(),
                truncated: explained.truncated,
            }),
            Err(error) => PredictItem::Failed(Failed { id, error: problem(error) }),
        })
        .collect();
    PredictResponse { model: model_echo(&answer.model), results, usage: usage(&answer.usage) }
}

pub fn explained_json(
    id: Option<String>,
    explained: explanation::Explained,
    model: &Model,
) -> Explained {
    let summary = Summary::of(&explained, model);
    let explanations = explained.explanations.into_iter();
    let (evaluation, agreement) = trust::evaluation(explained.evaluation);
    Explained {
        id,
        summary,
        prediction: explained.predicted.into(),
        tokens: explained.tokens.into_iter().map(token).collect(),
        words: explained.words.into_iter().map(unit).collect(),
        sentences: explained.sentences.map(|list| list.into_iter().map(unit).collect()),
        spans: explained.spans.map(|list| list.into_iter().map(span).collect()),
        explanations: explanations.map(explanation_json).collect(),
        attention: explained.attention.map(attention),
        inside: explained.inside.map(inside::inside),
        concepts: explained.concepts.iter().map(concepts::located).collect(),
        evaluation,
        agreement,
        evidence: beside::json(&explained.evidence, model),
        warnings: explained.warnings.into_iter().map(trust::warning).collect(),
        windows: explained.windows.map(|list| list.into_iter().map(windows::part).collect()),
        truncated: explained.truncated,
    }
}

fn explanation_json(explanation: explanation::Explanation) -> Explanation {
    let (completeness, sampling) = (explanation.completeness, explanation.sampling);
    Explanation {
        method: explanation.method.name,
        options: explanation.options.iter().map(|(name, v)| (*name, option(v))).collect(),
        target: target(&explanation.target),
        output: match explanation.output {
            Output::Logit => "logit",
            Output::Probability => "probability",
        },
        attributions: Attributions {
            lexicon: lexicon(&explanation.lexicon),
            ..attributions(&explanation.scores)
        },
        standard_error: explanation.standard_error.as_deref().map(attributions),
        interactions: explanation.interactions.as_ref().map(interactions::json),
        output_value: number(explanation.output_value),
        baseline_value: completeness.map(|c| number(c.baseline_value)),
        convergence_delta: completeness.map(|c| number(c.convergence_delta)),
        converged: explanation.converged(),
        n_steps: completeness.and_then(|c| c.n_steps),
        n_samples: sampling.map(|sampling| sampling.n_samples),
        finished: sampling.map(|sampling| sampling.finished),
        fit: sampling.and_then(|sampling| sampling.fit).map(fit),
    }
}

pub fn attributions(scores: &[(Granularity, Vec<f64>)]) -> Attributions {
    let by = |granularity: Granularity| {
        let entry = scores.iter().find(|(unit, _)| *unit == granularity);
        entry.map(|(_, scores)| scores.iter().copied().map(number).collect())
    };
    Attributions {
        token: by(Granularity::Token),
        word: by(Granularity::Word),
        sentence: by(Granularity::Sentence),
        span: by(Granularity::Span),
        lexicon: BTreeMap::new(),
    }
}

fn lexicon(groups: &[(String, f64)]) -> BTreeMap<String, f32> {
    groups.iter().map(|(name, sum)| (name.clone(), number(*sum))).collect()
}

pub fn option(value: &attribution::OptionValue) -> OptionValue {
    match value {
        attribution::OptionValue::Name(name) => OptionValue::Name(name),
        attribution::OptionValue::Integer(number) => OptionValue::Number(Number::Integer(*number)),
        attribution::OptionValue::Number(number) => OptionValue::Number(Number::Real(*number)),
        attribution::OptionValue::Boolean(value) => OptionValue::Boolean(*value),
        attribution::OptionValue::Text(text) => OptionValue::Text { text: text.clone() },
    }
}

pub fn model_echo(model: &Model) -> ModelEcho {
    ModelEcho {
        id: model.id.clone(),
        revision: model.revision.clone(),
        architecture: model.architecture,
        task: model.task.name(),
        dtype: model.dtype(),
        device: model.device(),
        activation: model.activation().name(),
    }
}

fn token(token: text::Token) -> Token {
    Token {
        id: token.id,
        text: token.text,
        start: token.start,
        end: token.end,
        word: token.word,
        segment: token.segment,
        special: token.special,
    }
}

fn unit(unit: text::Unit) -> Unit {
    Unit {
        text: unit.text,
        start: unit.start,
        end: unit.end,
        tokens: unit.tokens,
        segment: unit.segment,
    }
}

fn span(span: text::CallerSpan) -> Span {
    Span { rounded: span.rounded(), unit: unit(span.unit) }
}

fn fit(fit: attribution::Fit) -> Fit {
    Fit { intercept: number(fit.intercept), r2: number(fit.r2) }
}

fn pattern(head: explanation::HeadPattern) -> HeadPattern {
    let pair = |pair: &explanation::Pair| Pair {
        query: pair.query,
        key: pair.key,
        weight: number(pair.weight),
    };
    HeadPattern {
        layer: head.layer,
        head: head.head,
        pattern: head.pattern.name(),
        score: number(head.score),
        scores: head.scores.iter().map(|(p, score)| (p.name(), number(*score))).collect(),
        pairs: head.pairs.iter().map(pair).collect(),
    }
}

fn attention(attention: explanation::Attention) -> Attention {
    let heads = match &attention.heads {
        Some(heads) => heads.iter().map(|&head| Head::Number(head)).collect(),
        None => vec![Head::Name("mean")],
    };
    let shape = [attention.layers.len(), heads.len(), attention.tokens, attention.tokens];
    Attention {
        kind: attention.kind.name(),
        target: attention.target.as_ref().map(target),
        patterns: attention.patterns.map(|list| list.into_iter().map(pattern).collect()),
        layers: attention.layers,
        heads,
        shape,
        weights: Nested { shape: shape.to_vec(), values: attention.weights },
    }
}

fn method_cost((method, usage): &(&'static str, passes::Usage)) -> MethodCost {
    MethodCost {
        method,
        forward_rows: usage.forward_rows,
        gradient_rows: usage.gradient_rows,
        compute_ms: usage.compute.as_secs_f32() * 1e3,
    }
}

pub fn usage(used: &explanation::Used) -> Usage {
    Usage {
        tokens: used.tokens,
        forward_rows: used.passes.forward_rows,
        gradient_rows: used.passes.gradient_rows,
        queue_ms: used.passes.queue.as_secs_f32() * 1e3,
        compute_ms: used.passes.compute.as_secs_f32() * 1e3,
        methods: used.methods.iter().map(method_cost).collect(),
    }
}
