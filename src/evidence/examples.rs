//! Examples: the labelled samples of a corpus that are most similar to an input, the nearest one
//! that contradicts its prediction, and how typical the input is of the corpus.

use std::sync::Arc;

use super::{Entry, Kind, OptionSpec, Original, Predictor, Takes};
use crate::attribution::OptionKind;
use crate::attribution::options::Preset;
use crate::choice::Choice;
use crate::corpus::{self, SearchQuery, Similarity, states};
use crate::engine::{Corpora, CorpusSpec};
use crate::error::Result;
use crate::explanation::Load;
use crate::model::Model;
use crate::text::Encoding;

/// Default for the number of neighbours.
pub const NEIGHBOURS: usize = 5;

pub static ENTRY: Entry = Entry {
    name: "examples",
    route: "/examples",
    summary: "The labelled samples most similar to the input, the nearest one that contradicts \
              its prediction, and how typical the input is of them.",
    paper: "Caruana et al. 1999 (neighbours as explanations); Hanawa et al. 2021, \
            arXiv:2006.04528 (cosine of gradients); Vovk, Gammerman & Shafer 2005 (credibility)",
    cost_note: "one forward row, or one with a gradient; the corpus is embedded once",
    options: &[
        OptionSpec {
            name: "k",
            takes: Takes::Described("an integer from 1 to limits.neighbours"),
            default: Some(Preset::Integer(NEIGHBOURS as u64)),
            help: "Number of neighbours.",
        },
        OptionSpec {
            name: "similarity",
            takes: Takes::Kind(OptionKind::Choice(Similarity::NAMES)),
            default: Some(Preset::Name("cosine")),
            help: "Cosine of the hidden states of the corpus's layer, or of the gradients of the \
                   loss at the embeddings.",
        },
        OptionSpec {
            name: "corpus",
            takes: Takes::Described("an id of GET /corpora"),
            default: None,
            help: "The corpus to search; the model's first one by default.",
        },
    ],
};

/// The options of one request.
pub struct Examples {
    pub corpora: Arc<Corpora>,
    pub corpus: Arc<CorpusSpec>,
    pub similarity: Similarity,
    /// The number of neighbours to return.
    pub k: usize,
}

/// The examples for one input.
pub struct Found {
    /// The id of the corpus and its number of samples.
    pub corpus: String,
    pub samples: usize,
    /// Whether another corpus may replace it under the same id.
    pub changeable: bool,
    pub similarity: Similarity,
    /// The index of the predicted label of the input.
    pub predicted: usize,
    pub found: corpus::Found,
}

impl super::Found for Found {
    /// Always true: a search that does not complete is an error.
    fn is_finished(&self) -> bool {
        true
    }

    fn is_lasting(&self) -> bool {
        !self.changeable
    }
}

impl Kind for Examples {
    type Found = Found;

    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn check(&self, model: &Model) -> Result<()> {
        states::check(model)
    }

    /// The first corpus of a model changes when another one is added.
    fn depends_on(&self) -> String {
        self.corpus.id.clone()
    }

    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
        let tokens = encoding.len();
        vec![match self.similarity {
            Similarity::Cosine => Load::forward(model, tokens, 1),
            Similarity::Gradient => Load::gradients(model, tokens, 1),
        }]
    }

    async fn find(&self, predictor: &Predictor, original: &Original<'_>) -> Result<Found> {
        let (passes, model) = (&predictor.passes, predictor.model());
        let index = self.corpora.index(&self.corpus, model, self.similarity, passes).await?;
        let representation = index.key.representation;
        let (ids, predicted) = (&original.encoding.ids, original.verdict.label);
        let probabilities = &original.verdict.probabilities;
        let row = representation.second_row(model, Arc::clone(ids), probabilities, predicted);
        let row = row.unwrap_or_else(|| representation.first_row(Arc::clone(ids)));
        let output = passes.run_one(row).await?;
        let vector = corpus::vector(&output, original.encoding);
        let (samples, neighbours, searched) = (index.len(), self.k, Arc::clone(&index));
        let search = move || searched.find(SearchQuery { vector: &vector, predicted, neighbours });
        let found = passes.compute(search).await?;
        let found = found.map_err(|cause| self.corpora.unreadable(&self.corpus, &index, &cause))?;
        let (corpus, similarity) = (self.corpus.id.clone(), self.similarity);
        let changeable = !self.corpus.is_built_in();
        Ok(Found { corpus, samples, changeable, similarity, predicted, found })
    }
}
