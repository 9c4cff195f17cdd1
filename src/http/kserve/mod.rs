//! Routes for clients of KServe: its V1 protocol and the Open Inference Protocol (V2). A model is
//! predicted and explained as by POST /predict and POST /explain.

pub mod grpc;
pub mod v1;
pub mod v2;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::Service;
use super::problem::Failure;
use crate::error::{Code, Error, Result};

/// Whether a model can answer.
#[derive(Serialize, ToSchema)]
pub struct ModelReady {
    #[schema(example = "sentiment-en")]
    name: String,
    /// Always true; a model that is not ready has the status 503.
    ready: bool,
}

impl ModelReady {
    /// Fails if the model does not serve requests, or the service is about to shut down.
    fn of(service: &Service, id: String) -> Result<Self> {
        service.check_not_retiring()?;
        service.explainer.pool.get(Some(&id))?;
        Ok(Self { name: id, ready: true })
    }
}

/// Changes the pointers of all errors of a failure.
fn relocated(failure: Failure, relocate: impl Fn(Error) -> Error) -> Failure {
    let Failure { error, others } = failure;
    Failure { error: relocate(error), others: others.into_iter().map(relocate).collect() }
}

/// The error of a method that a path does not support.
fn not_allowed() -> Error {
    let detail = "this path does not support that method; the Allow header lists those it supports";
    Error::new(Code::MethodNotAllowed, detail)
}

/// Returns the schema of an object without some of its fields.
fn without(schema: RefOr<Schema>, fields: &[&str]) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.properties.retain(|name, _| !fields.contains(&name.as_str()));
            object.required.retain(|name| !fields.contains(&name.as_str()));
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}
