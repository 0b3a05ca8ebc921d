//! The layout of activations: [`TILE`] positions of a sequence side by side, feature after feature.
//!
//! A lane of a vector register is a position, so norms, softmax, rotary angles and likelihoods never cross lanes, and what one kernel
//! leaves is what the next one reads: nothing is ever transposed.

use std::iter::zip;
use std::ops::{Deref, DerefMut};

/// Positions of a tile: two AVX-512 registers, four of AVX2.
pub const TILE: usize = 32;

/// One feature at each position of a tile. Aligned, so that no register load straddles two cache lines.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Column(pub [f32; TILE]);

impl Column {
    pub const ZERO: Self = Self([0.0; TILE]);
}

impl Deref for Column {
    type Target = [f32; TILE];

    #[inline(always)]
    fn deref(&self) -> &[f32; TILE] {
        &self.0
    }
}

impl DerefMut for Column {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32; TILE] {
        &mut self.0
    }
}

impl AsRef<[f32]> for Column {
    #[inline(always)]
    fn as_ref(&self) -> &[f32] {
        &self.0
    }
}

/// Tiles that `positions` positions take.
pub fn tile_count(positions: usize) -> usize {
    positions.div_ceil(TILE)
}

/// `[positions, width]` as tiles `[tiles, width]`; positions past the end are zero.
pub fn to_tiles(rows: &[f32], width: usize) -> Vec<Column> {
    let mut tiles = vec![Column::ZERO; tile_count(rows.len() / width) * width];
    for (tile, rows) in zip(tiles.chunks_exact_mut(width), rows.chunks(TILE * width)) {
        for (lane, row) in rows.chunks_exact(width).enumerate() {
            for (column, value) in zip(&mut *tile, row) {
                column[lane] = *value;
            }
        }
    }
    tiles
}

/// The first `positions` positions of tiles `[tiles, width]` as `[positions, width]`.
pub fn from_tiles(tiles: &[Column], width: usize, positions: usize) -> Vec<f32> {
    let mut rows = vec![0.0; positions * width];
    for (rows, tile) in zip(rows.chunks_mut(TILE * width), tiles.chunks_exact(width)) {
        for (lane, row) in rows.chunks_exact_mut(width).enumerate() {
            for (value, column) in zip(row, tile) {
                *value = column[lane];
            }
        }
    }
    rows
}

/// The rows of `table [_, tile.len()]` that the tokens of a tile name, one token a lane; lanes past the last token are zero.
///
/// # Panics
/// If a token is beyond the table.
pub fn look_up(table: &[f32], tokens: &[u32], tile: &mut [Column]) {
    let width = tile.len();
    tile.fill(Column::ZERO);
    for (lane, token) in tokens.iter().take(TILE).enumerate() {
        for (column, value) in zip(&mut *tile, &table[*token as usize * width..][..width]) {
            column[lane] = *value;
        }
    }
}

/// Mean over the first `positions` positions of each of `width` features of tiles `[tiles, width]`, summed in f32 one after the other as the
/// reference does: where positions are alike, its rounding is larger than anything else in an embedding.
pub fn mean_position(tiles: &[Column], width: usize, positions: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for (tile, first) in zip(tiles.chunks_exact(width), (0..positions).step_by(TILE)) {
        for (sum, column) in zip(&mut mean, tile) {
            *sum = column.iter().take(positions - first).fold(*sum, |sum, value| sum + value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= positions as f32);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_what_the_rows_held() {
        let rows: Vec<f32> = (0..37 * 3).map(|v| v as f32).collect();
        let tiles = to_tiles(&rows, 3);
        assert_eq!(tiles.len(), 2 * 3);
        assert_eq!((tiles[1][0], tiles[1][2], tiles[3][4], tiles[3][5]), (1.0, 7.0, 108.0, 0.0));
        assert_eq!(from_tiles(&tiles, 3, 37), rows);
        assert_eq!(mean_position(&tiles, 3, 37), [54.0, 55.0, 56.0]);
        let mut tile = [Column([9.0; TILE]); 3];
        look_up(&rows, &[36, 0], &mut tile);
        assert_eq!((tile[2][0], tile[2][1], tile[2][2]), (110.0, 2.0, 0.0));
    }
}
