//! Stands in for 8-bit products where there are no instructions for them: no value of these types
//! exists.

use super::super::Isa;
use super::super::array::Array;
use super::super::matmul::{Finish, Start};
use super::super::threads::Threads;

#[derive(Debug, Clone, Copy)]
pub enum Vnni {}

impl Vnni {
    pub fn of(_: Isa) -> Option<Self> {
        None
    }

    pub fn isa(self) -> Isa {
        match self {}
    }
}

#[derive(Debug)]
pub enum Map {}

impl Map {
    pub fn new(vnni: Vnni, _weight: &[f32], _input: usize) -> Option<Self> {
        match vnni {}
    }

    pub fn forward<F: Finish>(&self, _: Threads, _: &Array, _: Start<'_>, _: &F) -> Array {
        match *self {}
    }
}
