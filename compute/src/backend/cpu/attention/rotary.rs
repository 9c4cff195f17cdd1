//! Rotary position embeddings (Su et al. 2021) in transformers' layout: the two halves of a head
//! are real and imaginary parts.

use crate::backend::Span;
use crate::backend::cpu::array::Array;
use crate::blocks::Angles;

/// The direction of a rotation: by the position's angle, or by its inverse for the gradient.
#[derive(Clone, Copy)]
pub enum Rotation {
    Forward,
    Inverse,
}

/// Rotates each head of every query and key by the angles of its position.
pub fn rotate(query: &mut Array, key: &mut Array, spans: &[Span], angles: &Angles, by: Rotation) {
    for span in spans {
        for (i, row) in span.queries.clone().enumerate() {
            rotate_row(query, row, span.position(i), angles, by);
        }
        for (position, row) in span.keys.clone().enumerate() {
            rotate_row(key, row, position, angles, by);
        }
    }
}

fn rotate_row(x: &mut Array, row: usize, position: usize, angles: &Angles, rotation: Rotation) {
    let width = x.width;
    let (cos, sin) = angles.at(position);
    let sign = match rotation {
        Rotation::Forward => 1.,
        Rotation::Inverse => -1.,
    };
    for head in x.row_mut(row)[..width].chunks_exact_mut(2 * angles.half) {
        let (real, imaginary) = head.split_at_mut(angles.half);
        for (((a, b), cos), sin) in real.iter_mut().zip(imaginary).zip(cos).zip(sin) {
            let (cos, sin) = (*cos as f32, sign * *sin as f32);
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}
