//! Routes for clients of KServe. Its own SDK is the client in scripts/kserve-test.

mod explainer;
mod grpc;
mod v1;
mod v2;
