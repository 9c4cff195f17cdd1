//! The request bodies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder};

use super::evidence::beside::EvidenceObject;
use super::inputs::{InputShape, InputsShape};
use super::measures::{EvaluateObject, EvaluateShape};
use super::methods::{MethodShape, MethodsShape};
use super::schemas::{SpanShape, optional_name, optional_names, shape, string};
use super::shapes::{Name, NameOrList, OneOrMany, Plain, PlainOr};
use super::target::{ClassShape, TargetObject, TargetShape};
use super::task_options::{AnswerLength, AnswersShape, CandidatesShape};
use crate::attribution::Normalize;
use crate::explanation::{Aggregation, AttentionKind, Combine, Groups, View};
use crate::rows::Output;

/// The body of POST /explain. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// An id from GET /models, or `auto` for the built-in model for the inputs' script. By default
    /// the first configured model.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// The output to explain: `predicted` (default), `all`, a label or an index, or an object.
    #[schema(value_type = Option<TargetShape>)]
    pub target: Option<PlainOr<ClassShape, TargetObject>>,
    /// The scalar to explain; `logit` by default.
    #[schema(schema_with = optional_name::<Output>, required = false)]
    pub output: Option<Name<Output>>,
    /// Names, or objects with `name` and the method's options as listed by GET /methods;
    /// `["integrated_gradients"]` by default.
    #[schema(value_type = Option<MethodsShape>)]
    pub methods: Option<OneOrMany<MethodShape>>,
    /// `false`, `true` for all layers and heads, or a selection;
    /// `{"layers": [-1], "heads": "mean"}` by default.
    #[schema(inline)]
    pub attention: Option<PlainOr<bool, AttentionObject>>,
    /// Views inside the model, of the first target: `lens`, what the head answers from the states
    /// after each layer; `conductance`, the score of each token at each layer; `head_importance`.
    #[schema(schema_with = views, required = false)]
    pub inside: Option<OneOrMany<Name<View>>>,
    /// Names of concepts of GET /concepts, in which the result says where the input lies along each,
    /// and how the first target depends on it.
    #[schema(value_type = Option<ConceptNamesShape>)]
    pub concepts: Option<Vec<String>>,
    /// Spans of the text to score, `[start, end]` in code points. Only for a single input; in a
    /// list, each input has its own.
    #[schema(value_type = Option<Vec<SpanShape>>)]
    pub spans: Option<Vec<[usize; 2]>>,
    /// The units to return scores for; token and word by default.
    #[schema(inline)]
    pub granularity: Option<OneOrMany<GranularityName>>,
    /// Groups of words by name, such as `{"negation": ["not", "never"]}`: `attributions.lexicon` has
    /// the sum of the scores of each group's words. Case does not matter. The configured groups by
    /// default; `{}` for none.
    #[schema(value_type = Option<LexiconShape>)]
    pub lexicon: Option<Groups>,
    /// Scales each list of scores to a norm of 1. `none` by default, which preserves completeness.
    #[schema(schema_with = optional_name::<Normalize>, required = false)]
    pub normalize: Option<Name<Normalize>>,
    /// How tokens are grouped into entities in token classification, with the names of
    /// transformers; `simple` by default.
    #[schema(schema_with = optional_name::<Aggregation>, required = false)]
    pub aggregation: Option<Name<Aggregation>>,
    /// Question answering: whether "no answer" is possible. If so, `answer` is empty if that is
    /// more probable than the best span. False by default.
    pub handle_impossible_answer: Option<bool>,
    /// Question answering: maximum tokens of an answer; 15 by default.
    #[schema(value_type = Option<AnswerLength>)]
    pub max_answer_len: Option<usize>,
    /// Question answering: number of answers, best first; 1 by default.
    #[schema(value_type = Option<AnswersShape>)]
    pub top_k: Option<usize>,
    /// Your own labels for zero-shot classification with an entailment model. Predictions and
    /// targets refer to these labels.
    #[schema(value_type = Option<CandidatesShape>)]
    pub candidate_labels: Option<Vec<String>>,
    /// Converts a candidate label to a hypothesis by replacing `{}`; `This text is about {}.` by
    /// default.
    #[schema(example = "This text is about {}.")]
    pub hypothesis_template: Option<String>,
    /// Whether several candidate labels can apply, each scored independently; false by default.
    pub multi_label: Option<bool>,
    /// Whether the words of the target's hypothesis are scored in addition to those of the text;
    /// false by default.
    pub explain_hypothesis: Option<bool>,
    /// Measures of how far to trust the explanations of the first target: `"all"`, names from GET
    /// /methods, or an object.
    #[schema(value_type = Option<EvaluateShape>)]
    pub evaluate: Option<OneOrMany<PlainOr<String, EvaluateObject>>>,
    /// Evidence to return with the explanations: `{"examples": {}}` for what POST /examples
    /// returns for the input, with the options of that route.
    #[schema(inline)]
    pub evidence: Option<EvidenceObject>,
    /// Truncates inputs over the model's limit instead of rejecting them.
    pub truncate: Option<bool>,
    /// Reads inputs over the model's limit in overlapping windows, and explains their combined
    /// output.
    #[schema(inline)]
    pub window: Option<WindowObject>,
    /// Seed of sampling methods and measures; the same seed gives the same result.
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// Time limit for the response, in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

shape! {
    /// Groups of words by name.
    LexiconShape []
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(ArrayBuilder::new().items(string())))
}

shape! {
    /// Names of concepts.
    ConceptNamesShape []
    ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)))
        .unique_items(true)
}

fn views() -> OneOfBuilder {
    optional_names::<View>().description(Some(
        "Views inside the model, of the first target: `lens`, what the head answers from the states \
         after each layer; `conductance`, the score of each token at each layer; \
         `head_importance`, the derivative with respect to a factor on each head; `ablation`, the \
         change without each of the ten most important heads.",
    ))
}

/// The body of POST /predict.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictRequest {
    /// An id from GET /models, or `auto` for the built-in model for the inputs' script. By default
    /// the first configured model.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// How tokens are grouped into entities in token classification, with the names of
    /// transformers; `simple` by default.
    #[schema(schema_with = optional_name::<Aggregation>, required = false)]
    pub aggregation: Option<Name<Aggregation>>,
    /// Question answering: whether "no answer" is possible. If so, `answer` is empty if that is
    /// more probable than the best span. False by default.
    pub handle_impossible_answer: Option<bool>,
    /// Question answering: maximum tokens of an answer; 15 by default.
    #[schema(value_type = Option<AnswerLength>)]
    pub max_answer_len: Option<usize>,
    /// Question answering: number of answers, best first; 1 by default.
    #[schema(value_type = Option<AnswersShape>)]
    pub top_k: Option<usize>,
    /// Your own labels for zero-shot classification with an entailment model. Predictions and
    /// targets refer to these labels.
    #[schema(value_type = Option<CandidatesShape>)]
    pub candidate_labels: Option<Vec<String>>,
    /// Converts a candidate label to a hypothesis by replacing `{}`; `This text is about {}.` by
    /// default.
    #[schema(example = "This text is about {}.")]
    pub hypothesis_template: Option<String>,
    /// Whether several candidate labels can apply, each scored independently; false by default.
    pub multi_label: Option<bool>,
    /// Truncates inputs over the model's limit instead of rejecting them.
    pub truncate: Option<bool>,
    /// Time limit for the response, in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

/// Indexes of layers and heads; negative ones count from the end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionObject {
    /// `[-1]` by default.
    #[schema(inline)]
    pub layers: Option<NameOrList<AllName>>,
    /// `mean` by default.
    #[schema(inline)]
    pub heads: Option<NameOrList<HeadsName>>,
    /// `weights` (default): the output of the softmax. `norm`: weights times the norm of the
    /// transformed values. `rollout`: the product up to each layer. `gradient`: weights times the
    /// gradient of the first target. For all heads together, `heads: "mean"`: `block_norm`: the norm
    /// of what a token contributes through attention, residual connection and layer norm; `alti`:
    /// its share in their output; `value_zeroing`: how much a layer's output changes without its
    /// value vectors, as a share.
    #[schema(schema_with = optional_name::<AttentionKind>, required = false)]
    pub kind: Option<Name<AttentionKind>>,
    /// Whether to classify each head by what it attends to.
    pub patterns: Option<bool>,
}

/// How to read long texts in windows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowObject {
    /// Minimum number of tokens that consecutive windows share.
    pub stride: usize,
    /// How the outputs of a classifier are combined: `mean` (default), or `max` for each label's
    /// highest value. Question answering uses the most confident window, token classification the
    /// window in which a token is most central.
    #[schema(schema_with = optional_name::<Combine>, required = false)]
    pub combine: Option<Name<Combine>>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllName {
    All,
}

impl Plain for AllName {
    const VALUES: &str = "\"all\"";
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeadsName {
    All,
    Mean,
}

impl Plain for HeadsName {
    const VALUES: &str = "\"all\", \"mean\"";
}

/// The units that can be requested by name. Spans of the client are scored if there are any.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GranularityName {
    Token,
    Word,
    Sentence,
}
