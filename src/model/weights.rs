//! Weights from a safetensors file: names, shapes and element types checked, everything converted to f32 (`model.md §1.6`).
//!
//! The bytes are hostile: nothing is allocated before the file's own header has been checked against its length, and
//! dimensions come from shapes that the file really holds.

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::ModelError;

/// Far above V1 (2048, 8192, 24), low enough that activations stay affordable.
const LARGEST_EMBED: usize = 1 << 14;
const LARGEST_FEED_FORWARD: usize = 1 << 16;
const LARGEST_LAYERS: usize = 1 << 9;
/// A file without any of the expected names would otherwise list hundreds.
const MISSING_NAMED: usize = 8;

/// The tensors of one layer, after `encoder.layers.{l}.`, in the order of the table in `model.md §1.6`.
const LAYER_TENSORS: [&str; 16] = [
    "norm_1.gamma",
    "norm_1.beta",
    "attention.query.weight",
    "attention.query.bias",
    "attention.key.weight",
    "attention.key.bias",
    "attention.value.weight",
    "attention.value.bias",
    "attention.output.weight",
    "attention.output.bias",
    "norm_2.gamma",
    "norm_2.beta",
    "pwff.linear_inner.weight",
    "pwff.linear_inner.bias",
    "pwff.linear_outer.weight",
    "pwff.linear_outer.bias",
];
const OTHER_TENSORS: [&str; 5] =
    ["embedding.weight", "final_norm.gamma", "final_norm.beta", "predictor.weight", "predictor.bias"];

/// Sizes of a model, read off the shapes of its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    pub vocabulary: usize,
    pub embed: usize,
    pub feed_forward: usize,
    pub layers: usize,
}

/// A parsed file whose tensors are all there; shapes are checked as each is taken.
pub(super) struct Weights<'a> {
    file: SafeTensors<'a>,
    pub dims: Dims,
}

impl<'a> Weights<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes).map_err(ModelError::Unreadable)?;
        let layers = layer_count(&file);
        let layer_names = (0..layers.max(1)).flat_map(|l| LAYER_TENSORS.iter().map(move |part| layer_tensor(l, part)));
        let names = OTHER_TENSORS.iter().map(|name| (*name).to_owned()).chain(layer_names);
        let missing: Vec<String> = names.filter(|name| file.tensor(name).is_err()).take(MISSING_NAMED).collect();
        if !missing.is_empty() {
            return Err(ModelError::MissingTensors(missing));
        }
        let [vocabulary, embed] = matrix_shape(&file, "embedding.weight")?;
        let [_, feed_forward] = matrix_shape(&file, &layer_tensor(0, "pwff.linear_inner.weight"))?;
        for (what, found, limit) in [
            ("embedding dimensions", embed, LARGEST_EMBED),
            ("feed-forward dimensions", feed_forward, LARGEST_FEED_FORWARD),
            ("layers", layers, LARGEST_LAYERS),
        ] {
            if found > limit {
                return Err(ModelError::TooLarge { what, found, limit });
            }
        }
        Ok(Self { file, dims: Dims { vocabulary, embed, feed_forward, layers } })
    }

    pub fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
        Ok(self.tensor(name, &[length])?.to_vec1()?)
    }

    /// `[rows, columns]`; for a linear layer `[in, out]`.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Tensor, ModelError> {
        self.tensor(name, &[rows, columns])
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let view = view(&self.file, name)?;
        if view.shape() != shape {
            return Err(ModelError::Shape {
                tensor: name.to_owned(),
                expected: format!("{shape:?}"),
                found: view.shape().to_vec(),
            });
        }
        let element = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => return Err(ModelError::element_type(name, other)),
        };
        Ok(Tensor::from_raw_buffer(view.data(), element, shape, &Device::Cpu)?.to_dtype(DType::F32)?)
    }
}

pub(super) fn layer_tensor(layer: usize, part: &str) -> String {
    format!("encoder.layers.{layer}.{part}")
}

/// One more than the highest layer that owns a tensor we know. Other names, whatever number they carry, are extras and ignored.
fn layer_count(file: &SafeTensors<'_>) -> usize {
    let layer_of = |name: &str| {
        let (index, part) = name.strip_prefix("encoder.layers.")?.split_once('.')?;
        let index: usize = index.parse().ok()?;
        LAYER_TENSORS.contains(&part).then(|| index.saturating_add(1))
    };
    file.names().into_iter().filter_map(layer_of).max().unwrap_or(0)
}

fn matrix_shape(file: &SafeTensors<'_>, name: &str) -> Result<[usize; 2], ModelError> {
    let found = view(file, name)?.shape().to_vec();
    match found[..] {
        [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
        _ => {
            Err(ModelError::Shape { tensor: name.to_owned(), expected: "a matrix that is not empty".to_owned(), found })
        }
    }
}

fn view<'a>(file: &SafeTensors<'a>, name: &str) -> Result<TensorView<'a>, ModelError> {
    file.tensor(name).map_err(|_| ModelError::MissingTensors(vec![name.to_owned()]))
}
