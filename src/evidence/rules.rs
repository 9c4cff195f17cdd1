//! Rules for one text: an anchor, or the paths of a surrogate tree.

use std::sync::Arc;

use super::anchors::{self, Anchor, Order, Rarity};
use super::perturb::Absent;
use super::surrogate_tree::{self, Tree};
use super::{Entry, Found, Kind, Original, Predictor, fill};
use crate::error::{Code, Error, Result};
use crate::explanation::Load;
use crate::model::Model;
use crate::text::Encoding;

/// The requested kind of rule and its options.
#[derive(Clone)]
pub enum Rules {
    Anchor(anchors::Options),
    Tree(surrogate_tree::Options),
}

/// The rule or rules that were found.
#[derive(Debug, Clone)]
pub enum Rule {
    Anchor(Anchor),
    Tree(Tree),
}

impl Found for Rule {
    fn is_finished(&self) -> bool {
        match self {
            Self::Anchor(anchor) => anchor.is_finished(),
            Self::Tree(tree) => tree.is_finished(),
        }
    }
}

impl Rules {
    fn absent(&self) -> &Absent {
        match self {
            Self::Anchor(options) => &options.absent,
            Self::Tree(options) => &options.absent,
        }
    }
}

impl Kind for Rules {
    type Found = Rule;

    fn entry(&self) -> &'static Entry {
        match self {
            Self::Anchor(_) => &anchors::ENTRY,
            Self::Tree(_) => &surrogate_tree::ENTRY,
        }
    }

    fn depends_on(&self) -> String {
        let filler = match self.absent() {
            Absent::Fill(filler) => filler.revision.as_str(),
            Absent::Mask | Absent::Drop => "",
        };
        let corpus = match self {
            Self::Anchor(anchors::Options { rarity: Rarity::Corpus(index), .. }) => {
                index.key.digest.as_str()
            }
            Self::Anchor(_) | Self::Tree(_) => "",
        };
        format!("{filler} {corpus}")
    }

    fn check(&self, model: &Model) -> Result<()> {
        if let Self::Anchor(anchors::Options { order: Order::Gradient, .. }) = self
            && model.is_remote()
        {
            let detail =
                "another server predicts this model: order gradient needs the model itself";
            return Err(Error::new(Code::MethodNotSupported, detail).at("/order"));
        }
        match self.absent() {
            Absent::Mask => model.text.mask().map(drop).map_err(|error| error.at("/fill")),
            Absent::Drop => Ok(()),
            Absent::Fill(_) if model.is_remote() => {
                let detail =
                    "another server predicts this model: words of it are masked or dropped";
                Err(Error::new(Code::MethodNotSupported, detail).at("/fill"))
            }
            Absent::Fill(filler) => fill::check(filler, "/fill/model"),
        }
    }

    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
        match self {
            Self::Anchor(options) => anchors::loads(options, model, encoding),
            Self::Tree(options) => surrogate_tree::loads(options, model, encoding),
        }
    }

    async fn find(&self, predictor: &Predictor, original: &Original<'_>) -> Result<Rule> {
        Ok(match self {
            Self::Anchor(options) => {
                Rule::Anchor(anchors::find(options, predictor, original).await?)
            }
            Self::Tree(options) => {
                Rule::Tree(surrogate_tree::find(options, predictor, original).await?)
            }
        })
    }
}
