//! One card: its context, its stream, and what all models on it share.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, result, sys};

use crate::product::{Matrices, Operands, Output, Product, Products};
use crate::program::{Program, Settings};
use crate::tables::Tables;
use crate::{CardError, library};

/// A card that the driver shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardInfo {
    pub ordinal: usize,
    pub name: String,
    pub memory_bytes: u64,
}

/// The cards of this machine; none where driver or libraries are missing.
pub fn cards() -> Vec<CardInfo> {
    if library::open().is_err() {
        return Vec::new();
    }
    let count = CudaContext::device_count().unwrap_or(0).max(0) as usize;
    let info = |ordinal| {
        let device = result::device::get(ordinal as i32).ok()?;
        // SAFETY: `device` is one that the driver just gave.
        let memory = unsafe { result::device::total_mem(device) }.ok()?;
        Some(CardInfo { ordinal, name: result::device::get_name(device).ok()?, memory_bytes: memory as u64 })
    };
    (0..count).filter_map(info).collect()
}

/// An opened card. All its models share one stream and one workspace, so they take turns.
pub struct Card {
    pub(crate) name: String,
    pub(crate) capability: (i32, i32),
    /// The most shared memory a block may ask for, bytes.
    pub(crate) shared_memory: usize,
    pub(crate) context: Arc<CudaContext>,
    pub(crate) stream: Arc<CudaStream>,
    programs: Mutex<HashMap<Settings, Arc<Program>>>,
    shared: Mutex<Shared>,
}

/// What one forward pass has for itself.
pub(crate) struct Shared {
    workspace: Option<CudaSlice<u8>>,
    pub products: Products,
    pub tables: Tables,
}

impl Card {
    /// The card's one instance while anybody holds it.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, CardError> {
        static OPENED: LazyLock<Mutex<HashMap<usize, Weak<Card>>>> = LazyLock::new(Mutex::default);
        library::open()?;
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(card) = opened.get(&ordinal).and_then(Weak::upgrade) {
            return Ok(card);
        }
        let card = Arc::new(Self::new(ordinal)?);
        opened.insert(ordinal, Arc::downgrade(&card));
        Ok(card)
    }

    fn new(ordinal: usize) -> Result<Self, CardError> {
        let found = CudaContext::device_count().unwrap_or(0).max(0) as usize;
        if ordinal >= found {
            return Err(CardError::NoCard { ordinal, found });
        }
        let context = CudaContext::new(ordinal)?;
        // SAFETY: all work and every buffer of this context is on its one stream, which orders uses by itself.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream()?;
        let attribute = |which| context.attribute(which);
        Ok(Self {
            name: context.name()?,
            capability: context.compute_capability()?,
            shared_memory: attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?
                as usize,
            programs: Mutex::default(),
            shared: Mutex::new(Shared {
                workspace: None,
                products: Products::new(&stream)?,
                tables: Tables::default(),
            }),
            context,
            stream,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Free and total memory, bytes.
    pub fn memory(&self) -> Result<(u64, u64), CardError> {
        let (free, total) = self.context.mem_get_info()?;
        Ok((free as u64, total as u64))
    }

    /// Compiled kernels for these settings; compiled once.
    pub(crate) fn program(&self, settings: &Settings) -> Result<Arc<Program>, CardError> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(settings) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(Program::compile(self, settings)?);
        programs.insert(settings.clone(), Arc::clone(&program));
        Ok(program)
    }

    /// One forward pass at a time. A panic in another leaves only work that is over once the stream is.
    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uninitialised memory; the error says how much there was.
    pub(crate) fn allocate(&self, bytes: usize) -> Result<CudaSlice<u8>, CardError> {
        // SAFETY: bytes without a meaning; kernels write each before another reads it.
        unsafe { self.stream.alloc::<u8>(bytes.max(1)) }.map_err(|error| match CardError::from(error) {
            CardError::OutOfMemory { .. } => CardError::OutOfMemory {
                wanted: bytes as u64,
                free: self.context.mem_get_info().map_or(0, |(free, _)| free as u64),
            },
            other => other,
        })
    }

    pub(crate) fn upload<T: Copy>(&self, values: &[T]) -> Result<CudaSlice<u8>, CardError> {
        let buffer = self.allocate(size_of_val(values))?;
        self.write(self.address(&buffer), values)?;
        Ok(buffer)
    }

    /// Copies to memory of this card that the caller owns and that is at least as long.
    pub(crate) fn write<T: Copy>(&self, to: u64, values: &[T]) -> Result<(), CardError> {
        self.context.bind_to_thread()?;
        // SAFETY: the destination is the caller's. The driver reads pageable memory before it returns.
        unsafe { result::memcpy_htod_async(to, values, self.stream.cu_stream()) }?;
        Ok(())
    }

    /// Copies from memory of this card, after all that the stream was given before.
    pub(crate) fn read<T: Copy + Default>(&self, from: u64, count: usize) -> Result<Vec<T>, CardError> {
        let mut values = vec![T::default(); count];
        self.context.bind_to_thread()?;
        // SAFETY: the source is the caller's and as long; the vector lives until the stream is done.
        unsafe { result::memcpy_dtoh_async(&mut values, from, self.stream.cu_stream()) }?;
        self.stream.synchronize()?;
        Ok(values)
    }

    pub(crate) fn address(&self, buffer: &CudaSlice<u8>) -> u64 {
        buffer.device_ptr(&self.stream).0
    }
}

impl Shared {
    /// At least this many bytes; what was in it is lost.
    pub(crate) fn workspace(&mut self, card: &Card, bytes: usize) -> Result<u64, CardError> {
        if self.workspace.as_ref().is_none_or(|buffer| buffer.len() < bytes) {
            // First the old one goes back.
            self.workspace = None;
            card.stream.synchronize()?;
            self.workspace = Some(card.allocate(bytes)?);
        }
        Ok(self.workspace.as_ref().map_or(0, |buffer| card.address(buffer)))
    }

    pub(crate) fn workspace_bytes(&self) -> u64 {
        self.workspace.as_ref().map_or(0, |buffer| buffer.len() as u64)
    }

    /// Gives the workspace's memory back.
    pub(crate) fn release(&mut self, card: &Card) {
        self.workspace = None;
        // Without it the memory goes back at the next synchronisation: later, not never.
        let _ = card.stream.synchronize();
    }
}

impl Card {
    /// Waits until the card has done all that it was given.
    pub fn synchronize(&self) -> Result<(), CardError> {
        Ok(self.stream.synchronize()?)
    }
}

/// Versions of the libraries that were found, for reports.
pub fn versions() -> String {
    if let Err(error) = library::open() {
        return error.to_string();
    }
    let (mut driver, mut major, mut minor) = (0, 0, 0);
    // SAFETY: all three only write the numbers that they are asked for, or give one.
    let products = unsafe {
        let _ = sys::cuDriverGetVersion(&raw mut driver);
        let _ = cudarc::nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor);
        cudarc::cublaslt::sys::cublasLtGetVersion()
    };
    format!("driver for CUDA {}.{}, NVRTC {major}.{minor}, cuBLASLt {products}", driver / 1000, driver % 1000 / 10)
}

/// Operations a second of a large bf16 product on random data: what speeds are measured against.
pub fn matrix_rate(card: &Card) -> Result<f64, CardError> {
    const SIDE: usize = 8192;
    const RUNS: u32 = 20;
    let bytes = SIDE * SIDE * 2;
    // Uniform in ±1, in bf16: constant bits would save power and flatter the card.
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = (state >> 8) as f32 / 8_388_608.0 - 1.0;
        (value.to_bits() >> 16) as u16
    };
    let values: Vec<u16> = (0..SIDE * SIDE).map(|_| noise()).collect();
    let [input, weights] = [card.upload(&values)?, card.upload(&values)?];
    let output = card.allocate(bytes)?;
    let product =
        Product { tokens: SIDE, inner: SIDE, features: SIDE, operands: Operands::Bf16, output: Output::Operand };
    let on = Matrices { input: card.address(&input), weights: card.address(&weights), output: card.address(&output) };
    let mut shared = card.shared();
    shared.products.tune(product, on)?;
    for _ in 0..3 {
        shared.products.run(product, on)?;
    }
    card.synchronize()?;
    let start = std::time::Instant::now();
    for _ in 0..RUNS {
        shared.products.run(product, on)?;
    }
    card.synchronize()?;
    Ok(2.0 * (SIDE as f64).powi(3) * f64::from(RUNS) / start.elapsed().as_secs_f64())
}
