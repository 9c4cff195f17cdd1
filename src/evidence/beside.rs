//! Finds evidence as a part of the answer to POST /explain.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Found, Kind, Predictor};
use crate::error::Result;
use crate::explanation::{Finder, Load, Question};
use crate::model::Model;
use crate::passes::Passes;
use crate::text::{Encoding, Input};

/// A kind of evidence that is found in addition to explanations, with the work and the result of
/// its own route.
pub struct Beside<K>(pub K);

impl<K: Kind> Finder for Beside<K> {
    fn name(&self) -> &'static str {
        self.0.entry().name
    }

    fn depends_on(&self) -> String {
        self.0.depends_on()
    }

    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
        super::loads(&self.0, model, encoding)
    }

    fn find<'a>(
        &'a self,
        passes: &'a Passes,
        question: &'a Question,
        input: &'a Input,
        encoding: &'a Encoding,
    ) -> BoxFuture<'a, Result<Box<dyn Found>>> {
        Box::pin(async move {
            let predictor = Predictor::new(passes, question);
            let original = predictor.original(input, encoding).await?;
            let found = self.0.find(&predictor, &original).await?;
            Ok(Box::new(found) as Box<dyn Found>)
        })
    }
}
