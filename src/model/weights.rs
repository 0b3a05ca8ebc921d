//! Weights in a safetensors file: which tensors there are, and reading them with every check (`model.md §1.4, §1.6`).
//!
//! Bytes to be read are hostile: nothing is allocated before the file's own header has been checked against its length, and
//! dimensions come from shapes that the file really holds.

use super::file::{ReadAt, TensorFile, element};
use super::{ModelError, VOCABULARY};

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

    fn of(file: &TensorFile<'_>) -> Result<Self, ModelError> {
        let matrix = |name: &str| {
            let (shape, _) = file.shape(name).ok_or_else(|| ModelError::MissingTensors(vec![name.to_owned()]))?;
            match *shape {
                [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
                _ => Err(ModelError::shape(name, "a matrix that is not empty", shape)),
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

    /// Heads of attention, which shapes do not tell: `None` takes 4 at E = 16 (the network's small model), else 8 (V1).
    pub fn heads(self, wanted: Option<usize>) -> Result<usize, ModelError> {
        let embed = self.embed;
        let heads = wanted.unwrap_or(if embed == 16 { 4 } else { 8 });
        if heads == 0 || !embed.is_multiple_of(heads) || !(embed / heads).is_multiple_of(2) {
            return Err(ModelError::Heads { embed, heads });
        }
        Ok(heads)
    }
}

/// One more than the highest layer that owns a tensor we know. Other names, whatever number they carry, are extras and ignored.
fn layer_count(file: &TensorFile<'_>) -> usize {
    let layer_of = |name: &String| {
        let (index, part) = name.strip_prefix("encoder.layers.")?.split_once('.')?;
        let index: usize = index.parse().ok()?;
        LAYER_TENSORS.iter().any(|(known, _)| *known == part).then(|| index.saturating_add(1))
    };
    file.names().iter().filter_map(layer_of).max().unwrap_or(0)
}

/// A file that has every tensor, of the right shape and of an element type that converts to f32. Tensors are read when they are asked for.
pub(super) struct Weights<'a> {
    file: TensorFile<'a>,
    pub dims: Dims,
}

impl<'a> Weights<'a> {
    pub fn open(file: &'a dyn ReadAt) -> Result<Self, ModelError> {
        let file = TensorFile::open(file)?;
        let dims = Dims::of(&file)?;
        let absent = dims.tensors().map(|(name, _)| name).filter(|name| file.shape(name).is_none());
        let missing: Vec<String> = absent.take(MISSING_NAMED).collect();
        if !missing.is_empty() {
            return Err(ModelError::MissingTensors(missing));
        }
        for (name, shape) in dims.tensors() {
            let (found, kind) = file.shape(&name).ok_or_else(|| ModelError::MissingTensors(vec![name.clone()]))?;
            if found != shape {
                return Err(ModelError::shape(&name, &format!("{shape:?}"), found));
            }
            element(&name, kind)?;
        }
        Ok(Self { file, dims })
    }

    /// The service's vocabulary or an error.
    pub fn check_vocabulary(&self) -> Result<(), ModelError> {
        let Dims { vocabulary, embed, .. } = self.dims;
        if vocabulary == VOCABULARY {
            return Ok(());
        }
        let expected = format!("[{VOCABULARY}, {embed}]");
        Err(ModelError::shape("embedding.weight", &expected, &[vocabulary, embed]))
    }

    pub fn shape(&self, name: &str) -> Result<&[usize], ModelError> {
        self.file.shape(name).map(|(shape, _)| shape).ok_or_else(|| ModelError::MissingTensors(vec![name.to_owned()]))
    }

    /// All elements, row by row.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let mut values = Vec::with_capacity(self.shape(name)?.iter().product());
        self.read(name, |part| values.extend_from_slice(part))?;
        Ok(values)
    }

    /// All elements, row by row, a piece of at most a megabyte at a time; pieces may end within a row.
    pub fn read(&self, name: &str, each: impl FnMut(&[f32])) -> Result<(), ModelError> {
        self.file.read_f32(name, each)
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
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)
            .expect("four bytes for each element of the shape");
        (name, view)
    });
    safetensors::serialize(views, None).expect("a header of short names fits the format's limit")
}
