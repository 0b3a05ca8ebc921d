//! Safetensors read by ranges: the header first, within limits, then each tensor where it is needed.
//!
//! A file of gigabytes is never in memory as a whole, and nothing is allocated that the file's real size does not justify.

use std::io;
use std::sync::Arc;

use safetensors::{Dtype, SafeTensorError, tensor::Metadata};
use somascope_kernels as kernels;

use super::ModelError;

/// Bytes that can be read at any offset: a file, a part of memory, something that is decrypted on the way.
pub trait ReadAt: Send + Sync {
    fn size(&self) -> u64;

    /// Fills the whole buffer or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(buffer.len())?));
        let bytes = range.and_then(|range| self.get(range)).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buffer)
    }
}

impl ReadAt for bytes::Bytes {
    fn size(&self) -> u64 {
        self.as_ref().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_ref().read_at(offset, buffer)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
}

/// V1's header has some tens of kilobytes. The format's own limit, 100 MB, takes gigabytes once parsed.
const LARGEST_HEADER: u64 = 16 << 20;
/// Length of the header's length.
const PREFIX: u64 = 8;
/// Bytes of a tensor that are converted at a time.
const CHUNK: usize = 1 << 20;

/// Where each tensor lies, and a way to read it.
pub(super) struct TensorFile<'a> {
    file: &'a dyn ReadAt,
    tensors: Metadata,
    /// Offset of the first tensor's bytes.
    start: u64,
}

impl<'a> TensorFile<'a> {
    pub fn open(file: &'a dyn ReadAt) -> Result<Self, ModelError> {
        let size = file.size();
        if size < PREFIX {
            return Err(SafeTensorError::HeaderTooSmall.into());
        }
        let mut prefix = [0; PREFIX as usize];
        read(file, 0, &mut prefix)?;
        let length = u64::from_le_bytes(prefix);
        if length > LARGEST_HEADER {
            return Err(SafeTensorError::HeaderTooLarge.into());
        }
        if length > size - PREFIX {
            return Err(SafeTensorError::InvalidHeaderLength.into());
        }
        let mut header = vec![0; length as usize];
        read(file, PREFIX, &mut header)?;
        let tensors: Metadata =
            serde_json::from_slice(&header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
        let start = PREFIX + length;
        if tensors.data_len() as u64 != size - start {
            return Err(SafeTensorError::MetadataIncompleteBuffer.into());
        }
        Ok(Self { file, tensors, start })
    }

    pub fn names(&self) -> Vec<String> {
        self.tensors.offset_keys()
    }

    /// Shape and element type.
    pub fn shape(&self, name: &str) -> Option<(&[usize], Dtype)> {
        self.tensors.info(name).map(|info| (info.shape.as_slice(), info.dtype))
    }

    /// All elements in the order of the file, a piece at a time, as f32.
    pub fn read_f32(&self, name: &str, mut each: impl FnMut(&[f32])) -> Result<(), ModelError> {
        let info = self.tensors.info(name).ok_or_else(|| ModelError::MissingTensors(vec![name.to_owned()]))?;
        let element = element(name, info.dtype)?;
        let (from, to) = info.data_offsets;
        let longest = CHUNK.min(to - from);
        let mut raw = vec![0; longest];
        let mut values = vec![0.0; longest / element.size()];
        for at in (from..to).step_by(CHUNK) {
            let raw = &mut raw[..longest.min(to - at)];
            read(self.file, self.start + at as u64, raw)?;
            let values = &mut values[..raw.len() / element.size()];
            element.decode(raw, values);
            each(values);
        }
        Ok(())
    }
}

fn read(file: &dyn ReadAt, offset: u64, buffer: &mut [u8]) -> Result<(), ModelError> {
    file.read_at(offset, buffer).map_err(|cause| ModelError::Read { offset, cause: Arc::new(cause) })
}

/// The type of a tensor's elements, if it is one that becomes f32.
pub(super) fn element(tensor: &str, found: Dtype) -> Result<kernels::Element, ModelError> {
    match found {
        Dtype::F32 => Ok(kernels::Element::F32),
        Dtype::F16 => Ok(kernels::Element::F16),
        Dtype::BF16 => Ok(kernels::Element::Bf16),
        Dtype::F64 => Ok(kernels::Element::F64),
        other => Err(ModelError::ElementType { tensor: tensor.to_owned(), found: format!("{other:?}") }),
    }
}
