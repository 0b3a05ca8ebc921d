//! A model's weights on a card.

use std::sync::Arc;

use cudarc::driver::CudaSlice;

use crate::launch::{Arg, Shape, launch};
use crate::product::Operands;
use crate::program::{Attention, Program, Settings};
use crate::{Card, CardError};

/// Largest head dimension of the fast attention kernels.
const LARGEST_HEAD: usize = 256;
/// What bf16, f16 and tf32 products, and asynchronous copies to shared memory, need.
const MATRIX_UNITS: (i32, i32) = (8, 0);

/// Sizes of a model (`model.md §1.1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    pub vocabulary: usize,
    pub embed: usize,
    pub feed_forward: usize,
    pub layers: usize,
    pub heads: usize,
}

/// Operands of the matrix products; they are summed in f32 in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    F32,
    /// f32 in memory, 10 bits of fraction in products; attention in f16, which has as many.
    Tf32,
    Bf16,
    F16,
}

impl Precision {
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    pub(crate) fn operands(self) -> Operands {
        match self {
            Self::F32 => Operands::F32,
            Self::Tf32 => Operands::Tf32,
            Self::Bf16 => Operands::Bf16,
            Self::F16 => Operands::F16,
        }
    }

    /// Of the predictor and the regulariser's projections: little work that decides the loss, so 16 bits are not enough.
    pub(crate) fn loss_operands(self) -> Operands {
        if self == Self::F32 { Operands::F32 } else { Operands::Tf32 }
    }
}

/// A normalisation, and the sum of all output biases before it (the residual stream in memory goes without them).
pub(crate) struct Norm {
    pub shift: CudaSlice<u8>,
    pub gamma: CudaSlice<u8>,
    pub beta: CudaSlice<u8>,
}

/// Matrices are `[out, in]`, in the type of the products' operands; vectors are f32.
pub(crate) struct Layer {
    pub norm_1: Norm,
    pub qkv: CudaSlice<u8>,
    pub qkv_bias: CudaSlice<u8>,
    pub output: CudaSlice<u8>,
    pub norm_2: Norm,
    pub inner: CudaSlice<u8>,
    pub inner_bias: CudaSlice<u8>,
    pub outer: CudaSlice<u8>,
}

/// Weights on a card, ready to score. Shareable between threads, which take turns on the card.
pub struct Model {
    pub(crate) card: Arc<Card>,
    pub(crate) dims: Dims,
    pub(crate) precision: Precision,
    pub(crate) settings: Settings,
    pub(crate) program: Arc<Program>,
    /// `[vocabulary, embed]`, f32.
    pub(crate) embedding: CudaSlice<u8>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) final_norm: Norm,
    pub(crate) predictor: CudaSlice<u8>,
    pub(crate) predictor_bias: CudaSlice<u8>,
    bytes: u64,
}

impl Model {
    /// `values` gives all elements of a tensor by its name in the weights file (`model.md §1.6`), row by row; each is asked for once.
    pub fn load<E: From<CardError>>(
        card: &Arc<Card>,
        dims: Dims,
        precision: Precision,
        mut values: impl FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let fill = |tensor: &str, count: usize, to: u64| {
            let values = values(tensor)?;
            if values.len() != count {
                let tensor = tensor.to_owned();
                return Err(CardError::Tensor { tensor, found: values.len(), expected: count }.into());
            }
            Ok(card.write(to, &values)?)
        };
        Loader::new(card, dims, precision)?.load(fill)
    }

    /// Random weights as before training (`model.md §1.5`), the same for every precision. For measurements of speed and of error.
    pub fn random(card: &Arc<Card>, dims: Dims, precision: Precision, seed: u64) -> Result<Self, CardError> {
        let loader = Loader::new(card, dims, precision)?;
        let program = Arc::clone(&loader.program);
        let mut tensors = 0;
        let fill = |tensor: &str, count: usize, to: u64| {
            if tensor.ends_with("gamma") {
                return card.write(to, &vec![1.0f32; count]);
            }
            let bound = match tensor {
                // Variance 1.
                "embedding.weight" => 3f32.sqrt(),
                _ if tensor.ends_with("beta") => 0.0,
                _ if tensor.contains("linear_outer") => (dims.feed_forward as f32).sqrt().recip(),
                _ => (dims.embed as f32).sqrt().recip(),
            };
            tensors += 1;
            let args = [
                Arg::Address(to),
                Arg::Long(count as u64),
                Arg::Long(seed.wrapping_add(tensors << 40)),
                Arg::Float(bound),
            ];
            launch(&card.stream, &program.randomise, Shape::line(count.div_ceil(256).min(4096), 256), &args)
        };
        loader.load(fill)
    }

    pub fn dims(&self) -> Dims {
        self.dims
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// Memory that the weights hold on the card.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

struct Loader<'a> {
    card: &'a Arc<Card>,
    dims: Dims,
    precision: Precision,
    settings: Settings,
    program: Arc<Program>,
    /// Where a tensor arrives in f32.
    staging: CudaSlice<u8>,
    bytes: u64,
}

impl<'a> Loader<'a> {
    fn new(card: &'a Arc<Card>, dims: Dims, precision: Precision) -> Result<Self, CardError> {
        let settings = settings(card, dims, precision)?;
        let program = card.program(&settings)?;
        let largest = dims.embed * dims.feed_forward.max(dims.embed).max(dims.vocabulary);
        let staging = card.allocate(largest * 4)?;
        Ok(Self { card, dims, precision, settings, program, staging, bytes: 0 })
    }

    fn load<E: From<CardError>>(mut self, mut fill: impl FnMut(&str, usize, u64) -> Result<(), E>) -> Result<Model, E> {
        let Dims { vocabulary, embed, feed_forward, layers, .. } = self.dims;
        let fill = &mut fill;
        let mut shift = vec![0.0f64; embed];
        let embedding = self.vector(fill, "embedding.weight", vocabulary * embed)?;
        let mut loaded = Vec::with_capacity(layers);
        for layer in 0..layers {
            let name = |part: &str| format!("encoder.layers.{layer}.{part}");
            let norm_1 = self.norm(fill, &name("norm_1"), &shift)?;
            let qkv = self.reserve(3 * embed * embed * self.operand_bytes())?;
            let qkv_bias = self.reserve(3 * embed * 4)?;
            for (i, part) in ["query", "key", "value"].into_iter().enumerate() {
                let weight = self.card.address(&qkv) + (i * embed * embed * self.operand_bytes()) as u64;
                self.matrix(fill, &name(&format!("attention.{part}.weight")), embed, embed, weight)?;
                fill(
                    &name(&format!("attention.{part}.bias")),
                    embed,
                    self.card.address(&qkv_bias) + (i * embed * 4) as u64,
                )?;
            }
            let output = self.reserve(embed * embed * self.operand_bytes())?;
            self.matrix(fill, &name("attention.output.weight"), embed, embed, self.card.address(&output))?;
            self.add(fill, &name("attention.output.bias"), &mut shift)?;
            let norm_2 = self.norm(fill, &name("norm_2"), &shift)?;
            let inner = self.reserve(embed * feed_forward * self.operand_bytes())?;
            self.matrix(fill, &name("pwff.linear_inner.weight"), embed, feed_forward, self.card.address(&inner))?;
            let inner_bias = self.vector(fill, &name("pwff.linear_inner.bias"), feed_forward)?;
            let outer = self.reserve(embed * feed_forward * self.operand_bytes())?;
            self.matrix(fill, &name("pwff.linear_outer.weight"), feed_forward, embed, self.card.address(&outer))?;
            self.add(fill, &name("pwff.linear_outer.bias"), &mut shift)?;
            loaded.push(Layer { norm_1, qkv, qkv_bias, output, norm_2, inner, inner_bias, outer });
        }
        let final_norm = self.norm(fill, "final_norm", &shift)?;
        let predictor = self.reserve(embed * vocabulary * 4)?;
        fill("predictor.weight", embed * vocabulary, self.card.address(&self.staging))?;
        let to = self.card.address(&predictor);
        turn(self.card, &self.program.turn_represent, self.card.address(&self.staging), to, embed, vocabulary)?;
        let predictor_bias = self.vector(fill, "predictor.bias", vocabulary)?;
        // What failed on the way fails here, not in the first score.
        self.card.stream.synchronize().map_err(CardError::from)?;
        Ok(Model {
            card: Arc::clone(self.card),
            dims: self.dims,
            precision: self.precision,
            settings: self.settings,
            program: self.program,
            embedding,
            layers: loaded,
            final_norm,
            predictor,
            predictor_bias,
            bytes: self.bytes,
        })
    }

    fn operand_bytes(&self) -> usize {
        self.precision.operands().bytes()
    }

    fn reserve(&mut self, bytes: usize) -> Result<CudaSlice<u8>, CardError> {
        self.bytes += bytes as u64;
        self.card.allocate(bytes)
    }

    fn vector<E: From<CardError>>(
        &mut self,
        fill: &mut impl FnMut(&str, usize, u64) -> Result<(), E>,
        name: &str,
        count: usize,
    ) -> Result<CudaSlice<u8>, E> {
        let buffer = self.reserve(count * 4)?;
        fill(name, count, self.card.address(&buffer))?;
        Ok(buffer)
    }

    fn norm<E: From<CardError>>(
        &mut self,
        fill: &mut impl FnMut(&str, usize, u64) -> Result<(), E>,
        name: &str,
        shift: &[f64],
    ) -> Result<Norm, E> {
        let shift: Vec<f32> = shift.iter().map(|s| *s as f32).collect();
        let embed = self.dims.embed;
        self.bytes += embed as u64 * 4;
        Ok(Norm {
            shift: self.card.upload(&shift)?,
            gamma: self.vector(fill, &format!("{name}.gamma"), embed)?,
            beta: self.vector(fill, &format!("{name}.beta"), embed)?,
        })
    }

    /// A matrix `[rows, columns]` of the file to `[columns, rows]` at an address.
    fn matrix<E: From<CardError>>(
        &mut self,
        fill: &mut impl FnMut(&str, usize, u64) -> Result<(), E>,
        name: &str,
        rows: usize,
        columns: usize,
        to: u64,
    ) -> Result<(), E> {
        let staging = self.card.address(&self.staging);
        fill(name, rows * columns, staging)?;
        Ok(turn(self.card, &self.program.turn_product, staging, to, rows, columns)?)
    }

    /// A bias of the residual stream: added to the sum that later norms get.
    fn add<E: From<CardError>>(
        &mut self,
        fill: &mut impl FnMut(&str, usize, u64) -> Result<(), E>,
        name: &str,
        shift: &mut [f64],
    ) -> Result<(), E> {
        let staging = self.card.address(&self.staging);
        fill(name, shift.len(), staging)?;
        for (sum, value) in shift.iter_mut().zip(self.card.read::<f32>(staging, self.dims.embed)?) {
            *sum += f64::from(value);
        }
        Ok(())
    }
}

/// `[rows, columns]` of f32 to `[columns, rows]` of the kernel's type.
pub(crate) fn turn(
    card: &Card,
    kernel: &cudarc::driver::CudaFunction,
    from: u64,
    to: u64,
    rows: usize,
    columns: usize,
) -> Result<(), CardError> {
    let shape = Shape { grid: (columns.div_ceil(32), rows.div_ceil(32)), block: (32, 8), shared: 0 };
    let args = [Arg::Address(from), Arg::Address(to), Arg::Int(rows as i32), Arg::Int(columns as i32)];
    launch(&card.stream, kernel, shape, &args)
}

fn settings(card: &Card, dims: Dims, precision: Precision) -> Result<Settings, CardError> {
    let Dims { vocabulary, embed, feed_forward, heads, .. } = dims;
    if heads == 0 || !embed.is_multiple_of(heads) || !(embed / heads).is_multiple_of(2) {
        return Err(CardError::Heads { embed, heads });
    }
    if precision != Precision::F32 && card.capability < MATRIX_UNITS {
        let name = card.name.clone();
        return Err(CardError::TooOld { name, capability: card.capability, precision: precision.name() });
    }
    Ok(choose(dims_settings(embed, feed_forward, vocabulary, heads, precision), card.shared_memory))
}

fn dims_settings(embed: usize, feed_forward: usize, vocabulary: usize, heads: usize, precision: Precision) -> Settings {
    let (product, attend, represent) = match precision {
        Precision::F32 => ("float", "float", "float"),
        Precision::Tf32 => ("tf32", "f16", "tf32"),
        Precision::Bf16 => ("bf16", "bf16", "tf32"),
        Precision::F16 => ("f16", "f16", "tf32"),
    };
    Settings { embed, feed_forward, vocabulary, heads, product, attend, represent, attention: Attention::Any }
}

/// The fastest attention that takes this head and whose tiles fit the shared memory.
fn choose(settings: Settings, shared_memory: usize) -> Settings {
    let head = settings.head();
    let candidates: &[Attention] = match settings.attend {
        _ if head > LARGEST_HEAD => &[],
        "float" => &[Attention::Tiled { queries: 64, keys: 64 }, Attention::Tiled { queries: 32, keys: 32 }],
        _ if !head.is_multiple_of(8) => &[],
        _ => &[Attention::Tensor { queries: 128, keys: 64 }, Attention::Tensor { queries: 64, keys: 32 }],
    };
    let fits = |attention: &&Attention| attention.shared_memory(head, 0) <= shared_memory;
    let attention = candidates.iter().find(fits).copied().unwrap_or(Attention::Any);
    Settings { attention, ..settings }
}

#[cfg(test)]
pub(crate) fn settings_for(dims: Dims, precision: Precision, shared_memory: usize) -> Settings {
    choose(dims_settings(dims.embed, dims.feed_forward, dims.vocabulary, dims.heads, precision), shared_memory)
}
