//! Explanations other than per-word scores: rules that hold around a text, counterfactuals,
//! word swaps and similar examples. Each kind has its own file; a new kind implements [`Kind`]
//! and is listed in [`EVIDENCE`].
//!
//! The reasons for the design: docs/concepts/evidence.md.

pub mod anchors;
mod beside;
mod bounds;
pub mod cart;
pub mod counterfactuals;
pub mod examples;
mod fill;
pub mod global_tree;
pub mod identity;
pub mod masked_path;
pub mod options;
pub mod perturb;
pub mod places;
pub mod predictor;
pub mod probe;
pub mod rules;
pub mod step;
pub mod surrogate_tree;
pub mod synonyms;
pub mod words;

use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::error::{Code, Error, Result};
use crate::explainer::{Estimate, Explainer};
pub use crate::explanation::Found;
use crate::explanation::{Load, Prediction, Question, Used};
use crate::heads::{Labels, Task};
use crate::model::Model;
use crate::text::{Encoding, Input};
pub use beside::Beside;
pub use options::{OptionSpec, Takes};
pub use predictor::{Original, Predictor, Verdict};

/// A kind of evidence, configured with the options of one request.
pub trait Kind: Send + Sync + 'static {
    /// The result for one input.
    type Found: Found;

    /// Returns its entry in [`EVIDENCE`].
    fn entry(&self) -> &'static Entry;

    /// Returns an error if the options do not suit `model`. Error pointers refer to the request.
    fn check(&self, model: &Model) -> Result<()>;

    /// What the result depends on beyond the request and its model, such as the corpus that is
    /// searched by default. Responses are cached by it.
    fn depends_on(&self) -> String {
        String::new()
    }

    /// Returns the most work that one input may take, excluding its own prediction.
    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load>;

    /// Runs the search for one input. Finding nothing is a valid result; errors are errors of
    /// the input or of the service.
    fn find(
        &self,
        predictor: &Predictor,
        original: &Original,
    ) -> impl Future<Output = Result<Self::Found>> + Send;
}

/// An entry of [`EVIDENCE`].
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub route: &'static str,
    pub summary: &'static str,
    /// The papers that the method is from.
    pub paper: &'static str,
    /// The number of rows that it runs, as text.
    pub cost_note: &'static str,
    /// The options of its route, besides those that all routes have.
    pub options: &'static [OptionSpec],
}

/// All kinds of evidence.
pub static EVIDENCE: &[&Entry] = &[
    &anchors::ENTRY,
    &surrogate_tree::ENTRY,
    &counterfactuals::ENTRY,
    &probe::ENTRY,
    &examples::ENTRY,
];

/// A request for one kind of evidence.
pub struct Query<K> {
    /// The inputs and the model. It has no attribution methods.
    pub question: Question,
    pub kind: K,
}

/// The results for all inputs of a request.
pub struct Answer<F> {
    pub model: Arc<Model>,
    /// The id and result of each input, in order. Inputs fail independently.
    pub results: Vec<(Option<String>, Result<Evidence<F>>)>,
    pub usage: Used,
}

/// The prediction and evidence for one input.
pub struct Evidence<F> {
    pub prediction: Prediction,
    /// The text of the input.
    pub text: String,
    pub found: F,
    /// Whether the text was truncated to fit the model.
    pub truncated: bool,
}

impl<F: Found> Answer<F> {
    /// Whether the response may be cached: the same request would give it again.
    pub fn is_lasting(&self) -> bool {
        let lasting = |found: &Evidence<F>| found.found.is_lasting();
        self.results.iter().all(|(_, result)| result.as_ref().is_ok_and(lasting))
    }
}

/// Finds evidence for every input. Inputs fail independently; returns an error only if the whole
/// request fails.
pub async fn answer<K: Kind>(explainer: &Explainer, request: Query<K>) -> Result<Answer<K::Found>> {
    let Query { question, kind } = request;
    check(&kind, &question.model)?;
    let model = Arc::clone(&question.model);
    let admitted = explainer.admit(question, |encoding| loads(&kind, &model, encoding)).await?;
    let predictor = Predictor::new(&admitted.passes, &admitted.question);
    let inputs = admitted.question.inputs.iter().zip(&admitted.encodings);
    let results = join_all(inputs.map(async |(input, encoding)| {
        let found = match encoding {
            Ok(encoding) => find_one(&kind, &predictor, input, encoding).await,
            Err(error) => Err(error.clone()),
        };
        (input.id.clone(), found)
    }))
    .await;
    admitted.close();
    let usage =
        Used { tokens: admitted.tokens, passes: admitted.passes.usage(), ..Used::default() };
    Ok(Answer { model, results, usage })
}

/// Returns the highest cost of [`answer`] without running it.
pub async fn estimate<K: Kind>(explainer: &Explainer, request: Query<K>) -> Result<Estimate> {
    let Query { question, kind } = request;
    check(&kind, &question.model)?;
    let model = Arc::clone(&question.model);
    let name = kind.entry().name;
    explainer.price(question, name, |encoding| loads(&kind, &model, encoding)).await
}

async fn find_one<K: Kind>(
    kind: &K,
    predictor: &Predictor,
    input: &Input,
    encoding: &Encoding,
) -> Result<Evidence<K::Found>> {
    let predictor = &predictor.reading(encoding);
    let original = predictor.original(input, encoding).await?;
    let found = kind.find(predictor, &original).await?;
    Ok(Evidence {
        prediction: original.prediction(predictor.model()),
        text: input.text.clone(),
        found,
        truncated: encoding.truncated,
    })
}

/// Returns the work of the kind, plus one forward row for the input's own prediction.
fn loads<K: Kind>(kind: &K, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
    let mut loads = kind.loads(model, encoding);
    loads.push(Load::forward(model, encoding.len(), 1));
    loads
}

/// Checks that the model chooses one of several labels, which all evidence needs, and the options.
///
/// # Errors
/// `method_not_supported` at `/model`, or the errors of the options.
pub fn check<K: Kind>(kind: &K, model: &Model) -> Result<()> {
    let name = kind.entry().name;
    check_labels(model, name)?;
    if model.is_remote() && ![anchors::ENTRY.name, surrogate_tree::ENTRY.name].contains(&name) {
        let detail = format!(
            "another server predicts {}, and {name} needs the model itself; POST /rules does not",
            model.id
        );
        return Err(Error::new(Code::MethodNotSupported, detail).at("/model"));
    }
    kind.check(model)
}

/// Checks that the model chooses one of several labels for a text, which `what` needs.
///
/// # Errors
/// `method_not_supported` at `/model`.
pub fn check_labels(model: &Model, what: &str) -> Result<()> {
    let classifies = matches!(model.task, Task::TextClassification | Task::NextSentence);
    let several = matches!(model.labels(), Labels::Named(names) if names.len() > 1);
    if !(classifies && several) {
        let detail = format!(
            "{} is a {} model with {} outputs; {what} needs a model that chooses one of several \
             labels for a text",
            model.id,
            model.task.name(),
            model.outputs(),
        );
        return Err(Error::new(Code::MethodNotSupported, detail).at("/model"));
    }
    Ok(())
}
