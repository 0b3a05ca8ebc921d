//! Rotary positions.

use std::iter::zip;

use crate::lanes::vectorised;
use crate::tile::{Column, TILE, from_tiles, tile_count};

const MAX_WAVELENGTH: f32 = 10_000.0;

/// Cosines and sines of the rotary angles of a sequence; the same for every head and layer.
pub struct Rotary {
    /// Cosines, then sines: `[tiles, 2, head_dim / 2]`.
    tables: Vec<Column>,
    half: usize,
}

impl Rotary {
    /// The angle is rounded to f32 before its sine is taken, as in the reference: at offsets near 1 MiB that rounding is visible.
    pub fn new(positions: &[u32], head_dim: usize) -> Self {
        let half = head_dim / 2;
        let timescales: Vec<f32> = (0..half).map(|i| MAX_WAVELENGTH.powf((i * 2) as f32 / head_dim as f32)).collect();
        let mut tables = vec![Column::ZERO; tile_count(positions.len()) * head_dim];
        for (positions, table) in zip(positions.chunks(TILE), tables.chunks_exact_mut(head_dim)) {
            let (cosines, sines) = table.split_at_mut(half);
            for (timescale, (cos, sin)) in zip(&timescales, zip(cosines, sines)) {
                for (position, (cos, sin)) in zip(positions, zip(cos.iter_mut(), sin.iter_mut())) {
                    let (s, c) = f64::from(*position as f32 / timescale).sin_cos();
                    (*sin, *cos) = (s as f32, c as f32);
                }
            }
        }
        Self { tables, half }
    }

    /// The tables as `[positions, head_dim]`: cosines, then sines, of each position.
    pub fn rows(&self, positions: usize) -> Vec<f32> {
        from_tiles(&self.tables, 2 * self.half, positions)
    }

    /// Rotates one head's vector at `slot` of the sequence.
    pub fn rotate(&self, slot: usize, vector: &[f32], rotated: &mut [f32]) {
        let (cosines, sines) = self.table(slot / TILE);
        let (a, b) = vector.split_at(self.half);
        let (out_a, out_b) = rotated.split_at_mut(self.half);
        for (((cos, sin), (a, b)), (out_a, out_b)) in zip(zip(zip(cosines, sines), zip(a, b)), zip(out_a, out_b)) {
            let (cos, sin) = (cos[slot % TILE], sin[slot % TILE]);
            *out_a = a * cos - b * sin;
            *out_b = b * cos + a * sin;
        }
    }

    /// Rotates keys `[embed]` of the `tile`-th tile in place.
    pub fn rotate_keys(&self, tile: usize, heads: usize, keys: &mut [Column]) {
        self.rotate_tile(tile, heads, 1.0, keys);
    }

    /// Rotates queries `[embed]` of the `tile`-th tile in place and divides them by the root of the head's dimensions, which a score is divided by.
    pub fn rotate_queries(&self, tile: usize, heads: usize, queries: &mut [Column]) {
        self.rotate_tile(tile, heads, 1.0 / (2.0 * self.half as f32).sqrt(), queries);
    }

    fn rotate_tile(&self, tile: usize, heads: usize, scale: f32, columns: &mut [Column]) {
        let (cosines, sines) = self.table(tile);
        let dim = columns.len() / heads;
        vectorised(
            #[inline(always)]
            || {
                for head in columns.chunks_exact_mut(dim) {
                    let (a, b) = head.split_at_mut(dim / 2);
                    for ((a, b), (cos, sin)) in zip(zip(a, b), zip(cosines, sines)) {
                        for lane in 0..TILE {
                            let (x, y) = (a[lane], b[lane]);
                            a[lane] = (x * cos[lane] - y * sin[lane]) * scale;
                            b[lane] = (y * cos[lane] + x * sin[lane]) * scale;
                        }
                    }
                }
            },
        );
    }

    fn table(&self, tile: usize) -> (&[Column], &[Column]) {
        self.tables[2 * tile * self.half..][..2 * self.half].split_at(self.half)
    }
}
