//! Converts a request's body to a validated [`Question`].

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::inputs::inputs;
use super::measures;
use super::methods::methods;
use super::request::{
    AllName, AttentionObject, ExplainRequest, GranularityName, HeadsName, PredictRequest,
    WindowObject,
};
use super::shapes::{Name, NameOrList, OneOrMany, PlainOr, distinct};
use super::target::target;
use super::task_options;
use crate::attribution::{self, Granularity, Normalize};
use crate::config::AUTO;
use crate::error::{Code, Error, Result};
use crate::explainer::Explainer;
use crate::explanation::{
    Aggregation, AttentionKind, AttentionSelection, Groups, Heads, Lexicon, Question, Selection,
    StoredConcept, View, Window,
};
use crate::model::Model;
use crate::passes::ANYONE;
use crate::remote::Forwarded;
use crate::rows::Output;
use crate::script::Script;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// A request body that contains a question.
pub trait IntoQuestion: Serialize {
    /// Performs all checks that do not need to read the texts.
    fn into_question(self, explainer: &Explainer) -> Result<Question>;
}

impl IntoQuestion for ExplainRequest {
    fn into_question(self, explainer: &Explainer) -> Result<Question> {
        let limits = &explainer.limits;
        let inputs = inputs(self.inputs, self.spans, limits)?;
        let model = model(explainer, self.model.as_deref(), &inputs)?;
        let default = attribution::default_for(&model);
        // A remote model has no attention unless it is asked for, which is an error.
        let has_attention = !model.is_remote() || self.attention.is_some();
        let evidence = self.evidence.map(|object| object.finders(explainer, &model)).transpose()?;
        let concepts = concepts(explainer, &model, self.concepts)?;
        Ok(Question {
            caller: ANYONE.into(),
            forwarded: Forwarded::default(),
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
            output: self.output.map_or(Output::Logit, Name::value),
            concepts,
            methods: methods(self.methods, default, limits.methods)?,
            attention: attention(self.attention).filter(|_| has_attention),
            inside: inside(self.inside)?,
            granularity: granularity(self.granularity)?,
            lexicon: lexicon(self.lexicon.as_ref(), explainer)?,
            normalize: self.normalize.map_or(Normalize::None, Name::value),
            evaluate: self.evaluate.map(measures::settings).transpose()?,
            evidence: evidence.unwrap_or_default(),
            aggregation: self.aggregation.map_or(Aggregation::Simple, Name::value),
            truncate: truncate(self.truncate),
            window: self.window.map(window),
            seed: self.seed.unwrap_or_default(),
            budget: budget(self.budget_ms)?,
        })
    }
}

impl IntoQuestion for PredictRequest {
    /// Returns a question without methods.
    fn into_question(self, explainer: &Explainer) -> Result<Question> {
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
            aggregation: self.aggregation.map_or(Aggregation::Simple, Name::value),
            truncate: truncate(self.truncate),
            budget: budget(self.budget_ms)?,
            ..Question::prediction(model, inputs)
        })
    }
}

/// Returns the model with this id, the one for the inputs' script for `auto`, or the default one.
pub fn model(explainer: &Explainer, id: Option<&str>, inputs: &[Input]) -> Result<Arc<Model>> {
    let found = match id {
        Some(AUTO) => by_script(explainer, inputs),
        other => explainer.pool.get(other),
    };
    found.map_err(|error| error.at("/model"))
}

/// Returns the built-in model for the script that all inputs share.
fn by_script(explainer: &Explainer, inputs: &[Input]) -> Result<Arc<Model>> {
    let mut scripts = inputs.iter().filter_map(|input| Some((input, Script::of(&input.text)?)));
    let Some((_, script)) = scripts.next() else {
        let detail = "no built-in model reads the script of the text; name a model";
        return Err(Error::field("/model", detail));
    };
    if let Some((input, other)) = scripts.find(|(_, other)| *other != script) {
        let detail = format!(
            "this text is {}, an earlier one is {}; send texts of one script, or name a model",
            other.name(),
            script.name()
        );
        return Err(Error::field(&input.pointer, detail));
    }
    explainer.pool.ready()?;
    let mut models = explainer.pool.models().into_iter();
    models.find(|model| model.script == Some(script)).ok_or_else(|| {
        let detail = format!("no built-in model for {} text is served", script.name());
        Error::new(Code::ModelNotFound, detail)
    })
}

fn attention(shape: Option<PlainOr<bool, AttentionObject>>) -> Option<AttentionSelection> {
    let last = || Selection::List(vec![-1]);
    let weights = |layers, heads| {
        let kind = AttentionKind::Weights;
        Some(AttentionSelection { kind, layers, heads, patterns: false })
    };
    match shape {
        None => weights(last(), Heads::Mean),
        Some(PlainOr::Plain(false)) => None,
        Some(PlainOr::Plain(true)) => weights(Selection::All, Heads::Each(Selection::All)),
        Some(PlainOr::Object(object)) => Some(AttentionSelection {
            kind: object.kind.map_or(AttentionKind::Weights, Name::value),
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
    Window { stride: shape.stride, combine: shape.combine.map(Name::value) }
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
    match (1..units.len()).find(|&index| units[..index].contains(&units[index])) {
        None => Ok(units),
        Some(index) => {
            let pointer = format!("/granularity/{index}");
            Err(Error::field(pointer, "granularity names a unit twice"))
        }
    }
}

/// Returns the lexicon of the request, or the configured one if it has none.
fn lexicon(groups: Option<&Groups>, explainer: &Explainer) -> Result<Arc<Lexicon>> {
    let Some(groups) = groups else { return Ok(explainer.lexicon()) };
    let lexicon = Lexicon::new(groups, explainer.limits.evidence_terms);
    lexicon.map(Arc::new).map_err(|detail| Error::field("/lexicon", detail))
}

fn inside(shape: Option<OneOrMany<Name<View>>>) -> Result<Vec<View>> {
    match shape {
        None => Ok(Vec::new()),
        Some(OneOrMany::One(name)) => Ok(vec![name.value()]),
        Some(OneOrMany::Many(names)) => distinct(names, "inside"),
    }
}

/// Returns the concepts of these names.
fn concepts(
    explainer: &Explainer,
    model: &Model,
    names: Option<Vec<String>>,
) -> Result<Vec<StoredConcept>> {
    let names = names.unwrap_or_default();
    // No more than there are can be found, which bounds the comparisons.
    let find = |(index, name): (usize, &String)| {
        let pointer = format!("/concepts/{index}");
        match names[..index].contains(name) {
            true => Err(Error::field(pointer, format!("concepts names {name} twice"))),
            false => explainer.concepts.get(name, model).map_err(|error| error.at(pointer)),
        }
    };
    names.iter().enumerate().map(find).collect()
}

pub fn truncate(requested: Option<bool>) -> Truncate {
    match requested {
        Some(true) => Truncate::Yes,
        Some(false) | None => Truncate::No,
    }
}

pub fn budget(milliseconds: Option<u64>) -> Result<Option<Duration>> {
    match milliseconds {
        None => Ok(None),
        Some(milliseconds @ 1..=3_600_000) => Ok(Some(Duration::from_millis(milliseconds))),
        Some(given) => {
            let detail = format!("budget_ms must be an integer from 1 to 3600000, not {given}");
            Err(Error::field("/budget_ms", detail))
        }
    }
}
