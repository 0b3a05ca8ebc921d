//! Compiling the kernels for a card, a model's sizes and a precision.

use std::ffi::CString;

use cudarc::driver::{CudaFunction, CudaModule, sys::CUfunction_attribute};
use cudarc::nvrtc::{Ptx, result, sys};

use crate::{Card, CardError};

const COMMON: &str = include_str!("kernels/common.cu");
const LAYERS: &str = include_str!("kernels/layers.cu");
const LOSS: &str = include_str!("kernels/loss.cu");

/// Which attention kernel: see the head of each source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Attention {
    Tensor { queries: usize, keys: usize },
    Tiled { queries: usize, keys: usize },
    Any,
}

impl Attention {
    fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::Tensor { .. } => ("attend_tensor", include_str!("kernels/attention_tensor.cu")),
            Self::Tiled { .. } => ("attend_tiled", include_str!("kernels/attention_tiled.cu")),
            Self::Any => ("attend_any", include_str!("kernels/attention_any.cu")),
        }
    }

    /// The head dimension as the kernel's tiles have it.
    fn padded(self, head: usize) -> usize {
        match self {
            Self::Tensor { .. } => head.next_multiple_of(16),
            Self::Tiled { .. } => head.next_multiple_of(64),
            Self::Any => head,
        }
    }

    /// Bytes of shared memory of a block; `seq` matters to [`Self::Any`] only.
    pub fn shared_memory(self, head: usize, seq: usize) -> usize {
        let padded = self.padded(head);
        match self {
            Self::Tensor { queries, keys } => (queries + 2 * keys) * (padded + 8) * 2,
            Self::Tiled { queries, keys } => ((queries + keys) * (padded + 4) + queries * (keys + 4)) * 4,
            Self::Any => seq * 4,
        }
    }

    pub fn threads(self) -> usize {
        match self {
            Self::Tensor { queries, .. } => queries * 2,
            Self::Tiled { .. } => 256,
            Self::Any => 128,
        }
    }

    pub fn queries(self) -> usize {
        match self {
            Self::Tensor { queries, .. } | Self::Tiled { queries, .. } => queries,
            Self::Any => 1,
        }
    }

    fn keys(self) -> usize {
        match self {
            Self::Tensor { keys, .. } | Self::Tiled { keys, .. } => keys,
            Self::Any => 1,
        }
    }
}

/// What the kernels are compiled for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub embed: usize,
    pub feed_forward: usize,
    pub vocabulary: usize,
    pub heads: usize,
    /// Type names of the sources.
    pub product: &'static str,
    pub attend: &'static str,
    pub represent: &'static str,
    pub attention: Attention,
}

impl Settings {
    pub fn head(&self) -> usize {
        self.embed / self.heads
    }

    pub fn norm_threads(&self) -> usize {
        (self.embed / 8 / 32 * 32).clamp(32, 1024)
    }

    fn options(&self) -> Vec<String> {
        let clamped = usize::from(self.product == "tf32");
        let numbers = [
            ("EMBED", self.embed),
            ("FEED_FORWARD", self.feed_forward),
            ("VOCABULARY", self.vocabulary),
            ("HEADS", self.heads),
            ("HEAD", self.head()),
            ("NORM_THREADS", self.norm_threads()),
            ("QUERIES", self.attention.queries()),
            ("KEYS", self.attention.keys()),
            ("HEAD_PADDED", self.attention.padded(self.head())),
            ("CLAMPED", clamped),
        ];
        let types = [("PRODUCT", self.product), ("ATTEND", self.attend), ("REPRESENT", self.represent)];
        let numbers = numbers.into_iter().map(|(name, value)| format!("-D{name}={value}"));
        let types = types.into_iter().map(|(name, value)| format!("-D{name}={value}"));
        numbers.chain(types).chain(["--std=c++17".to_owned()]).collect()
    }

    fn source(&self) -> String {
        [COMMON, LAYERS, LOSS, self.attention.source().1].concat()
    }
}

/// The kernels of one model.
pub(crate) struct Program {
    pub embed: CudaFunction,
    pub normalise: CudaFunction,
    pub normalise_last: CudaFunction,
    pub rotate: CudaFunction,
    pub attend: CudaFunction,
    pub gelu: CudaFunction,
    pub likelihood: CudaFunction,
    pub characteristic: CudaFunction,
    pub mean_embedding: CudaFunction,
    pub row_sums: CudaFunction,
    pub turn_product: CudaFunction,
    pub turn_represent: CudaFunction,
    pub randomise: CudaFunction,
}

impl Program {
    pub fn compile(card: &Card, settings: &Settings) -> Result<Self, CardError> {
        let code = compile(&settings.source(), &settings.options(), card.capability)?;
        let module: std::sync::Arc<CudaModule> = card.context.load_module(code)?;
        let kernel = |name: &str| module.load_function(name);
        let attend = kernel(settings.attention.source().0)?;
        if !matches!(settings.attention, Attention::Any) {
            let bytes = settings.attention.shared_memory(settings.head(), 0);
            attend
                .set_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes as i32)?;
        }
        Ok(Self {
            embed: kernel("embed")?,
            normalise: kernel("normalise")?,
            normalise_last: kernel("normalise_last")?,
            rotate: kernel("rotate")?,
            attend,
            gelu: kernel("gelu")?,
            likelihood: kernel("likelihood")?,
            characteristic: kernel("characteristic")?,
            mean_embedding: kernel("mean_embedding")?,
            row_sums: kernel("row_sums")?,
            turn_product: kernel("turn_product")?,
            turn_represent: kernel("turn_represent")?,
            randomise: kernel("randomise")?,
        })
    }
}

/// Machine code for the card; for one newer than the compiler, code that the driver translates.
fn compile(source: &str, options: &[String], (major, minor): (i32, i32)) -> Result<Ptx, CardError> {
    let known = architectures();
    let own = major * 10 + minor;
    let arch = if known.is_empty() || known.contains(&own) {
        format!("sm_{own}")
    } else if let Some(newest) = known.iter().copied().filter(|arch| *arch < own).max() {
        format!("compute_{newest}")
    } else {
        return Err(CardError::Compile(format!(
            "this NVRTC no longer knows compute capability {major}.{minor}; install an older one"
        )));
    };
    let machine_code = arch.starts_with("sm_");
    let source = CString::new(source).map_err(|error| CardError::Compile(error.to_string()))?;
    let failed = |error: result::NvrtcError| CardError::Compile(format!("{:?}", error.0));
    let program = Handle(result::create_program(&source, None).map_err(failed)?);
    let options: Vec<String> = options.iter().cloned().chain([format!("--gpu-architecture={arch}")]).collect();
    // SAFETY: the program was just created and is destroyed at the end of this function; likewise below.
    if unsafe { result::compile_program(program.0, &options) }.is_err() {
        return Err(CardError::Compile(program.log()));
    }
    let mut size = 0;
    // SAFETY: the size is asked first and the buffer has it.
    let image = unsafe {
        let (measure, copy): (Measure, Copy) = if machine_code {
            (sys::nvrtcGetCUBINSize, sys::nvrtcGetCUBIN)
        } else {
            (sys::nvrtcGetPTXSize, sys::nvrtcGetPTX)
        };
        measure(program.0, &raw mut size).result().map_err(failed)?;
        let mut image = vec![0u8; size];
        copy(program.0, image.as_mut_ptr().cast()).result().map_err(failed)?;
        image
    };
    // PTX ends with a zero, as the driver wants it.
    Ok(Ptx::from_binary(image))
}

type Measure = unsafe fn(sys::nvrtcProgram, *mut usize) -> sys::nvrtcResult;
type Copy = unsafe fn(sys::nvrtcProgram, *mut core::ffi::c_char) -> sys::nvrtcResult;

fn architectures() -> Vec<i32> {
    let mut count = 0;
    // SAFETY: the count is asked first and the buffer has it.
    unsafe {
        if sys::nvrtcGetNumSupportedArchs(&raw mut count).result().is_err() {
            return Vec::new();
        }
        let mut known = vec![0; count.max(0) as usize];
        match sys::nvrtcGetSupportedArchs(known.as_mut_ptr()).result() {
            Ok(()) => known,
            Err(_) => Vec::new(),
        }
    }
}

struct Handle(sys::nvrtcProgram);

impl Handle {
    /// What the compiler said, without its trailing zero.
    fn log(&self) -> String {
        // SAFETY: the program lives as long as the handle.
        let log = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: created by `create_program`, destroyed here only. Nothing is to be done if that fails.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

#[cfg(test)]
pub(crate) fn check(settings: &Settings, capability: (i32, i32)) -> Result<(), CardError> {
    compile(&settings.source(), &settings.options(), capability).map(|_| ())
}
