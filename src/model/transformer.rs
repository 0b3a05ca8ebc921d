//! The V1 encoder and predictor on the processor (`model.md §1.2`): weights, and what happens to a block of positions.
//!
//! A block is some tiles (`kernels::TILE` positions each) of one sequence, and everything about it but attention needs nothing else, so a layer is two
//! steps for each block: [`Transformer::attend`] with the keys and values of all blocks up to it, and [`Transformer::project`] to the next layer's.
//! Immutable once loaded, so any number of threads may run it.

use somascope_kernels::{self as kernels, Column, KeysAndValues, Matrix, Rotary, Start, TILE};

use super::ModelError;
use super::weights::{Dims, Weights, layer_tensor};

pub(super) const NORM_EPSILON: f32 = 1e-5;

/// All weights of a model.
pub(super) struct Transformer {
    pub dims: Dims,
    heads: usize,
    /// `[vocabulary, embed]`
    embedding: Vec<f32>,
    layers: Vec<Layer>,
    final_norm: Norm,
    pub predictor: Linear,
}

/// Room to work in, made once for each thread: nothing is allocated while a pass runs.
#[derive(Default)]
pub(super) struct Scratch {
    /// `[tiles, embed]`: what enters or leaves a branch.
    branch: Vec<Column>,
    /// `[tiles, at most Transformer::widest]`: hidden features, logits, projections.
    pub wide: Vec<Column>,
    /// A query tile's scores with every key.
    scores: Vec<Column>,
}

impl Scratch {
    /// For blocks of `tiles` tiles of a sequence of `positions`, and products of `widest` features.
    pub fn new(tiles: usize, positions: usize, embed: usize, widest: usize) -> Self {
        let room = |columns| vec![Column::ZERO; columns];
        Self {
            branch: room(tiles * embed),
            wide: room(tiles * widest),
            scores: room(kernels::tile_count(positions) * TILE),
        }
    }
}

impl Transformer {
    pub fn load(weights: &Weights<'_>, heads: usize) -> Result<Self, ModelError> {
        let dims = weights.dims;
        Ok(Self {
            dims,
            heads,
            embedding: weights.values("embedding.weight")?,
            layers: (0..dims.layers).map(|l| Layer::load(weights, l)).collect::<Result<_, _>>()?,
            final_norm: Norm::load(weights, "final_norm")?,
            predictor: Linear::load(weights, "predictor", [dims.embed, dims.vocabulary])?,
        })
    }

    pub fn bytes(&self) -> u64 {
        let own = size_of_val(self.embedding.as_slice()) as u64;
        own + self.final_norm.bytes() + self.predictor.bytes() + self.layers.iter().map(Layer::bytes).sum::<u64>()
    }

    /// Features of the widest intermediate that [`Scratch::wide`] must hold, but for the regulariser's.
    pub fn widest(&self) -> usize {
        let hidden = self.layers.iter().flat_map(|layer| layer.outer.weight.input_chunks()).map(|chunk| chunk.len());
        hidden.chain([self.dims.vocabulary]).max().unwrap_or(0)
    }

    pub fn rotary(&self, positions: &[u32]) -> Rotary {
        Rotary::new(positions, self.dims.embed / self.heads)
    }

    /// Embeddings of a block's tokens into `x [tiles, embed]`. Token ids must be below the vocabulary's size.
    pub fn embed(&self, tokens: &[u32], x: &mut [Column]) {
        for (tokens, x) in tokens.chunks(TILE).zip(x.chunks_exact_mut(self.dims.embed)) {
            kernels::look_up(&self.embedding, tokens, x);
        }
    }

    /// Queries `[tiles, embed]`, and keys and values `[tiles, 2 · embed]`, of a layer for a block that starts with the `first`-th tile.
    pub fn project(
        &self,
        layer: usize,
        first: usize,
        rotary: &Rotary,
        x: &[Column],
        scratch: &mut Scratch,
        (queries, keys_and_values): (&mut [Column], &mut [Column]),
    ) {
        let layer = &self.layers[layer];
        let normed = &mut scratch.branch[..x.len()];
        layer.norm_1.apply(x, normed);
        layer.project(normed, queries, keys_and_values);
        self.rotate(first, rotary, queries, keys_and_values);
    }

    fn rotate(&self, first: usize, rotary: &Rotary, queries: &mut [Column], keys_and_values: &mut [Column]) {
        let embed = self.dims.embed;
        let tiles = queries.chunks_exact_mut(embed).zip(keys_and_values.chunks_exact_mut(2 * embed));
        for (tile, (queries, keys_and_values)) in (first..).zip(tiles) {
            rotary.rotate_queries(tile, self.heads, queries);
            rotary.rotate_keys(tile, self.heads, &mut keys_and_values[..embed]);
        }
    }

    /// The rest of a layer: both branches added to `x [tiles, embed]`. `keys_and_values` are the whole sequence's.
    pub fn attend(
        &self,
        layer: usize,
        first: usize,
        queries: &[Column],
        keys_and_values: KeysAndValues<'_>,
        scratch: &mut Scratch,
        x: &mut [Column],
    ) {
        let layer = &self.layers[layer];
        let embed = self.dims.embed;
        let branch = &mut scratch.branch[..x.len()];
        let tiles = queries.chunks_exact(embed).zip(branch.chunks_exact_mut(embed));
        for (tile, (queries, context)) in (first..).zip(tiles) {
            kernels::attend(queries, keys_and_values, tile, self.heads, &mut scratch.scores, context);
        }
        layer.output.add_to(branch, x);
        layer.norm_2.apply(x, branch);
        layer.feed_forward(branch, &mut scratch.wide, x);
    }

    /// Representations `[tiles, embed]` of what the last layer left, and the room for wide products.
    pub fn represent<'s>(&self, x: &[Column], scratch: &'s mut Scratch) -> (&'s [Column], &'s mut [Column]) {
        let representations = &mut scratch.branch[..x.len()];
        self.final_norm.apply(x, representations);
        (representations, &mut scratch.wide)
    }
}

struct Layer {
    norm_1: Norm,
    query: Linear,
    /// Side by side: one product instead of two.
    key_and_value: Linear,
    output: Linear,
    norm_2: Norm,
    inner: Linear,
    outer: Linear,
}

impl Layer {
    fn load(weights: &Weights<'_>, layer: usize) -> Result<Self, ModelError> {
        let Dims { embed, feed_forward, .. } = weights.dims;
        let name = |part: &str| layer_tensor(layer, part);
        let linear = |part: &str, sizes| Linear::load(weights, &name(part), sizes);
        Ok(Self {
            norm_1: Norm::load(weights, &name("norm_1"))?,
            query: linear("attention.query", [embed, embed])?,
            key_and_value: Linear::side_by_side(
                weights,
                &[&name("attention.key"), &name("attention.value")],
                [embed, embed],
            )?,
            output: linear("attention.output", [embed, embed])?,
            norm_2: Norm::load(weights, &name("norm_2"))?,
            inner: linear("pwff.linear_inner", [embed, feed_forward])?,
            outer: linear("pwff.linear_outer", [feed_forward, embed])?,
        })
    }

    fn bytes(&self) -> u64 {
        let Self { norm_1, query, key_and_value, output, norm_2, inner, outer } = self;
        let linears = [query, key_and_value, output, inner, outer].map(Linear::bytes);
        linears.iter().sum::<u64>() + norm_1.bytes() + norm_2.bytes()
    }

    fn project(&self, normed: &[Column], queries: &mut [Column], keys_and_values: &mut [Column]) {
        self.query.apply(normed, queries);
        self.key_and_value.apply(normed, keys_and_values);
    }

    /// Adds the feed-forward branch of normalised input to `x`, some hundred hidden features at a time, so that they never leave the cache.
    fn feed_forward(&self, normed: &[Column], wide: &mut [Column], x: &mut [Column]) {
        let tiles = normed.len() / self.inner.weight.inputs();
        for (index, chunk) in self.outer.weight.input_chunks().enumerate() {
            let hidden = &mut wide[..tiles * chunk.len()];
            self.inner.weight.multiply_to(chunk, normed, hidden, Start::Bias(&self.inner.bias));
            kernels::gelu_tiles(hidden);
            let start = if index == 0 { Start::SumAndBias(&self.outer.bias) } else { Start::Sum };
            self.outer.weight.multiply_from(index, hidden, x, start);
        }
    }
}

/// `x · W + b` at each position.
pub(super) struct Linear {
    weight: Matrix,
    bias: Vec<f32>,
}

impl Linear {
    fn load(weights: &Weights<'_>, name: &str, sizes: [usize; 2]) -> Result<Self, ModelError> {
        Self::side_by_side(weights, &[name], sizes)
    }

    /// Several of the same sizes `[in, out]`, straight from the file into the packed layout.
    fn side_by_side(weights: &Weights<'_>, names: &[&str], [inputs, outputs]: [usize; 2]) -> Result<Self, ModelError> {
        let mut weight = Matrix::new(inputs, names.len() * outputs);
        let mut bias = Vec::with_capacity(names.len() * outputs);
        for (index, name) in names.iter().enumerate() {
            let mut done = 0;
            weights.read(&format!("{name}.weight"), |part| {
                weight.write(index * outputs, outputs, done, part);
                done += part.len();
            })?;
            weights.read(&format!("{name}.bias"), |part| bias.extend_from_slice(part))?;
        }
        Ok(Self { weight, bias })
    }

    pub fn apply(&self, x: &[Column], out: &mut [Column]) {
        self.weight.multiply(x, out, Start::Bias(&self.bias));
    }

    fn add_to(&self, x: &[Column], sum: &mut [Column]) {
        self.weight.multiply(x, sum, Start::SumAndBias(&self.bias));
    }

    fn bytes(&self) -> u64 {
        self.weight.bytes() + size_of_val(self.bias.as_slice()) as u64
    }
}

/// Layer normalisation over the features.
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

impl Norm {
    fn load(weights: &Weights<'_>, name: &str) -> Result<Self, ModelError> {
        Ok(Self { gamma: weights.values(&format!("{name}.gamma"))?, beta: weights.values(&format!("{name}.beta"))? })
    }

    fn apply(&self, x: &[Column], out: &mut [Column]) {
        kernels::layer_norm(x, &self.gamma, &self.beta, NORM_EPSILON, out);
    }

    fn bytes(&self) -> u64 {
        2 * size_of_val(self.gamma.as_slice()) as u64
    }
}

#[cfg(test)]
#[path = "transformer_goldens.rs"]
mod goldens;
