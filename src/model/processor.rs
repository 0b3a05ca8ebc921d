//! The forward pass on the processor, in f32: rows and blocks of them on all cores.
//!
//! Some rows go through the layers together. A layer is one round of tasks, a block of a row each, so that all cores are busy with one row or
//! a hundred. Every number is computed tile by tile in the same order however the tiles are dealt out, so results depend on nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use somascope_kernels::{self as kernels, Column, KeysAndValues, Rotary, TILE};

use super::ModelError;
use super::regulariser::{Regulariser, SLICES};
use super::rows::{Row, RowScore, Rows};
use super::transformer::{Scratch, Transformer};
use super::weights::Weights;

/// A model in the machine's memory.
pub(super) struct Processor {
    transformer: Transformer,
}

/// Tiles of a task, if there are enough for everybody: weights are read from memory once for as many positions.
const LARGEST_BLOCK: usize = 4;
/// Tasks for each thread in a round: enough that nobody waits long for the last.
const TASKS: usize = 16;

impl Processor {
    pub fn load(weights: &Weights<'_>, heads: usize) -> Result<Self, ModelError> {
        Ok(Self { transformer: Transformer::load(weights, heads)? })
    }

    /// Rows of a model's pass that are in memory at a time, about equal portions of all.
    fn portion(rows: &[Row]) -> usize {
        let tiles = rows.iter().map(|row| kernels::tile_count(row.sequence.tokens.len())).max().unwrap_or(1).max(1);
        let wanted = (TASKS * rayon::current_num_threads()).div_ceil(tiles.div_ceil(LARGEST_BLOCK));
        rows.len().div_ceil(rows.len().div_ceil(wanted.clamp(1, 64)).max(1)).max(1)
    }

    /// All layers for some rows.
    fn pass(&self, passes: &mut [Pass<'_>], scratches: &[Mutex<Scratch>], block: usize) {
        let transformer = &self.transformer;
        for round in 0..=transformer.dims.layers {
            let tasks: Vec<Task<'_>> = passes.iter_mut().flat_map(|pass| pass.tasks(block)).collect();
            tasks.into_par_iter().with_max_len(1).for_each(|task| {
                // One at a time on each thread: the lock is never waited for.
                let scratch = &scratches[rayon::current_thread_index().unwrap_or(0) % scratches.len()];
                task.run(transformer, round, &mut scratch.lock().unwrap_or_else(PoisonError::into_inner));
            });
            for pass in &mut *passes {
                std::mem::swap(&mut pass.keys_and_values, &mut pass.next);
            }
        }
    }
}

impl Rows for Processor {
    fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
        let threads = rayon::current_num_threads().max(1);
        let portion = Self::portion(rows);
        let tiles: usize = rows.iter().take(portion).map(|row| kernels::tile_count(row.sequence.tokens.len())).sum();
        let block = (tiles / (4 * threads)).clamp(1, LARGEST_BLOCK);
        let positions = rows.iter().map(|row| row.sequence.tokens.len()).max().unwrap_or(0);
        let widest = self.transformer.widest().max(SLICES);
        let scratch = || Mutex::new(Scratch::new(block, positions, self.embed_dim(), widest));
        let scratches: Vec<Mutex<Scratch>> = (0..threads).map(|_| scratch()).collect();

        let mut scores = Vec::with_capacity(rows.len());
        let mut rooms: Vec<Room> = Vec::new();
        for rows in rows.chunks(portion) {
            rooms.resize_with(rows.len().max(rooms.len()), Room::default);
            let passes = rows.par_iter().zip(&mut rooms).map(|(row, room)| Pass::new(&self.transformer, row, room));
            let mut passes: Vec<Pass<'_>> = passes.collect();
            self.pass(&mut passes, &scratches, block);
            scores.par_extend(passes.par_iter().map(Pass::score));
        }
        Ok(scores)
    }

    fn embed_dim(&self) -> usize {
        self.transformer.dims.embed
    }

    fn resident_bytes(&self) -> u64 {
        self.transformer.bytes()
    }
}

/// Memory of a row's activations, used again for the next row.
#[derive(Default)]
struct Room {
    x: Vec<Column>,
    queries: Vec<Column>,
    keys_and_values: [Vec<Column>; 2],
}

/// A row on its way through the layers.
struct Pass<'a> {
    row: &'a Row,
    rotary: Rotary,
    regulariser: Arc<Regulariser>,
    embed: usize,
    /// `[tiles, embed]`: the residual stream, in the end the representations.
    x: &'a mut [Column],
    /// `[tiles, embed]`: of the layer that comes next.
    queries: &'a mut [Column],
    /// `[tiles, 2 · embed]`: of the layer that comes next, while blocks that are done write those of the one after it.
    keys_and_values: &'a mut [Column],
    next: &'a mut [Column],
    terms: Vec<Terms>,
}

/// What a tile adds to the loss.
#[derive(Clone, Copy, Default)]
struct Terms {
    nll: f64,
    regulariser: f64,
}

impl<'a> Pass<'a> {
    fn new(transformer: &Transformer, row: &'a Row, room: &'a mut Room) -> Self {
        let embed = transformer.dims.embed;
        let tiles = kernels::tile_count(row.sequence.tokens.len());
        let Room { x, queries, keys_and_values: [keys_and_values, next] } = room;
        for (room, width) in
            [(&mut *x, embed), (&mut *queries, embed), (&mut *keys_and_values, 2 * embed), (&mut *next, 2 * embed)]
        {
            room.resize(tiles * width, Column::ZERO);
        }
        Self {
            row,
            rotary: transformer.rotary(&row.sequence.positions),
            regulariser: Regulariser::of_batch(row.noise_seed, embed),
            embed,
            x,
            queries,
            keys_and_values,
            next,
            terms: vec![Terms::default(); tiles],
        }
    }

    /// Blocks of `block` tiles.
    fn tasks(&mut self, block: usize) -> impl Iterator<Item = Task<'_>> {
        let Self { row, rotary, regulariser, embed, x, queries, keys_and_values, next, terms } = self;
        let (row, rotary, regulariser, keys_and_values): (&Row, &Rotary, &Regulariser, &[Column]) =
            (row, rotary, regulariser, keys_and_values);
        let width = block * *embed;
        let activations = x.chunks_mut(width).zip(queries.chunks_mut(width)).zip(next.chunks_mut(2 * width));
        activations.zip(terms.chunks_mut(block)).enumerate().map(move |(index, (((x, queries), next), terms))| Task {
            row,
            rotary,
            regulariser,
            first: index * block,
            x,
            queries,
            keys_and_values,
            next,
            terms,
        })
    }

    /// Tiles summed in their order.
    fn score(&self) -> RowScore {
        let embedding = kernels::mean_position(self.x, self.embed, self.row.sequence.tokens.len());
        let sum = |term: fn(&Terms) -> f64| self.terms.iter().map(term).sum();
        RowScore { nll: sum(|terms| terms.nll), regulariser: sum(|terms| terms.regulariser), embedding }
    }
}

/// One round for one block.
struct Task<'a> {
    row: &'a Row,
    rotary: &'a Rotary,
    regulariser: &'a Regulariser,
    /// The block's first tile in its row.
    first: usize,
    x: &'a mut [Column],
    queries: &'a mut [Column],
    /// The whole row's.
    keys_and_values: &'a [Column],
    /// The block's.
    next: &'a mut [Column],
    terms: &'a mut [Terms],
}

impl Task<'_> {
    /// Round 0 embeds; round `n` finishes layer `n − 1`; each prepares the layer after it, and the last one scores.
    fn run(mut self, transformer: &Transformer, round: usize, scratch: &mut Scratch) {
        let sequence = &self.row.sequence;
        let positions = sequence.tokens.len();
        if round == 0 {
            transformer.embed(&sequence.tokens[self.first * TILE..], self.x);
        } else {
            let keys_and_values = KeysAndValues { tiles: self.keys_and_values, positions };
            transformer.attend(round - 1, self.first, self.queries, keys_and_values, scratch, self.x);
        }
        if round < transformer.dims.layers {
            transformer.project(round, self.first, self.rotary, self.x, scratch, (self.queries, self.next));
        } else {
            self.score(transformer, scratch);
        }
    }

    fn score(&mut self, transformer: &Transformer, scratch: &mut Scratch) {
        let embed = transformer.dims.embed;
        let sequence = &self.row.sequence;
        let counted = sequence.counted();
        let (representations, wide) = transformer.represent(self.x, scratch);
        for (tile, (representations, terms)) in
            (self.first..).zip(representations.chunks_exact(embed).zip(&mut *self.terms))
        {
            let start = tile * TILE;
            let lanes = TILE.min(sequence.tokens.len() - start);
            terms.regulariser = self.regulariser.sum_of_tile(representations, lanes, &mut wide[..SLICES]);
            terms.nll = 0.0;
            if start < counted {
                let logits = &mut wide[..transformer.dims.vocabulary];
                transformer.predictor.apply(representations, logits);
                terms.nll = kernels::nll_sum_of_tile(logits, &sequence.targets[start..counted.min(start + TILE)]);
            }
        }
        self.x.copy_from_slice(representations);
    }
}
