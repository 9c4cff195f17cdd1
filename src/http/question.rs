//! From a request's body to a validated [`Question`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::inputs::inputs;
use super::measures;
use super::request::{
    AggregationName, AllName, AttentionKind, AttentionObject, ClassShape, CombineName,
    ExplainRequest, GranularityName, HeadsName, MethodShape, NormalizeName, OutputName,
    PositionName, PredictRequest, TargetName, TargetObject, WindowObject,
};
use super::shapes::{NameOrList, OneOrMany, PlainOr};
use super::task_options;
use crate::attribution::{self, DEFAULT_METHOD, Granularity, MethodEntry, Normalize, Options};
use crate::config::AUTO;
use crate::error::{Code, Error, Result};
use crate::explainer::Explainer;
use crate::explanation::{
    self, Aggregation, AttentionSelection, Border, Class, Combine, Heads, Question, Selection,
    Target, Window,
};
use crate::model::Model;
use crate::passes::ANYONE;
use crate::rows::Output;
use crate::script::Script;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

impl ExplainRequest {
    /// Checks everything that can be checked before a text is read.
    pub fn into_question(self, explainer: &Explainer) -> Result<Question> {
        let limits = &explainer.limits;
        let inputs = inputs(self.inputs, self.spans, limits)?;
        let model = model(explainer, self.model.as_deref(), &inputs)?;
        Ok(Question {
            caller: ANYONE.into(),
            since: None,
            answers: task_options::answers(
                &model,
                self.handle_impossible_answer,
                self.max_answer_len,
                self.top_k,
            )?,
            candidates: task_options::candidates(
                limits,
                self.candidate_labels,
                self.hypothesis_template,
                self.multi_label,
                self.explain_hypothesis,
            )?,
            model,
            inputs,
            target: target(self.target)?,
            output: match self.output {
                Some(OutputName::Probability) => Output::Probability,
                Some(OutputName::Logit) | None => Output::Logit,
            },
            methods: methods(self.methods, limits.methods)?,
            attention: attention(self.attention),
            granularity: granularity(self.granularity)?,
            normalize: match self.normalize {
                Some(NormalizeName::None) | None => Normalize::None,
                Some(NormalizeName::L1) => Normalize::L1,
                Some(NormalizeName::L2) => Normalize::L2,
                Some(NormalizeName::Max) => Normalize::Max,
            },
            evaluate: self.evaluate.map(measures::settings).transpose()?,
            aggregation: aggregation(self.aggregation),
            truncate: truncate(self.truncate),
            window: self.window.map(window),
            seed: self.seed.unwrap_or_default(),
            budget: budget(self.budget_ms)?,
        })
    }
}

impl PredictRequest {
    /// A question without methods.
    pub fn into_question(self, explainer: &Explainer) -> Result<Question> {
        let limits = &explainer.limits;
        let inputs = inputs(self.inputs, None, limits)?;
        let model = model(explainer, self.model.as_deref(), &inputs)?;
        Ok(Question {
            answers: task_options::answers(
                &model,
                self.handle_impossible_answer,
                self.max_answer_len,
                self.top_k,
            )?,
            candidates: task_options::candidates(
                limits,
                self.candidate_labels,
                self.hypothesis_template,
                self.multi_label,
                None,
            )?,
            aggregation: aggregation(self.aggregation),
            truncate: truncate(self.truncate),
            budget: budget(self.budget_ms)?,
            ..Question::prediction(model, inputs)
        })
    }
}

/// The model called `id`, the one for the inputs' script where it is `auto`, or
/// the first.
fn model(explainer: &Explainer, id: Option<&str>, inputs: &[Input]) -> Result<Arc<Model>> {
    let found = match id {
        Some(AUTO) => by_script(explainer, inputs),
        other => explainer.pool.get(other),
    };
    found.map_err(|error| error.at("/model"))
}

/// The built-in model for the script that all inputs share.
fn by_script(explainer: &Explainer, inputs: &[Input]) -> Result<Arc<Model>> {
    let mut scripts = inputs.iter().filter_map(|input| Some((input, Script::of(&input.text)?)));
    let Some((_, script)) = scripts.next() else {
        let detail = "no built-in model reads the script of the text; name a model";
        return Err(Error::field("/model", detail));
    };
    if let Some((odd, other)) = scripts.find(|(_, other)| *other != script) {
        let detail = format!(
            "this text is {}, one before it {}; send texts of one script at once, or name a model",
            other.name(),
            script.name()
        );
        return Err(Error::field(&odd.pointer, detail));
    }
    explainer.pool.ready()?;
    let mut models = explainer.pool.models().into_iter();
    models.find(|model| model.script == Some(script)).ok_or_else(|| {
        let detail = format!("no built-in model for {} text is served", script.name());
        Error::new(Code::ModelNotFound, detail)
    })
}

fn target(shape: Option<PlainOr<TargetName, TargetObject>>) -> Result<Target> {
    let object = match shape {
        None | Some(PlainOr::Plain(TargetName::Predicted)) => return Ok(Target::Predicted),
        Some(PlainOr::Plain(TargetName::All)) => return Ok(Target::All),
        Some(PlainOr::Parts(object)) => object,
    };
    let token = object.token;
    let named = |class| Ok(Target::Class { token, class });
    match (object.label, object.index, object.contrast, object.position) {
        (Some(label), None, None, None) => named(Class::Label(label)),
        (None, Some(index), None, None) => named(Class::Index(index)),
        (None, None, Some([a, b]), None) => {
            Ok(Target::Contrast { token, classes: [class(a), class(b)] })
        }
        (None, None, None, Some(PositionName::Start)) => {
            Ok(Target::Border { border: Border::Start, token })
        }
        (None, None, None, Some(PositionName::End)) => {
            Ok(Target::Border { border: Border::End, token })
        }
        _ => Err(Error::field("/target", "give exactly one of label, index, contrast, position")),
    }
}

fn class(shape: ClassShape) -> Class {
    match shape {
        ClassShape::Label(label) => Class::Label(label),
        ClassShape::Index(index) => Class::Index(index),
    }
}

type Configured = (&'static MethodEntry, Options);

fn methods(shapes: Option<Vec<MethodShape>>, limit: usize) -> Result<Vec<Configured>> {
    let default = || vec![MethodShape::Name(DEFAULT_METHOD.to_owned())];
    let shapes = shapes.unwrap_or_else(default);
    if shapes.len() > limit {
        let detail = format!("methods has {} elements; at most {limit} are taken", shapes.len());
        return Err(Error::field("/methods", detail));
    }
    let mut methods: Vec<Configured> = Vec::with_capacity(shapes.len());
    for (place, shape) in shapes.into_iter().enumerate() {
        let within = |error: Error| error.within(&format!("/methods/{place}"));
        let (entry, options) = method(shape).map_err(within)?;
        let same =
            |(other, of_other): &Configured| other.name == entry.name && of_other.same(&options);
        if let Some(first) = methods.iter().position(same) {
            let detail =
                format!("the same as methods[{first}]: {} with the same options", entry.name);
            return Err(within(Error::field("", detail)));
        }
        methods.push((entry, options));
    }
    Ok(methods)
}

fn method(shape: MethodShape) -> Result<Configured> {
    match shape {
        MethodShape::Name(name) => {
            let entry = attribution::find(&name)?;
            Ok((entry, entry.options(&Map::new())?))
        }
        MethodShape::Object(object) => {
            let entry = attribution::find(&object.name).map_err(|error| error.at("/name"))?;
            Ok((entry, entry.options(&object.options)?))
        }
    }
}

fn attention(shape: Option<PlainOr<bool, AttentionObject>>) -> Option<AttentionSelection> {
    let last = || Selection::List(vec![-1]);
    let weights = |layers, heads| {
        let kind = explanation::AttentionKind::Weights;
        Some(AttentionSelection { kind, layers, heads, patterns: false })
    };
    match shape {
        None => weights(last(), Heads::Mean),
        Some(PlainOr::Plain(false)) => None,
        Some(PlainOr::Plain(true)) => weights(Selection::All, Heads::Each(Selection::All)),
        Some(PlainOr::Parts(object)) => Some(AttentionSelection {
            kind: match object.kind {
                None | Some(AttentionKind::Weights) => explanation::AttentionKind::Weights,
                Some(AttentionKind::Norm) => explanation::AttentionKind::Norm,
                Some(AttentionKind::Rollout) => explanation::AttentionKind::Rollout,
                Some(AttentionKind::Gradient) => explanation::AttentionKind::Gradient,
            },
            patterns: object.patterns.unwrap_or_default(),
            layers: match object.layers {
                None => last(),
                Some(NameOrList::Name(AllName::All)) => Selection::All,
                Some(NameOrList::List(list)) => Selection::List(list),
            },
            heads: match object.heads {
                None | Some(NameOrList::Name(HeadsName::Mean)) => Heads::Mean,
                Some(NameOrList::Name(HeadsName::All)) => Heads::Each(Selection::All),
                Some(NameOrList::List(list)) => Heads::Each(Selection::List(list)),
            },
        }),
    }
}

fn window(shape: WindowObject) -> Window {
    let combine = |name| match name {
        CombineName::Mean => Combine::Mean,
        CombineName::Max => Combine::Max,
    };
    Window { stride: shape.stride, combine: shape.combine.map(combine) }
}

fn granularity(shape: Option<OneOrMany<GranularityName>>) -> Result<Vec<Granularity>> {
    let names = match shape {
        None => return Ok(vec![Granularity::Token, Granularity::Word]),
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
    };
    let unit = |name| match name {
        GranularityName::Token => Granularity::Token,
        GranularityName::Word => Granularity::Word,
        GranularityName::Sentence => Granularity::Sentence,
    };
    let units: Vec<Granularity> = names.into_iter().map(unit).collect();
    match (1..units.len()).find(|&place| units[..place].contains(&units[place])) {
        None => Ok(units),
        Some(place) => {
            let pointer = format!("/granularity/{place}");
            Err(Error::field(pointer, "the granularity is named twice"))
        }
    }
}

fn aggregation(name: Option<AggregationName>) -> Aggregation {
    match name {
        Some(AggregationName::Simple) | None => Aggregation::Simple,
        Some(AggregationName::None) => Aggregation::None,
        Some(AggregationName::First) => Aggregation::First,
        Some(AggregationName::Average) => Aggregation::Average,
        Some(AggregationName::Max) => Aggregation::Max,
    }
}

fn truncate(wished: Option<bool>) -> Truncate {
    match wished {
        Some(true) => Truncate::Yes,
        Some(false) | None => Truncate::No,
    }
}

fn budget(milliseconds: Option<u64>) -> Result<Option<Duration>> {
    match milliseconds {
        None => Ok(None),
        Some(given @ 1..=3_600_000) => Ok(Some(Duration::from_millis(given))),
        Some(_) => Err(Error::field("/budget_ms", "budget_ms must be from 1 to 3600000")),
    }
}
