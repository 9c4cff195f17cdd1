//! sentence-transformers' modules after the transformer as one head: how states are
//! pooled (Reimers & Gurevych 2019), and what the vector goes through then.

mod dense;
mod pooling;

use serde_json::{Map, Value};

use super::Parts;
use crate::blocks::{Pool, Step};
use crate::checkpoint::layout::MODULES;
use crate::checkpoint::{LoadError, Module, ModuleKind, Owner, Weights};

/// A head in the making.
pub struct Chain {
    pub pool: Pool,
    pub steps: Vec<Step>,
    /// Numbers of what the last step gives.
    pub width: usize,
    /// What the library calls it.
    pub output: String,
}

/// The library's names of what modules hand on.
pub const EMBEDDING: &str = "sentence_embedding";
pub const SCORES: &str = "scores";

type Object = Map<String, Value>;

/// torch's, where a LayerNorm says nothing.
const EPS: f64 = 1e-5;

/// What `modules` make of the states.
pub fn read(parts: &Parts<'_>, modules: &[Module]) -> Result<Chain, LoadError> {
    let Some((first, rest)) = modules.split_first() else {
        return Err(parts.checkpoint.error(MODULES, "no Pooling follows the Transformer"));
    };
    if first.kind != ModuleKind::Pooling {
        let reason = format!(
            "{} acts on each token: only Pooling can follow the Transformer directly",
            first.folder
        );
        return Err(parts.checkpoint.error(MODULES, reason));
    }
    let file = first.config();
    parts.checkpoint.required(&file)?;
    let pool = pooling::read(&parts.checkpoint.object(&file)?, parts.prompt_tokens)
        .map_err(|reason| parts.checkpoint.error(&file, reason))?;
    let width = parts.built.hidden_size * pool.ways.len();
    let mut chain = Chain { pool, steps: Vec::new(), width, output: EMBEDDING.to_owned() };
    rest.iter().try_for_each(|module| chain.add(parts, module))?;
    Ok(chain)
}

/// A module with what its config.json says.
struct Described<'a> {
    parts: &'a Parts<'a>,
    module: &'a Module,
    file: String,
    config: Object,
}

impl Chain {
    fn add(&mut self, parts: &Parts<'_>, module: &Module) -> Result<(), LoadError> {
        let file = module.config();
        let config = parts.checkpoint.object(&file)?;
        let described = Described { parts, module, file, config };
        match module.kind {
            ModuleKind::Pooling => {
                let reason = format!("{} is a second Pooling", module.folder);
                return Err(parts.checkpoint.error(MODULES, reason));
            }
            ModuleKind::Dropout => {}
            ModuleKind::Normalize => {
                self.hand_on(&described)?;
                self.steps.push(Step::Unit);
            }
            ModuleKind::Dense => {
                self.hand_on(&described)?;
                let dense = dense::read(&described, self.width)?;
                self.width = dense.map.out;
                self.steps.push(Step::Dense(Box::new(dense)));
            }
            ModuleKind::LayerNorm => {
                self.hand_on(&described)?;
                described.size("dimension", self.width)?;
                let norm = described.weights()?.layer_norm("norm", self.width, EPS)?;
                self.steps.push(Step::Norm(norm));
            }
        }
        Ok(())
    }

    /// A module takes what the last one gave, and nothing else.
    fn hand_on(&mut self, described: &Described<'_>) -> Result<(), LoadError> {
        let name = |field: &str| described.config.get(field).and_then(Value::as_str);
        let input = name("module_input_name").unwrap_or(EMBEDDING);
        if input != self.output {
            return Err(described.fail(format!(
                "module_input_name is {input:?}, and the module before gives {:?}",
                self.output
            )));
        }
        self.output = name("module_output_name").unwrap_or(input).to_owned();
        Ok(())
    }
}

impl Described<'_> {
    fn fail(&self, reason: impl ToString) -> LoadError {
        self.parts.checkpoint.error(&self.file, reason)
    }

    fn weights(&self) -> Result<Weights<'_>, LoadError> {
        Weights::of(self.parts.checkpoint, &Owner::Module(self.module.folder.clone()))
    }

    /// The number in `field`, which the size of what comes before must be.
    fn size(&self, field: &str, expected: usize) -> Result<(), LoadError> {
        match self.number(field)? {
            size if size == expected => Ok(()),
            size => Err(self.fail(format!("{field} is {size}, what comes before has {expected}"))),
        }
    }

    fn number(&self, field: &str) -> Result<usize, LoadError> {
        let number = self.config.get(field).and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok()).filter(|n| *n > 0);
        number.ok_or_else(|| self.fail(format!("{field} must be a whole number above 0")))
    }
}
