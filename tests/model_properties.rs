//! What must hold for any data and any weights file, however hostile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use somascope::model::{Device, Model, ModelError, Placement, Precision, ReadAt, arrgen, tokenizer};

static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model/small16_model_0.safetensors");
    std::fs::read(path).unwrap()
});

fn load(bytes: &[u8]) -> Result<Model, ModelError> {
    Model::from_safetensors(bytes, None)
}

/// A tensor taken out of a file, to be changed and put back.
type Parts = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn parts() -> Parts {
    let file = SafeTensors::deserialize(&SMALL).unwrap();
    file.iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect()
}

fn file(parts: &Parts) -> Vec<u8> {
    let views =
        parts.iter().map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// All tensors with their values passed through `convert`.
fn converted(dtype: Dtype, convert: impl Fn(f32) -> Vec<u8>) -> Vec<u8> {
    let mut parts = parts();
    for (kind, _, data) in parts.values_mut() {
        *data = data.chunks_exact(4).flat_map(|b| convert(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect();
        *kind = dtype;
    }
    file(&parts)
}

fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[test]
fn other_float_types_score_as_their_rounded_values_do() {
    let data = b"bytes to be scored twice";
    let wide = load(&converted(Dtype::F64, |v| f64::from(v).to_le_bytes().to_vec())).unwrap();
    assert_eq!(wide.score(data, 0).unwrap(), load(&SMALL).unwrap().score(data, 0).unwrap());

    let narrow = load(&converted(Dtype::BF16, |v| bf16_bits(v).to_le_bytes().to_vec())).unwrap();
    let rounded = |v| f32::from_bits(u32::from(bf16_bits(v)) << 16).to_le_bytes().to_vec();
    let rounded = load(&converted(Dtype::F32, rounded)).unwrap();
    assert_eq!(narrow.score(data, 0).unwrap(), rounded.score(data, 0).unwrap());

    // Powers of two are the same in half precision; the sign and exponent move.
    let half = |v: f32| if v < 0.0 { 0xb400u16 } else { 0x3400 }.to_le_bytes().to_vec();
    let single = |v: f32| if v < 0.0 { -0.25f32 } else { 0.25 }.to_le_bytes().to_vec();
    let (half, single) = (load(&converted(Dtype::F16, half)).unwrap(), load(&converted(Dtype::F32, single)).unwrap());
    assert_eq!(half.score(data, 0).unwrap(), single.score(data, 0).unwrap());
}

#[test]
fn extra_tensors_are_ignored() {
    let mut parts = parts();
    for name in ["encoder.layers.7.attention.rotary", "encoder.layers.x.norm_1.gamma", "optimizer.step"] {
        parts.insert(name.to_owned(), (Dtype::I64, vec![1], vec![1; 8]));
    }
    let score = load(&file(&parts)).unwrap().score(b"x", 0).unwrap();
    assert_eq!(score, load(&SMALL).unwrap().score(b"x", 0).unwrap());
}

#[test]
fn every_missing_tensor_is_an_error_that_names_it() {
    for name in parts().keys() {
        let mut parts = parts();
        parts.remove(name);
        let error = load(&file(&parts)).err().unwrap_or_else(|| panic!("loaded without {name}"));
        assert!(matches!(&error, ModelError::MissingTensors(names) if names.contains(name)), "{name}: {error}");
        assert!(error.to_string().contains(name.as_str()));
    }
}

#[test]
fn a_layer_far_beyond_the_others_is_an_error_and_takes_no_time() {
    for (layer, names_it) in [("5", true), ("4000000000", false), ("18446744073709551615", false)] {
        let mut parts = parts();
        let tensor = parts["encoder.layers.0.norm_1.gamma"].clone();
        parts.insert(format!("encoder.layers.{layer}.norm_1.gamma"), tensor);
        match load(&file(&parts)).err() {
            Some(ModelError::MissingTensors(names)) => assert!(names_it && names[0].starts_with("encoder.layers.2.")),
            Some(ModelError::TooLarge { what: "layers", .. }) => assert!(!names_it),
            other => panic!("layer {layer}: {other:?}"),
        }
    }
}

#[test]
fn a_wrong_shape_or_type_is_an_error_that_names_the_tensor() {
    let wrong: [(&str, Dtype, Vec<usize>); 7] = [
        ("encoder.layers.0.pwff.linear_inner.weight", Dtype::F32, vec![32, 16]),
        ("encoder.layers.1.pwff.linear_outer.weight", Dtype::F32, vec![16, 32]),
        ("encoder.layers.0.attention.query.weight", Dtype::F32, vec![16, 4, 4]),
        ("predictor.bias", Dtype::F32, vec![1, 264]),
        ("embedding.weight", Dtype::F32, vec![264 * 16]),
        ("final_norm.gamma", Dtype::I32, vec![16]),
        ("final_norm.beta", Dtype::F32, vec![4, 4]),
    ];
    for (name, dtype, shape) in wrong {
        let mut parts = parts();
        let part = parts.get_mut(name).unwrap();
        (part.0, part.1) = (dtype, shape);
        let error = load(&file(&parts)).err().unwrap_or_else(|| panic!("loaded with a wrong {name}")).to_string();
        assert!(error.contains(name) || error.contains("missing"), "{name}: {error}");
    }
    let mut parts = parts();
    parts.get_mut("embedding.weight").unwrap().1 = vec![132, 32];
    assert!(load(&file(&parts)).is_err(), "another vocabulary");
}

#[test]
fn heads_must_divide_the_embedding_evenly() {
    for (heads, fits) in
        [(1, true), (2, true), (4, true), (8, true), (16, false), (3, false), (0, false), (usize::MAX, false)]
    {
        let result = Model::from_safetensors(&SMALL, Some(heads));
        assert_eq!(result.is_ok(), fits, "{heads} heads");
        assert!(fits || matches!(result.err(), Some(ModelError::Heads { embed: 16, .. })));
    }
}

#[test]
fn a_broken_number_in_the_weights_is_an_error_of_the_score() {
    for broken in [f32::NAN, f32::INFINITY] {
        for name in ["predictor.bias", "encoder.layers.1.attention.value.weight", "embedding.weight"] {
            let mut parts = parts();
            for bytes in parts.get_mut(name).unwrap().2.chunks_exact_mut(4) {
                bytes.copy_from_slice(&broken.to_le_bytes());
            }
            let result = load(&file(&parts)).unwrap().score(b"some data", 0);
            assert!(matches!(result, Err(ModelError::LossNotFinite(_))), "{broken} in {name}: {result:?}");
        }
    }
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    for length in (0..400).chain((400..SMALL.len()).step_by(997)) {
        assert!(matches!(load(&SMALL[..length]), Err(ModelError::Unreadable(_))), "{length} bytes");
    }
    let mut encrypted = SMALL.clone();
    somascope::model::apply_key_stream(&[7; 32], &mut encrypted);
    assert!(matches!(load(&encrypted), Err(ModelError::Unreadable(_))));
}

#[test]
fn samples_scored_together_score_as_they_do_alone() {
    let model = load(&SMALL).unwrap();
    let samples: Vec<Vec<u8>> =
        [1, 0, 1500, 1024, 17_000, 3].iter().map(|n| (0..*n).map(|i: u32| (i * i % 251) as u8).collect()).collect();
    let slices: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    let together = model.score_batch(&slices, 3);
    assert_eq!(together.len(), samples.len());
    for (data, together) in slices.iter().zip(together) {
        match model.score(data, 3) {
            Ok(alone) => assert_eq!(together.unwrap(), alone),
            Err(error) => {
                assert!(data.is_empty());
                assert_eq!(together.unwrap_err().to_string(), error.to_string());
            }
        }
    }
    assert!(model.score_batch(&[], 0).is_empty());
}

#[test]
fn a_model_is_shared_between_threads() {
    let model = load(&SMALL).unwrap();
    let expected = model.score(b"shared", 1).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| model.score(b"shared", 1).unwrap())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn tokens_give_the_bytes_back(data in proptest::collection::vec(any::<u8>(), 0..300), length in 1usize..70) {
        let count = tokenizer::sequence_count(data.len(), length);
        let sequences: Vec<_> = (0..count).map(|index| tokenizer::sequence(&data, index, length)).collect();
        let tokens = || sequences.iter().flat_map(|s| &s.tokens);
        prop_assert_eq!(tokens().filter(|t| **t < 256).map(|t| *t as u8).collect::<Vec<_>>(), data.clone());
        prop_assert_eq!(tokens().filter(|t| **t == 257).count(), usize::from(data.len() % length != 0));
        prop_assert!(tokens().all(|t| *t <= 257));
        for sequence in &sequences {
            prop_assert_eq!(sequence.tokens.len(), length);
            prop_assert_eq!(sequence.positions.len(), length);
            prop_assert_eq!(&sequence.targets[..length - 1], &sequence.tokens[1..]);
            prop_assert!(sequence.targets[sequence.counted()..].iter().all(|target| *target == 256));
            prop_assert!(sequence.positions.iter().all(|p| *p as usize <= data.len()));
        }
        let counted: usize = sequences.iter().map(tokenizer::Sequence::counted).sum();
        // Every byte but the first of each sequence, and the end where there is one.
        prop_assert_eq!(counted, data.len() - count + usize::from(data.len() % length != 0));
    }

    #[test]
    fn hostile_weights_never_panic(cut in 0usize..60_000, flips in proptest::collection::vec((0usize..4000, any::<u8>()), 0..12)) {
        let mut bytes = SMALL.clone();
        for (at, value) in flips {
            bytes[at] = value;
        }
        bytes.truncate(cut);
        let _ = load(&bytes);
    }

    #[test]
    fn noise_is_not_weights(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in "[\\{\\}\\[\\]\":,a-z0-9.]{0,80}") {
        prop_assert!(load(&bytes).is_err());
        let mut framed = (header.len() as u64).to_le_bytes().to_vec();
        framed.extend_from_slice(header.as_bytes());
        framed.extend_from_slice(&bytes);
        prop_assert!(load(&framed).is_err());
    }
}

/// Any window of this corpus: text-like, random and constant bytes, so that losses and embeddings differ.
fn window(index: u64) -> Vec<u8> {
    let noise = arrgen::uniform(index, 1024, 0.0, 1.0);
    let byte = |(at, v): (usize, &f32)| match index % 4 {
        0 => (v * 256.0) as u8,
        1 => b' ' + (v * v * 90.0) as u8,
        2 => b"fn main() { let x = 1; }\n"[(at + (v * 3.0) as usize) % 25],
        _ => (index * 7) as u8,
    };
    noise.iter().enumerate().map(byte).collect()
}

/// Heads 4: the network's small model, and one four times as wide.
static BOTH: LazyLock<[Model; 2]> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model");
    ["small16_model_1.safetensors", "vec64_model_0.safetensors"]
        .map(|name| Model::from_safetensors(&std::fs::read(root.join(name)).unwrap(), Some(4)).unwrap())
});

/// Rows of a batch are independent and share the regulariser's noise, and rotary attention sees only differences of positions. So the loss and
/// the embedding of up to sixteen full windows, one after the other, are the means of the windows' own: what the composer lives on.
///
/// What is left is rounding: a window's positions are offsets into the whole, whose angles are rounded to f32 where they are larger, and the
/// sums are made in another order. Measured over thirty draws with both models: at most 1.0e-7 of the loss, and 3.0e-7 of a component of the
/// embedding (which are of the order of 1). Held to ten times that.
fn assert_composes(indices: &[u64]) -> Result<(), TestCaseError> {
    let windows: Vec<Vec<u8>> = indices.iter().map(|index| window(*index)).collect();
    let slices: Vec<&[u8]> = windows.iter().map(Vec::as_slice).collect();
    for model in &*BOTH {
        let whole = model.score(&windows.concat(), 0).unwrap();
        let parts: Vec<_> = model.score_batch(&slices, 0).into_iter().map(Result::unwrap).collect();
        let mean = |value: &dyn Fn(usize) -> f32| {
            ((0..parts.len()).map(|i| f64::from(value(i))).sum::<f64>() / parts.len() as f64) as f32
        };
        let loss = mean(&|i| parts[i].loss);
        prop_assert!((whole.loss - loss).abs() <= 1e-6 * loss, "loss {}, mean of the windows' {loss}", whole.loss);
        for (d, value) in whole.embedding.iter().enumerate() {
            let mean = mean(&|i| parts[i].embedding[d]);
            prop_assert!((value - mean).abs() <= 3e-6, "[{d}]: {value}, mean of the windows' {mean}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn full_windows_of_one_batch_score_as_their_mean(indices in proptest::collection::vec(0u64..64, 1..=16)) {
        assert_composes(&indices)?;
    }
}

/// Sixteen is the batch: the seventeenth window has noise of its own and weighs as much as all before it.
#[test]
fn windows_beyond_one_batch_are_no_mean() {
    let windows: Vec<Vec<u8>> = (0..17).map(window).collect();
    let model = &BOTH[0];
    let whole = model.score(&windows.concat(), 0).unwrap();
    let mean: f32 = windows.iter().map(|w| model.score(w, 0).unwrap().loss).sum::<f32>() / 17.0;
    assert!((whole.loss - mean).abs() > 1e-4 * mean, "{} {mean}", whole.loss);
}

/// A file that counts what is read of it, and can fail or lie.
struct Watched<'a> {
    bytes: &'a [u8],
    size: u64,
    fails_at: u64,
    largest: AtomicUsize,
    total: AtomicU64,
}

impl<'a> Watched<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let size = bytes.len() as u64;
        Self { bytes, size, fails_at: u64::MAX, largest: AtomicUsize::new(0), total: AtomicU64::new(0) }
    }
}

impl ReadAt for Watched<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.largest.fetch_max(buffer.len(), Ordering::Relaxed);
        self.total.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        if offset + buffer.len() as u64 > self.fails_at {
            return Err(std::io::Error::other("the disk is gone"));
        }
        self.bytes.read_at(offset, buffer)
    }
}

fn load_from(file: &dyn ReadAt) -> Result<Model, ModelError> {
    Model::load(file, None, Placement::CPU)
}

#[test]
fn weights_are_read_once_and_a_piece_at_a_time() {
    let file = Watched::new(&SMALL);
    let model = load_from(&file).unwrap();
    assert_eq!(file.total.into_inner(), SMALL.len() as u64);
    assert!(file.largest.into_inner() <= 1 << 20);
    assert_eq!(model.placement(), Placement::CPU);
    // Packed weights are padded a little.
    let (resident, size) = (model.resident_bytes(), SMALL.len() as u64);
    assert!(resident > size * 9 / 10 && resident < size * 11 / 10, "{resident} of {size}");
    assert_eq!(model.score(b"x", 0).unwrap(), load(&SMALL).unwrap().score(b"x", 0).unwrap());
}

#[test]
fn a_header_of_gigabytes_is_refused_before_it_is_read() {
    for length in [1u64 << 20, 100 << 20, 5_000_000_000, u64::MAX] {
        let bytes = length.to_le_bytes();
        let mut file = Watched::new(&bytes);
        // The file claims to have it all.
        file.size = length.saturating_add(8);
        file.fails_at = 8;
        let error = load_from(&file).err().expect("no such header");
        let tried = length <= 16 << 20;
        assert_eq!(matches!(error, ModelError::Read { .. }), tried, "{error}");
        assert_eq!(matches!(error, ModelError::Unreadable(_)), !tried, "{error}");
        assert!(file.largest.into_inner() <= 16 << 20, "{length}");
    }
    // A header that is longer than the file.
    let mut bytes = 4096u64.to_le_bytes().to_vec();
    bytes.extend_from_slice(b"{}");
    let file = Watched::new(&bytes);
    assert!(matches!(load_from(&file), Err(ModelError::Unreadable(_))));
    assert_eq!(file.largest.into_inner(), 8);
}

#[test]
fn tensors_that_the_file_cannot_hold_are_refused_before_they_are_allocated() {
    // A petabyte of embedding in a file of some hundred bytes, which lies about its size too.
    let header =
        br#"{"embedding.weight":{"dtype":"F32","shape":[264,1000000000000],"data_offsets":[0,1056000000000000]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    assert!(matches!(load(&bytes), Err(ModelError::Unreadable(_))));
    let mut file = Watched::new(&bytes);
    file.size = bytes.len() as u64 + 1_056_000_000_000_000;
    let error = load_from(&file).err().expect("too large");
    assert!(matches!(error, ModelError::MissingTensors(_) | ModelError::TooLarge { .. }), "{error}");
    assert!(file.largest.into_inner() <= 4096);
}

#[test]
fn a_disk_that_fails_is_an_error_that_tells_where() {
    for fails_at in [0, 8, 600, SMALL.len() as u64 / 2, SMALL.len() as u64 - 1] {
        let file = Watched { fails_at, ..Watched::new(&SMALL) };
        let error = load_from(&file).err().expect("the disk is gone");
        assert!(matches!(&error, ModelError::Read { cause, .. } if cause.to_string() == "the disk is gone"), "{error}");
        assert!(error.to_string().contains("at byte"), "{error}");
    }
}

#[test]
fn devices_and_precisions_that_are_not_there_are_errors() {
    let on = |device, precision| Model::load(&*SMALL, None, Placement { device, precision }).err();
    for precision in [Precision::Bf16, Precision::F16, Precision::Tf32] {
        let error = on(Device::Cpu, precision).expect("the processor has f32 only");
        assert!(matches!(error, ModelError::Precision { .. }) && error.to_string().contains("f32 only"), "{error}");
    }
    // No machine has a thousand cards.
    for device in [Device::Cuda(1000), Device::Metal(1000)] {
        let error = on(device, Precision::F32).expect("no such card");
        assert!(matches!(error, ModelError::NoDevice { device: d, .. } if d == device), "{error}");
    }
    assert_eq!(somascope::model::devices()[0].device, Device::Cpu);
}
