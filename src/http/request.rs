//! The bodies of requests as callers write them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::inputs::InputShape;
use super::schemas::{
    AnswerLength, AnswersShape, CandidatesShape, EvaluateShape, InputsShape, MeasuresShape,
    MethodName, SpanShape, TargetShape, ThresholdsShape,
};
use super::shapes::{NameOrList, OneOrMany, PlainOr};

/// The body of POST /explain. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// An id of GET /models, or `auto` for the built-in model of the inputs'
    /// script; the first configured model where none is named.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// What of the model's answer is explained; `predicted` by default.
    #[schema(value_type = Option<TargetShape>)]
    pub target: Option<PlainOr<TargetName, TargetObject>>,
    /// The scalar explained; `logit` by default.
    #[schema(inline)]
    pub output: Option<OutputName>,
    /// Names, or objects with `name` and the method's own options as GET
    /// /methods lists them; `["integrated_gradients"]` by default.
    pub methods: Option<Vec<MethodShape>>,
    /// `false`, `true` for every layer and head, or a selection;
    /// `{"layers": [-1], "heads": "mean"}` by default.
    #[schema(inline)]
    pub attention: Option<PlainOr<bool, AttentionObject>>,
    /// Parts of a lone input's text to score, `[start, end]` in code points; in a
    /// list, inputs are objects with their own.
    #[schema(value_type = Option<Vec<SpanShape>>)]
    pub spans: Option<Vec<[usize; 2]>>,
    /// Which scores to return; token and word by default.
    #[schema(inline)]
    pub granularity: Option<OneOrMany<GranularityName>>,
    /// Scales each list of scores to a norm of 1; `none` by default, so that
    /// completeness can be checked.
    #[schema(inline)]
    pub normalize: Option<NormalizeName>,
    /// How a token-classification model's tokens are put together into entities,
    /// by transformers' names; `simple` by default.
    #[schema(inline)]
    pub aggregation: Option<AggregationName>,
    /// Question answering: whether there may be no answer. Then `answer` may be an empty
    /// one, where that is surer than the best span; false by default.
    pub handle_impossible_answer: Option<bool>,
    /// Question answering: the most tokens of an answer; 15 by default.
    #[schema(value_type = Option<AnswerLength>)]
    pub max_answer_len: Option<usize>,
    /// Question answering: how many answers are given, best first; 1 by default.
    #[schema(value_type = Option<AnswersShape>)]
    pub top_k: Option<usize>,
    /// Labels of the caller's own, which a model of entailment chooses from (zero-shot
    /// classification). Predictions and targets are of these.
    #[schema(value_type = Option<CandidatesShape>)]
    pub candidate_labels: Option<Vec<String>>,
    /// How a candidate becomes a hypothesis, in place of `{}`; `This text is about {}.` by
    /// default.
    #[schema(example = "This text is about {}.")]
    pub hypothesis_template: Option<String>,
    /// Whether several candidates can be right, each for itself; false by default.
    pub multi_label: Option<bool>,
    /// Whether the words of the target's hypothesis have scores too, beside those of the
    /// text; false by default.
    pub explain_hypothesis: Option<bool>,
    /// What is measured of how far to trust the explanations of the first target:
    /// `"all"`, names of GET /methods' measures, or an object.
    #[schema(value_type = Option<EvaluateShape>)]
    pub evaluate: Option<OneOrMany<PlainOr<String, EvaluateObject>>>,
    /// Cuts an input over the model's limit instead of refusing it.
    pub truncate: Option<bool>,
    /// Reads an input over the model's limit in parts that overlap, and explains
    /// what they say together.
    #[schema(inline)]
    pub window: Option<WindowObject>,
    /// For sampling methods and measures: the same seed gives the same answer.
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// The longest that the answer may take.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

/// The body of POST /predict.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictRequest {
    /// An id of GET /models, or `auto` for the built-in model of the inputs'
    /// script; the first configured model where none is named.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// How a token-classification model's tokens are put together into entities,
    /// by transformers' names; `simple` by default.
    #[schema(inline)]
    pub aggregation: Option<AggregationName>,
    /// Question answering: whether there may be no answer. Then `answer` may be an empty
    /// one, where that is surer than the best span; false by default.
    pub handle_impossible_answer: Option<bool>,
    /// Question answering: the most tokens of an answer; 15 by default.
    #[schema(value_type = Option<AnswerLength>)]
    pub max_answer_len: Option<usize>,
    /// Question answering: how many answers are given, best first; 1 by default.
    #[schema(value_type = Option<AnswersShape>)]
    pub top_k: Option<usize>,
    /// Labels of the caller's own, which a model of entailment chooses from (zero-shot
    /// classification). Predictions and targets are of these.
    #[schema(value_type = Option<CandidatesShape>)]
    pub candidate_labels: Option<Vec<String>>,
    /// How a candidate becomes a hypothesis, in place of `{}`; `This text is about {}.` by
    /// default.
    #[schema(example = "This text is about {}.")]
    pub hypothesis_template: Option<String>,
    /// Whether several candidates can be right, each for itself; false by default.
    pub multi_label: Option<bool>,
    /// Cuts an input over the model's limit instead of refusing it.
    pub truncate: Option<bool>,
    /// The longest that the answer may take.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetName {
    Predicted,
    All,
}

/// One of `label`, `index`, `contrast` and `position`. A model that answers for
/// each token takes a `token` as well.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetObject {
    /// A place in the answer's `tokens`.
    pub token: Option<usize>,
    /// Of question answering: where the answer starts or ends; the best one's
    /// where no token is named.
    #[schema(inline)]
    pub position: Option<PositionName>,
    pub label: Option<String>,
    pub index: Option<usize>,
    /// The first class's output minus the second's; labels or indexes.
    #[schema(inline, min_items = 2, max_items = 2)]
    pub contrast: Option<[ClassShape; 2]>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PositionName {
    Start,
    End,
}

/// A label or an index.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a class is a label or an index")]
pub enum ClassShape {
    Label(String),
    Index(usize),
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputName {
    Logit,
    Probability,
}

/// A method by name, or with options.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, from = "PlainOr<String, MethodObject>")]
pub enum MethodShape {
    #[schema(value_type = MethodName)]
    Name(String),
    Object(MethodObject),
}

impl From<PlainOr<String, MethodObject>> for MethodShape {
    fn from(shape: PlainOr<String, MethodObject>) -> Self {
        match shape {
            PlainOr::Plain(name) => Self::Name(name),
            PlainOr::Parts(object) => Self::Object(object),
        }
    }
}

/// A method's name beside its own options.
#[derive(Debug, Serialize, Deserialize)]
pub struct MethodObject {
    pub name: String,
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

/// Layers and heads by number; negative ones count from the end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionObject {
    /// `[-1]` by default.
    #[schema(inline)]
    pub layers: Option<NameOrList<AllName>>,
    /// `mean` by default.
    #[schema(inline)]
    pub heads: Option<NameOrList<HeadsName>>,
    /// `weights` by default.
    #[schema(inline)]
    pub kind: Option<AttentionKind>,
    /// Whether each head of the model is classified by where it looks.
    pub patterns: Option<bool>,
}

/// How explanations are measured.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateObject {
    /// `"all"`, which is the default, or names.
    #[schema(value_type = Option<MeasuresShape>)]
    pub measures: Option<OneOrMany<String>>,
    /// What is taken away at once; `word` by default, `token` by the rule of ferret.
    #[schema(inline)]
    pub unit: Option<MeasureUnit>,
    /// What becomes of it; `remove` by default.
    #[schema(inline)]
    pub replacement: Option<ReplacementName>,
    /// Which units are a rationale; `eraser` by default.
    #[schema(inline)]
    pub rule: Option<RuleName>,
    /// Sizes of the rationales as shares of the units; by the rule.
    #[schema(value_type = Option<ThresholdsShape>)]
    pub thresholds: Option<Vec<f64>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MeasureUnit {
    Token,
    Word,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplacementName {
    Mask,
    Pad,
    Remove,
}

/// `eraser`: the highest scores, rounded up to whole units. `ferret`: rounded down,
/// of these the positive ones.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleName {
    Eraser,
    Ferret,
}

/// Parts of a text that is too long.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowObject {
    /// Tokens that a part has in common with the one before, at least.
    pub stride: usize,
    /// How a classifier's outputs become one: `mean`, the default, or for each label
    /// that of the window where it is highest. Of question answering the surest
    /// window answers, of token classification each token's most central one.
    #[schema(inline)]
    pub combine: Option<CombineName>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CombineName {
    Mean,
    Max,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllName {
    All,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeadsName {
    All,
    Mean,
}

/// `weights`: what the softmax gave. `norm`: times the length of what is moved.
/// `rollout`: multiplied up to each layer. `gradient`: times the gradient of the
/// first target.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttentionKind {
    Weights,
    Norm,
    Rollout,
    Gradient,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GranularityName {
    Token,
    Word,
    Sentence,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NormalizeName {
    None,
    L1,
    L2,
    Max,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AggregationName {
    None,
    Simple,
    First,
    Average,
    Max,
}
