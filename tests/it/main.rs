//! Tests from outside: the library, the HTTP surface in-process, the binary.

mod candle_oracle;
mod golden;
mod support;
