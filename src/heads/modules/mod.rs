//! sentence-transformers' modules after the transformer, as one head: pooling (Reimers & Gurevych
//! 2019), then further steps.

mod dense;
mod pooling;

use serde_json::{Map, Value};

use super::HeadContext;
use crate::blocks::{Pool, Step};
use crate::checkpoint::layout::MODULES;
use crate::checkpoint::{LoadError, Module, ModuleKind, Owner, Weights};

/// A head under construction.
pub struct Chain {
    pub pool: Pool,
    pub steps: Vec<Step>,
    /// The width of the last step's output.
    pub width: usize,
    /// The library's name of the output.
    pub output: String,
}

/// The library's names of module outputs.
pub const EMBEDDING: &str = "sentence_embedding";
pub const SCORES: &str = "scores";

type Object = Map<String, Value>;

/// torch's default for LayerNorm.
const EPS: f64 = 1e-5;

/// Builds the head that `modules` describe.
pub fn read(parts: &HeadContext<'_>, modules: &[Module]) -> Result<Chain, LoadError> {
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
    let width = parts.built.hidden_size * pool.modes.len();
    let mut chain = Chain { pool, steps: Vec::new(), width, output: EMBEDDING.to_owned() };
    rest.iter().try_for_each(|module| chain.add(parts, module))?;
    Ok(chain)
}

/// A module and its config.json.
struct ModuleReader<'a> {
    parts: &'a HeadContext<'a>,
    module: &'a Module,
    file: String,
    config: Object,
}

impl Chain {
    fn add(&mut self, parts: &HeadContext<'_>, module: &Module) -> Result<(), LoadError> {
        let file = module.config();
        let config = parts.checkpoint.object(&file)?;
        let reader = ModuleReader { parts, module, file, config };
        match module.kind {
            ModuleKind::Pooling => {
                let reason = format!("{} is a second Pooling", module.folder);
                return Err(parts.checkpoint.error(MODULES, reason));
            }
            ModuleKind::Dropout => {}
            ModuleKind::Normalize => {
                self.connect(&reader)?;
                self.steps.push(Step::Unit);
            }
            ModuleKind::Dense => {
                self.connect(&reader)?;
                let dense = dense::read(&reader, self.width)?;
                self.width = dense.map.out;
                self.steps.push(Step::Dense(Box::new(dense)));
            }
            ModuleKind::LayerNorm => {
                self.connect(&reader)?;
                reader.size("dimension", self.width)?;
                let norm = reader.weights()?.layer_norm("norm", self.width, EPS)?;
                self.steps.push(Step::Norm(norm));
            }
        }
        Ok(())
    }

    /// Checks that the module's input is the previous output, and sets the new output.
    fn connect(&mut self, reader: &ModuleReader<'_>) -> Result<(), LoadError> {
        let name = |field: &str| reader.config.get(field).and_then(Value::as_str);
        let input = name("module_input_name").unwrap_or(EMBEDDING);
        if input != self.output {
            return Err(reader.fail(format!(
                "module_input_name is {input:?}, but the previous module outputs {:?}",
                self.output
            )));
        }
        self.output = name("module_output_name").unwrap_or(input).to_owned();
        Ok(())
    }
}

impl ModuleReader<'_> {
    fn fail(&self, reason: impl ToString) -> LoadError {
        self.parts.checkpoint.error(&self.file, reason)
    }

    fn weights(&self) -> Result<Weights<'_>, LoadError> {
        Weights::of(self.parts.checkpoint, &Owner::Module(self.module.folder.clone()))
    }

    /// Checks that the number in `field` is the width of the previous output.
    fn size(&self, field: &str, expected: usize) -> Result<(), LoadError> {
        match self.number(field)? {
            size if size == expected => Ok(()),
            size => Err(self.fail(format!("{field} is {size}, but its input has {expected}"))),
        }
    }

    fn number(&self, field: &str) -> Result<usize, LoadError> {
        let number = self.config.get(field).and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok()).filter(|n| *n > 0);
        number.ok_or_else(|| self.fail(format!("{field} must be a whole number above 0")))
    }
}
