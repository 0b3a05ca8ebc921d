//! Starting a kernel.

use std::ffi::c_void;

use cudarc::driver::{CudaFunction, CudaStream, result};

use crate::CardError;

/// One argument, as the kernel's signature has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    Address(u64),
    Int(i32),
    Long(u64),
    Float(f32),
}

impl Arg {
    fn pointer(&self) -> *mut c_void {
        match self {
            Self::Address(value) | Self::Long(value) => std::ptr::from_ref(value).cast_mut().cast(),
            Self::Int(value) => std::ptr::from_ref(value).cast_mut().cast(),
            Self::Float(value) => std::ptr::from_ref(value).cast_mut().cast(),
        }
    }
}

/// Blocks, threads of each, and bytes of shared memory of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub grid: (usize, usize),
    pub block: (usize, usize),
    pub shared: usize,
}

impl Shape {
    pub fn line(blocks: usize, threads: usize) -> Self {
        Self { grid: (blocks, 1), block: (threads, 1), shared: 0 }
    }
}

/// Puts the kernel on the stream.
pub(crate) fn launch(stream: &CudaStream, kernel: &CudaFunction, shape: Shape, args: &[Arg]) -> Result<(), CardError> {
    stream.context().bind_to_thread()?;
    let mut pointers: Vec<*mut c_void> = args.iter().map(Arg::pointer).collect();
    let dim = |(x, y): (usize, usize)| (x as u32, y as u32, 1);
    // SAFETY: all kernels are this crate's; each caller passes the arguments that the kernel's signature has, with addresses of buffers
    // that are long enough for the grid and that live until the stream is done with them. The driver copies the arguments.
    unsafe {
        result::launch_kernel(
            kernel.cu_function(),
            dim(shape.grid),
            dim(shape.block),
            shape.shared as u32,
            stream.cu_stream(),
            &mut pointers,
        )
    }?;
    Ok(())
}
