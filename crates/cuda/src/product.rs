//! Matrix products by cuBLASLt, each shape with the algorithm that was fastest on this card.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use crate::CardError;

const WORKSPACE: usize = 64 << 20;
const CANDIDATES: usize = 8;
/// Time spent on choosing an algorithm for one shape.
const PATIENCE: Duration = Duration::from_millis(60);

/// Operands as they are in memory, and how they are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operands {
    F32,
    Tf32,
    Bf16,
    F16,
}

impl Operands {
    fn data(self) -> sys::cudaDataType {
        match self {
            Self::F32 | Self::Tf32 => sys::cudaDataType::CUDA_R_32F,
            Self::Bf16 => sys::cudaDataType::CUDA_R_16BF,
            Self::F16 => sys::cudaDataType::CUDA_R_16F,
        }
    }

    fn compute(self) -> sys::cublasComputeType_t {
        match self {
            Self::Tf32 => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Tf32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }
}

/// What comes out: operands for what follows, f32, or f32 added to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Output {
    Operand,
    F32,
    Residual,
}

/// `[tokens, inner] · [inner, features]`, the second stored turned: `[features, inner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Product {
    pub tokens: usize,
    pub inner: usize,
    pub features: usize,
    pub operands: Operands,
    pub output: Output,
}

/// Addresses of both operands and the result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices {
    pub input: u64,
    pub weights: u64,
    pub output: u64,
}

impl Matrices {
    /// Largest power of two that divides all addresses; 256 is what cuBLASLt asks at most.
    fn alignment(&self) -> u32 {
        1 << (self.input | self.weights | self.output).trailing_zeros().min(8)
    }
}

pub(crate) struct Products {
    handle: sys::cublasLtHandle_t,
    stream: Arc<CudaStream>,
    workspace: CudaSlice<u8>,
    plans: HashMap<(Product, u32), Plan>,
}

// SAFETY: the handle may be used from any thread, by one at a time; its owner keeps it behind a mutex.
unsafe impl Send for Products {}

struct Plan {
    description: Description,
    algorithm: sys::cublasLtMatmulAlgo_t,
    tuned: bool,
}

impl Products {
    pub fn new(stream: &Arc<CudaStream>) -> Result<Self, CardError> {
        stream.context().bind_to_thread()?;
        let handle =
            result::create_handle().map_err(|status| CardError::Product { doing: "its start".into(), status })?;
        // SAFETY: scratch memory, written before it is read.
        let workspace = unsafe { stream.alloc::<u8>(WORKSPACE) }?;
        Ok(Self { handle, stream: Arc::clone(stream), workspace, plans: HashMap::new() })
    }

    /// Puts the product on the stream.
    pub fn run(&mut self, product: Product, at: Matrices) -> Result<(), CardError> {
        let key = (product, at.alignment());
        self.plan(key)?;
        let plan = &self.plans[&key];
        self.start(product, plan, &plan.algorithm, at)
    }

    /// Chooses the fastest algorithm by trying each on these matrices, the result of which is lost. Once for each shape.
    pub fn tune(&mut self, product: Product, at: Matrices) -> Result<(), CardError> {
        let key = (product, at.alignment());
        self.plan(key)?;
        if self.plans[&key].tuned {
            return Ok(());
        }
        let plan = &self.plans[&key];
        let began = Instant::now();
        let mut best: Option<(Duration, sys::cublasLtMatmulAlgo_t)> = None;
        for algorithm in plan.description.algorithms(self.handle, CANDIDATES, key.1).unwrap_or_default() {
            if self.start(product, plan, &algorithm, at).is_err() {
                continue;
            }
            self.stream.synchronize()?;
            let start = Instant::now();
            let runs = 3;
            for _ in 0..runs {
                self.start(product, plan, &algorithm, at)?;
            }
            self.stream.synchronize()?;
            let time = start.elapsed();
            if best.is_none_or(|(fastest, _)| time < fastest) {
                best = Some((time, algorithm));
            }
            if began.elapsed() > PATIENCE {
                break;
            }
        }
        if let Some(plan) = self.plans.get_mut(&key) {
            plan.tuned = true;
            if let Some((_, algorithm)) = best {
                plan.algorithm = algorithm;
            }
        }
        Ok(())
    }

    fn plan(&mut self, key: (Product, u32)) -> Result<(), CardError> {
        if !self.plans.contains_key(&key) {
            let failed = |status| CardError::Product { doing: format!("planning {:?}", key.0), status };
            self.stream.context().bind_to_thread()?;
            let description = Description::new(key.0).map_err(failed)?;
            let first = description.algorithms(self.handle, 1, key.1).map_err(failed)?.first().copied();
            let algorithm =
                first.ok_or_else(|| failed(CublasError(sys::cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED)))?;
            self.plans.insert(key, Plan { description, algorithm, tuned: false });
        }
        Ok(())
    }

    fn start(
        &self,
        product: Product,
        plan: &Plan,
        algorithm: &sys::cublasLtMatmulAlgo_t,
        at: Matrices,
    ) -> Result<(), CardError> {
        self.stream.context().bind_to_thread()?;
        let one = 1.0f32;
        let kept = if product.output == Output::Residual { 1.0f32 } else { 0.0 };
        let parts = &plan.description;
        let output = at.output as *mut c_void;
        // SAFETY: the caller's addresses are of buffers with these shapes, which live until the stream is done; the descriptions live as
        // long as the plan, and the library reads them and both factors before it returns.
        unsafe {
            result::matmul(
                self.handle,
                parts.product,
                std::ptr::from_ref(&one).cast(),
                std::ptr::from_ref(&kept).cast(),
                at.weights as *const c_void,
                parts.weights,
                at.input as *const c_void,
                parts.input,
                output,
                parts.output,
                output,
                parts.output,
                algorithm,
                self.workspace.device_ptr(&self.stream).0 as *mut c_void,
                WORKSPACE,
                self.stream.cu_stream().cast(),
            )
        }
        .map_err(|status| CardError::Product { doing: format!("{product:?}"), status })
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        self.plans.clear();
        // SAFETY: created in `new`, destroyed here only. Nothing is to be done if that fails.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

/// The library's description of a product. It thinks in columns: our `[a, b]` by rows is its `[b, a]`.
struct Description {
    product: sys::cublasLtMatmulDesc_t,
    weights: sys::cublasLtMatrixLayout_t,
    input: sys::cublasLtMatrixLayout_t,
    output: sys::cublasLtMatrixLayout_t,
}

impl Description {
    fn new(of: Product) -> Result<Self, CublasError> {
        let single = sys::cudaDataType::CUDA_R_32F;
        let operand = of.operands.data();
        let result_type = if of.output == Output::Operand { operand } else { single };
        let (inner, tokens, features) = (of.inner as u64, of.tokens as u64, of.features as u64);
        let mut made = Self {
            product: result::create_matmul_desc(of.operands.compute(), single)?,
            weights: std::ptr::null_mut(),
            input: std::ptr::null_mut(),
            output: std::ptr::null_mut(),
        };
        made.weights = result::create_matrix_layout(operand, inner, features, inner as i64)?;
        made.input = result::create_matrix_layout(operand, inner, tokens, inner as i64)?;
        made.output = result::create_matrix_layout(result_type, features, tokens, features as i64)?;
        let turned = 1i32; // CUBLAS_OP_T, of an enumeration that these bindings leave out
        // SAFETY: the description was just made and the value is of the attribute's type.
        unsafe {
            result::set_matmul_desc_attribute(
                made.product,
                sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA,
                std::ptr::from_ref(&turned).cast(),
                size_of_val(&turned),
            )
        }?;
        Ok(made)
    }

    /// The library's own ranking, best first.
    fn algorithms(
        &self,
        handle: sys::cublasLtHandle_t,
        most: usize,
        alignment: u32,
    ) -> Result<Vec<sys::cublasLtMatmulAlgo_t>, CublasError> {
        use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
        let preference = Preference(result::create_matmul_pref()?);
        let workspace = WORKSPACE;
        let limits = [
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ];
        // SAFETY: the preference and the descriptions live through these calls, and the values are of the attributes' types.
        unsafe {
            result::set_matmul_pref_attribute(
                preference.0,
                Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                std::ptr::from_ref(&workspace).cast(),
                size_of_val(&workspace),
            )?;
            for limit in limits {
                result::set_matmul_pref_attribute(
                    preference.0,
                    limit,
                    std::ptr::from_ref(&alignment).cast(),
                    size_of_val(&alignment),
                )?;
            }
        }
        let mut found = Vec::with_capacity(most);
        let mut count = 0;
        // SAFETY: the library writes at most `most` entries, and says how many.
        unsafe {
            sys::cublasLtMatmulAlgoGetHeuristic(
                handle,
                self.product,
                self.weights,
                self.input,
                self.output,
                self.output,
                preference.0,
                most as i32,
                found.as_mut_ptr(),
                &raw mut count,
            )
            .result()?;
            found.set_len((count.max(0) as usize).min(most));
        }
        Ok(found.into_iter().filter(|entry| entry.state.result().is_ok()).map(|entry| entry.algo).collect())
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed here only; those never made are null. Nothing is to be done if that fails.
        unsafe {
            let _ = result::destroy_matmul_desc(self.product);
            for layout in [self.weights, self.input, self.output] {
                if !layout.is_null() {
                    let _ = result::destroy_matrix_layout(layout);
                }
            }
        }
    }
}

struct Preference(sys::cublasLtMatmulPreference_t);

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: made by `create_matmul_pref`, destroyed here only. Nothing is to be done if that fails.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}
