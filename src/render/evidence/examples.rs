//! Renders examples.

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::{LabelBody, Show};
use crate::corpus::{Nearest, Similarity};
use crate::evidence::examples::Found;
use crate::model::Model;
use crate::render::clean::clean;
use crate::render::paint::{Colours, line};

/// Credibility below which a warning is shown.
const DOUBTFUL: f64 = 0.05;

/// The samples most similar to an input.
#[derive(Serialize, ToSchema)]
pub struct ExamplesBody {
    corpus: CorpusEcho,
    /// Most similar first. Ties are in corpus order.
    neighbours: Vec<NeighbourBody>,
    /// The share of neighbours that have the predicted label of the input.
    agreement: f32,
    /// The nearest sample that has another label, or that the model predicts wrongly. Absent if
    /// the corpus has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    dissent: Option<NeighbourBody>,
    /// The share of samples that are no more similar to their nearest samples than the input is.
    /// Near 0, the input is unlike the corpus.
    #[serde(skip_serializing_if = "Option::is_none")]
    typicality: Option<f32>,
    /// The label-conditional conformal p-value of the predicted label: the share of its samples
    /// that are at least as unlike the others of that label. Absent if there are no samples to
    /// compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    credibility: Option<f32>,
}

/// The corpus that was searched.
#[derive(Serialize, ToSchema)]
struct CorpusEcho {
    id: String,
    samples: usize,
    #[schema(inline)]
    similarity: SimilarityName,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SimilarityName {
    Cosine,
    Gradient,
}

/// A sample of the corpus.
#[derive(Serialize, ToSchema)]
pub struct NeighbourBody {
    /// The id in the corpus, or else the row index from 0.
    id: String,
    text: String,
    /// The label in the corpus.
    label: String,
    /// The prediction of the model.
    prediction: LabelBody,
    /// Cosine similarity, -1 to 1.
    similarity: f32,
}

impl NeighbourBody {
    fn new(model: &Model, sample: &Nearest) -> Self {
        Self {
            id: sample.id.clone(),
            text: sample.text.clone(),
            label: model.label(sample.label),
            prediction: LabelBody {
                label: model.label(sample.predicted),
                index: sample.predicted,
                probability: sample.probability as f32,
            },
            similarity: sample.similarity as f32,
        }
    }
}

impl Found {
    /// Describes typicality and credibility in sentences.
    fn sentences(&self, model: &Model) -> Vec<String> {
        let label = model.label(self.predicted);
        let mut sentences = Vec::new();
        if let Some(typicality) = self.found.typicality {
            let percent = 100. * typicality;
            sentences.push(format!(
                "Typicality: {percent:.0} % of the samples are no closer to their neighbours than \
                 this text."
            ));
        }
        if let Some(credibility) = self.found.credibility {
            sentences.push(format!(
                "Credibility of {label}: {credibility:.3}, the share of samples with that label \
                 that are at least as unlike the others."
            ));
            if credibility < DOUBTFUL {
                sentences.push("The prediction may be unreliable.".to_owned());
            }
        }
        sentences
    }

    fn heading(&self) -> String {
        let by = match self.similarity {
            Similarity::Cosine => "states",
            Similarity::Gradient => "gradients",
        };
        let count = self.found.neighbours.len();
        format!("The {count} nearest of {} samples of {}, by {by}", self.samples, self.corpus)
    }
}

/// Returns the heading for the dissenting sample.
fn dissent(sample: &Nearest) -> &'static str {
    match sample.label == sample.predicted {
        true => "The nearest sample with another label",
        false => "The nearest contradicting sample, which the model predicts wrongly",
    }
}

impl Show for Found {
    type Json = ExamplesBody;

    fn json(&self, model: &Model) -> ExamplesBody {
        let body = |sample: &Nearest| NeighbourBody::new(model, sample);
        ExamplesBody {
            corpus: CorpusEcho {
                id: self.corpus.clone(),
                samples: self.samples,
                similarity: match self.similarity {
                    Similarity::Cosine => SimilarityName::Cosine,
                    Similarity::Gradient => SimilarityName::Gradient,
                },
            },
            neighbours: self.found.neighbours.iter().map(body).collect(),
            agreement: self.found.agreement as f32,
            dissent: self.found.dissent.as_ref().map(body),
            typicality: self.found.typicality.map(|value| value as f32),
            credibility: self.found.credibility.map(|value| value as f32),
        }
    }

    fn page(&self, model: &Model) -> Markup {
        let row = |sample: &Nearest| {
            html! {
                tr {
                    td { (format!("{:.3}", sample.similarity)) }
                    td { bdi { (model.label(sample.label)) } }
                    td {
                        bdi { (model.label(sample.predicted)) }
                        (format!(" {:.3}", sample.probability))
                    }
                    td { bdi { (sample.text) } }
                }
            }
        };
        let table = |samples: &[&Nearest]| {
            html! {
                table {
                    thead {
                        tr {
                            th { "similarity" } th { "label" } th { "predicted" }
                            th { "text" }
                        }
                    }
                    tbody { @for sample in samples { (row(sample)) } }
                }
            }
        };
        let neighbours: Vec<&Nearest> = self.found.neighbours.iter().collect();
        html! {
            h3 { (self.heading()) }
            (table(&neighbours))
            p { (format!("{:.0} % of them have the predicted label.", 100. * self.found.agreement)) }
            @if let Some(sample) = &self.found.dissent {
                h3 { (dissent(sample)) }
                (table(&[sample]))
            }
            @for sentence in self.sentences(model) { p { (sentence) } }
        }
    }

    fn terminal(&self, out: &mut String, colours: Colours, model: &Model) {
        let bold = colours.bold();
        line(out, format_args!("{bold}{}{bold:#}", clean(&self.heading())));
        for neighbour in &self.found.neighbours {
            sample(out, model, neighbour);
        }
        let agreement = 100. * self.found.agreement;
        line(out, format_args!("{agreement:.0} % of them have the predicted label."));
        if let Some(found) = &self.found.dissent {
            line(out, format_args!("\n{bold}{}{bold:#}", dissent(found)));
            sample(out, model, found);
        }
        line(out, format_args!(""));
        for sentence in self.sentences(model) {
            line(out, format_args!("{}", clean(&sentence)));
        }
    }
}

/// Writes a sample as one line for the terminal.
fn sample(out: &mut String, model: &Model, sample: &Nearest) {
    let (label, predicted) = (model.label(sample.label), model.label(sample.predicted));
    let wrong = match sample.label == sample.predicted {
        true => String::new(),
        false => format!(" (predicted {predicted})"),
    };
    let text = clean(&format!("{label}{wrong}  {}", sample.text));
    line(out, format_args!("{:>6.3}  {text}", sample.similarity));
}
