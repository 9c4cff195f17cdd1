//! How many samples of a corpus have each vocabulary entry.

use std::collections::HashSet;

use crate::text::Encoding;

/// Document frequencies of the vocabulary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frequencies {
    pub samples: usize,
    /// The number of samples that contain each vocabulary entry, `[vocabulary]`. Entries after the
    /// last one that occurs are left out.
    pub of_piece: Vec<u32>,
}

impl Frequencies {
    /// Counts the content tokens of one more sample.
    pub fn count(&mut self, encoding: &Encoding) {
        let ids = encoding.ids.input_ids.iter().enumerate();
        let own = ids.filter(|(token, _)| encoding.is_content(*token)).map(|(_, id)| *id as usize);
        self.samples += 1;
        for id in own.collect::<HashSet<usize>>() {
            if self.of_piece.len() <= id {
                self.of_piece.resize(id + 1, 0);
            }
            self.of_piece[id] += 1;
        }
    }

    /// Adds the counts of other samples.
    pub fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.of_piece.resize(self.of_piece.len().max(other.of_piece.len()), 0);
        for (own, more) in self.of_piece.iter_mut().zip(&other.of_piece) {
            *own += more;
        }
    }

    /// Returns the inverse document frequency of a vocabulary entry, `ln((N + 1) / (n + 1)) + 1`,
    /// as in Lopardo, Precioso & Garreau 2022 (arXiv:2205.13789).
    pub fn inverse(&self, piece: u32) -> f64 {
        let count = self.of_piece.get(piece as usize).copied().unwrap_or_default();
        ((self.samples + 1) as f64 / (f64::from(count) + 1.)).ln() + 1.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_pieces_have_larger_inverse_frequencies() {
        let mut counts = Frequencies { samples: 3, of_piece: vec![0, 3, 1] };
        counts.add(&Frequencies { samples: 1, of_piece: vec![0, 1, 0, 1] });
        assert_eq!(counts, Frequencies { samples: 4, of_piece: vec![0, 4, 1, 1] });
        assert_eq!(counts.inverse(1), 1.);
        assert!((counts.inverse(3) - (2.5_f64.ln() + 1.)).abs() < 1e-12);
        assert!((counts.inverse(900) - (5_f64.ln() + 1.)).abs() < 1e-12, "never seen");
    }
}
