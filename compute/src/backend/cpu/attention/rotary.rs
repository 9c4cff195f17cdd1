//! Rotary position embeddings (Su et al. 2021) as transformers lays them out:
//! the two halves of a head are the parts of its complex numbers.

use crate::backend::Span;
use crate::backend::cpu::array::Array;
use crate::blocks::Angles;

/// By the angle of the position, or by its opposite: the gradient's way.
#[derive(Clone, Copy)]
pub enum Turn {
    There,
    Back,
}

/// Turns each head of every query and key by the angles of its position.
pub fn turn(query: &mut Array, key: &mut Array, spans: &[Span], angles: &Angles, turn: Turn) {
    for span in spans {
        for (i, row) in span.queries.clone().enumerate() {
            turn_row(query, row, span.place(i), angles, turn);
        }
        for (place, row) in span.keys.clone().enumerate() {
            turn_row(key, row, place, angles, turn);
        }
    }
}

fn turn_row(x: &mut Array, row: usize, position: usize, angles: &Angles, turn: Turn) {
    let width = x.width;
    let (cos, sin) = angles.at(position);
    let sign = match turn {
        Turn::There => 1.,
        Turn::Back => -1.,
    };
    for head in x.row_mut(row)[..width].chunks_exact_mut(2 * angles.half) {
        let (real, imaginary) = head.split_at_mut(angles.half);
        for (((a, b), cos), sin) in real.iter_mut().zip(imaginary).zip(cos).zip(sin) {
            let (cos, sin) = (*cos as f32, sign * *sin as f32);
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}
