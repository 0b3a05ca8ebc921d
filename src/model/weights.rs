//! Weights in a safetensors file: which tensors there are, and reading them with every check (`model.md §1.4, §1.6`).
//!
//! Bytes to be read are hostile: nothing is allocated before the file's own header has been checked against its length, and
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

/// Sizes of a model, read off the shapes of its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    pub vocabulary: usize,
    pub embed: usize,
    pub feed_forward: usize,
    pub layers: usize,
}

/// What an axis of a tensor counts.
#[derive(Clone, Copy)]
enum Axis {
    Vocabulary,
    Embed,
    FeedForward,
}
use Axis::{Embed, FeedForward, Vocabulary};

const MODEL_TENSORS: [(&str, &[Axis]); 5] = [
    ("embedding.weight", &[Vocabulary, Embed]),
    ("final_norm.gamma", &[Embed]),
    ("final_norm.beta", &[Embed]),
    ("predictor.weight", &[Embed, Vocabulary]),
    ("predictor.bias", &[Vocabulary]),
];

/// After `encoder.layers.{l}.`; every matrix is `[in, out]`.
const LAYER_TENSORS: [(&str, &[Axis]); 16] = [
    ("norm_1.gamma", &[Embed]),
    ("norm_1.beta", &[Embed]),
    ("attention.query.weight", &[Embed, Embed]),
    ("attention.query.bias", &[Embed]),
    ("attention.key.weight", &[Embed, Embed]),
    ("attention.key.bias", &[Embed]),
    ("attention.value.weight", &[Embed, Embed]),
    ("attention.value.bias", &[Embed]),
    ("attention.output.weight", &[Embed, Embed]),
    ("attention.output.bias", &[Embed]),
    ("norm_2.gamma", &[Embed]),
    ("norm_2.beta", &[Embed]),
    ("pwff.linear_inner.weight", &[Embed, FeedForward]),
    ("pwff.linear_inner.bias", &[FeedForward]),
    ("pwff.linear_outer.weight", &[FeedForward, Embed]),
    ("pwff.linear_outer.bias", &[Embed]),
];

impl Dims {
    /// Name and shape of each tensor.
    fn tensors(self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let size = move |axis: &Axis| match axis {
            Vocabulary => self.vocabulary,
            Embed => self.embed,
            FeedForward => self.feed_forward,
        };
        let of_layer = |l: usize| LAYER_TENSORS.iter().map(move |(part, axes)| (layer_tensor(l, part), axes));
        let of_model = MODEL_TENSORS.iter().map(|(name, axes)| ((*name).to_owned(), axes));
        of_model
            .chain((0..self.layers).flat_map(of_layer))
            .map(move |(name, axes)| (name, axes.iter().map(size).collect()))
    }

    fn of(file: &SafeTensors<'_>) -> Result<Self, ModelError> {
        let matrix = |name: &str| {
            let view = file.tensor(name).map_err(|_| ModelError::MissingTensors(vec![name.to_owned()]))?;
            match *view.shape() {
                [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
                _ => Err(ModelError::shape(name, "a matrix that is not empty", &view)),
            }
        };
        let [vocabulary, embed] = matrix("embedding.weight")?;
        let [_, feed_forward] = matrix(&layer_tensor(0, "pwff.linear_inner.weight"))?;
        let layers = layer_count(file);
        for (what, found, limit) in [
            ("embedding dimensions", embed, LARGEST_EMBED),
            ("feed-forward dimensions", feed_forward, LARGEST_FEED_FORWARD),
            ("layers", layers, LARGEST_LAYERS),
        ] {
            if found > limit {
                return Err(ModelError::TooLarge { what, found, limit });
            }
        }
        Ok(Self { vocabulary, embed, feed_forward, layers })
    }
}

/// One more than the highest layer that owns a tensor we know. Other names, whatever number they carry, are extras and ignored.
fn layer_count(file: &SafeTensors<'_>) -> usize {
    let layer_of = |name: &str| {
        let (index, part) = name.strip_prefix("encoder.layers.")?.split_once('.')?;
        let index: usize = index.parse().ok()?;
        LAYER_TENSORS.iter().any(|(known, _)| *known == part).then(|| index.saturating_add(1))
    };
    file.names().into_iter().filter_map(layer_of).max().unwrap_or(0)
}

/// A parsed file that has every tensor, of the right shape and of an element type that converts to f32.
pub(super) struct Weights<'a> {
    file: SafeTensors<'a>,
    pub dims: Dims,
}

impl<'a> Weights<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes).map_err(ModelError::Unreadable)?;
        let dims = Dims::of(&file)?;
        let absent = dims.tensors().map(|(name, _)| name).filter(|name| file.tensor(name).is_err());
        let missing: Vec<String> = absent.take(MISSING_NAMED).collect();
        if !missing.is_empty() {
            return Err(ModelError::MissingTensors(missing));
        }
        let weights = Self { file, dims };
        for (name, shape) in dims.tensors() {
            let view = weights.view(&name)?;
            if view.shape() != shape {
                return Err(ModelError::shape(&name, &format!("{shape:?}"), &view));
            }
            element_type(&name, view.dtype())?;
        }
        Ok(weights)
    }

    pub fn tensor(&self, name: &str) -> Result<Tensor, ModelError> {
        let view = self.view(name)?;
        let element = element_type(name, view.dtype())?;
        Ok(Tensor::from_raw_buffer(view.data(), element, view.shape(), &Device::Cpu)?.to_dtype(DType::F32)?)
    }

    /// All elements, row by row.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        Ok(self.tensor(name)?.flatten_all()?.to_vec1()?)
    }

    fn view(&self, name: &str) -> Result<TensorView<'_>, ModelError> {
        self.file.tensor(name).map_err(|_| ModelError::MissingTensors(vec![name.to_owned()]))
    }
}

fn element_type(tensor: &str, found: Dtype) -> Result<DType, ModelError> {
    match found {
        Dtype::F32 => Ok(DType::F32),
        Dtype::F16 => Ok(DType::F16),
        Dtype::BF16 => Ok(DType::BF16),
        Dtype::F64 => Ok(DType::F64),
        other => Err(ModelError::ElementType { tensor: tensor.to_owned(), found: format!("{other:?}") }),
    }
}

pub(super) fn layer_tensor(layer: usize, part: &str) -> String {
    format!("encoder.layers.{layer}.{part}")
}

/// A file of f32 tensors, for tests; `fill` gets a name and a shape and gives as many values.
#[cfg(test)]
pub(super) fn write(dims: Dims, mut fill: impl FnMut(&str, &[usize]) -> Vec<f32>) -> Vec<u8> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = dims
        .tensors()
        .map(|(name, shape)| {
            let values = fill(&name, &shape);
            assert_eq!(values.len(), shape.iter().product::<usize>(), "`{name}` needs a value for each element");
            (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("four bytes for each element of the shape");
        (name, view)
    });
    safetensors::serialize(views, None).expect("a header of short names fits the format's limit")
}
