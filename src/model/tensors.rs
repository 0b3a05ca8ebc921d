//! The forward pass in operations of the tensor library, which runs them on any device that it knows: how Apple's cards are used, and the plain
//! way that the benches measure the processor's own against.
//!
//! Products are in the model's precision; norms, softmax, the residual stream and all means are f32 (`model.md §7`: in bf16 a loss is off by
//! 6 % without that).

use candle_core::{D, DType, Device, IndexOp, Result as CandleResult, Tensor};
use somascope_kernels::Rotary;

use super::regulariser::Regulariser;
use super::rows::{Row, RowScore, Rows};
use super::transformer::NORM_EPSILON;
use super::weights::{Dims, Weights, layer_tensor};
use super::{ModelError, Precision};

/// Rows of a pass: scores of every key with every query take 32 MiB a row and copy of them.
const ROWS_AT_ONCE: usize = 4;
const MASK_FILL: f32 = -10_000.0;

/// A model as tensors on a device.
pub(super) struct Tensors {
    device: Device,
    /// Of weights and products.
    dtype: DType,
    dims: Dims,
    heads: usize,
    embedding: Tensor,
    layers: Vec<Layer>,
    final_norm: Norm,
    predictor: Linear,
    bytes: u64,
}

struct Layer {
    norm_1: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm_2: Norm,
    inner: Linear,
    outer: Linear,
}

struct Linear {
    /// `[in, out]`
    weight: Tensor,
    bias: Tensor,
}

struct Norm {
    gamma: Tensor,
    beta: Tensor,
}

/// Reads tensors onto a device.
struct Loader<'a> {
    weights: &'a Weights<'a>,
    device: &'a Device,
    dtype: DType,
}

impl Loader<'_> {
    fn tensor(&self, name: &str, dtype: DType) -> Result<Tensor, ModelError> {
        let values = self.weights.values(name)?;
        Ok(Tensor::from_vec(values, self.weights.shape(name)?, self.device)?.to_dtype(dtype)?)
    }

    fn linear(&self, name: &str) -> Result<Linear, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), self.dtype)?;
        Ok(Linear { weight, bias: self.tensor(&format!("{name}.bias"), DType::F32)? })
    }

    fn norm(&self, name: &str) -> Result<Norm, ModelError> {
        let gamma = self.tensor(&format!("{name}.gamma"), DType::F32)?;
        Ok(Norm { gamma, beta: self.tensor(&format!("{name}.beta"), DType::F32)? })
    }

    fn layer(&self, index: usize) -> Result<Layer, ModelError> {
        let name = |part: &str| layer_tensor(index, part);
        Ok(Layer {
            norm_1: self.norm(&name("norm_1"))?,
            query: self.linear(&name("attention.query"))?,
            key: self.linear(&name("attention.key"))?,
            value: self.linear(&name("attention.value"))?,
            output: self.linear(&name("attention.output"))?,
            norm_2: self.norm(&name("norm_2"))?,
            inner: self.linear(&name("pwff.linear_inner"))?,
            outer: self.linear(&name("pwff.linear_outer"))?,
        })
    }
}

impl Tensors {
    /// `None` if the tensor library has no such precision.
    pub fn dtype(precision: Precision) -> Option<DType> {
        match precision {
            Precision::F32 => Some(DType::F32),
            Precision::Bf16 => Some(DType::BF16),
            Precision::F16 => Some(DType::F16),
            Precision::Tf32 => None,
        }
    }

    pub fn load(weights: &Weights<'_>, heads: usize, device: Device, dtype: DType) -> Result<Self, ModelError> {
        let loader = Loader { weights, device: &device, dtype };
        let embedding = loader.tensor("embedding.weight", DType::F32)?;
        let layers = (0..weights.dims.layers).map(|l| loader.layer(l)).collect::<Result<Vec<_>, _>>()?;
        let final_norm = loader.norm("final_norm")?;
        let predictor = loader.linear("predictor")?;
        let of_linear = |linear: &Linear| bytes(&linear.weight) + bytes(&linear.bias);
        let of_norm = |norm: &Norm| bytes(&norm.gamma) + bytes(&norm.beta);
        let of_layer = |layer: &Layer| -> u64 {
            let linears = [&layer.query, &layer.key, &layer.value, &layer.output, &layer.inner, &layer.outer];
            linears.map(of_linear).iter().sum::<u64>() + of_norm(&layer.norm_1) + of_norm(&layer.norm_2)
        };
        let bytes =
            bytes(&embedding) + layers.iter().map(of_layer).sum::<u64>() + of_norm(&final_norm) + of_linear(&predictor);
        let dims = weights.dims;
        Ok(Self { device, dtype, dims, heads, embedding, layers, final_norm, predictor, bytes })
    }

    /// Rows of one length.
    fn pass(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
        let length = rows[0].sequence.tokens.len();
        let Dims { embed, .. } = self.dims;
        let tokens: Vec<u32> = rows.iter().flat_map(|row| &row.sequence.tokens).copied().collect();
        let tokens = Tensor::from_vec(tokens, rows.len() * length, &self.device)?;
        let mut x = self.embedding.index_select(&tokens, 0)?.reshape((rows.len(), length, embed))?;
        let rotary = self.rotary(rows, length)?;
        let mask: Vec<u8> = (0..length).flat_map(|query| (0..length).map(move |key| u8::from(key > query))).collect();
        let mask = Tensor::from_vec(mask, (length, length), &self.device)?;
        for layer in &self.layers {
            x = (&x + self.attend(layer, &layer.norm_1.apply(&x)?, &rotary, &mask)?)?;
            let hidden = self.linear(&layer.inner, &layer.norm_2.apply(&x)?)?.gelu_erf()?;
            x = (&x + self.linear(&layer.outer, &hidden)?)?;
        }
        let representations = self.final_norm.apply(&x)?;
        rows.iter().enumerate().map(|(index, row)| self.score(row, &representations.i(index)?)).collect()
    }

    /// Cosines and sines, `[rows, 1, seq, head_dim / 2]`.
    fn rotary(&self, rows: &[Row], length: usize) -> CandleResult<(Tensor, Tensor)> {
        let dim = self.dims.embed / self.heads;
        let tables = rows.iter().flat_map(|row| Rotary::new(&row.sequence.positions, dim).rows(length));
        let tables = Tensor::from_vec(tables.collect(), (rows.len(), 1, length, dim), &self.device)?;
        Ok((tables.narrow(3, 0, dim / 2)?, tables.narrow(3, dim / 2, dim / 2)?))
    }

    /// `x · W + b` in f32, the product in the model's precision.
    fn linear(&self, linear: &Linear, x: &Tensor) -> CandleResult<Tensor> {
        let (rows, length, width) = x.dims3()?;
        let product = x.reshape((rows * length, width))?.to_dtype(self.dtype)?.matmul(&linear.weight)?;
        let product = product.to_dtype(DType::F32)?.broadcast_add(&linear.bias)?;
        product.reshape((rows, length, linear.bias.elem_count()))
    }

    fn attend(&self, layer: &Layer, x: &Tensor, (cos, sin): &(Tensor, Tensor), mask: &Tensor) -> CandleResult<Tensor> {
        let (rows, length, embed) = x.dims3()?;
        let dim = embed / self.heads;
        let heads = |linear: &Linear| -> CandleResult<Tensor> {
            self.linear(linear, x)?.reshape((rows, length, self.heads, dim))?.transpose(1, 2)?.contiguous()
        };
        let rotate = |x: Tensor| -> CandleResult<Tensor> {
            let (a, b) = (x.narrow(3, 0, dim / 2)?, x.narrow(3, dim / 2, dim / 2)?);
            let low = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
            let high = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
            Tensor::cat(&[low, high], 3)?.contiguous()
        };
        let queries = rotate(heads(&layer.query)?)?.to_dtype(self.dtype)?;
        let keys = rotate(heads(&layer.key)?)?.to_dtype(self.dtype)?;
        let values = heads(&layer.value)?.to_dtype(self.dtype)?;
        let scores = queries.matmul(&keys.t()?)?.to_dtype(DType::F32)?;
        let scores = (scores / f64::from((dim as f32).sqrt()))?;
        let shape = scores.shape().clone();
        let fill = Tensor::new(MASK_FILL, &self.device)?.broadcast_as(&shape)?;
        let scores = mask.broadcast_as(&shape)?.where_cond(&fill, &scores)?;
        let weights = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        let context = weights.to_dtype(self.dtype)?.matmul(&values)?.to_dtype(DType::F32)?;
        self.linear(&layer.output, &context.transpose(1, 2)?.reshape((rows, length, embed))?)
    }

    /// What one row of representations `[seq, embed]` adds to a score.
    fn score(&self, row: &Row, representations: &Tensor) -> Result<RowScore, ModelError> {
        let counted = row.sequence.counted();
        let mut nll = 0.0;
        if counted > 0 {
            let logits =
                self.linear(&self.predictor, &representations.narrow(0, 0, counted)?.unsqueeze(0)?)?.squeeze(0)?;
            let targets = Tensor::from_slice(&row.sequence.targets[..counted], (counted, 1), &self.device)?;
            let max = logits.max_keepdim(1)?;
            let total = logits.broadcast_sub(&max)?.exp()?.sum_keepdim(1)?.log()?;
            let terms = ((total + max)? - logits.gather(&targets, 1)?)?;
            nll = terms.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).sum();
        }
        Ok(RowScore {
            nll,
            regulariser: self.regulariser(row.noise_seed, representations)?,
            embedding: representations.mean(0)?.to_vec1()?,
        })
    }

    fn regulariser(&self, noise_seed: u64, representations: &Tensor) -> CandleResult<f64> {
        let embed = self.dims.embed;
        let regulariser = Regulariser::of_batch(noise_seed, embed);
        let directions = Tensor::from_slice(&regulariser.directions, (embed, regulariser.slices), &self.device)?;
        let projections = representations.matmul(&directions)?;
        let mut values = Tensor::zeros(representations.dim(0)?, DType::F32, &self.device)?;
        for (j, point) in regulariser.points.iter().enumerate() {
            let angles = (&projections * (regulariser.step * (j + 1) as f64))?;
            let real = (angles.cos()?.mean(1)? - f64::from(point.normal))?;
            let error = (real.sqr()? + angles.sin()?.mean(1)?.sqr()?)?;
            values = (values + (error * f64::from(point.weight))?)?;
        }
        let values: Vec<f32> = values.to_vec1()?;
        Ok(regulariser.slices as f64 * values.into_iter().map(f64::from).sum::<f64>())
    }
}

impl Rows for Tensors {
    fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
        let mut scores = Vec::with_capacity(rows.len());
        for rows in rows.chunk_by(|a, b| a.sequence.tokens.len() == b.sequence.tokens.len()) {
            for rows in rows.chunks(ROWS_AT_ONCE) {
                scores.extend(self.pass(rows)?);
            }
        }
        Ok(scores)
    }

    fn embed_dim(&self) -> usize {
        self.dims.embed
    }

    fn resident_bytes(&self) -> u64 {
        self.bytes
    }
}

impl Norm {
    fn apply(&self, x: &Tensor) -> CandleResult<Tensor> {
        let centered = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centered.sqr()?.mean_keepdim(D::Minus1)? + f64::from(NORM_EPSILON))?.sqrt()?;
        centered.broadcast_div(&deviation)?.broadcast_mul(&self.gamma)?.broadcast_add(&self.beta)
    }
}

fn bytes(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}
