//! A tonic codec for bodies that are plain BCS (`protocol.md §8`): the faucet, the scoring and the admin service.

use std::marker::PhantomData;

use bytes::{Buf, BufMut};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Sends `E`, receives `D`.
pub struct BcsCodec<E, D>(PhantomData<fn() -> (E, D)>);

impl<E, D> Default for BcsCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Clone for BcsCodec<E, D> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<E: Serialize + Send + Sync + 'static, D: DeserializeOwned + Send + Sync + 'static> Codec for BcsCodec<E, D> {
    type Encode = E;
    type Decode = D;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<E: Serialize, D> Encoder for BcsCodec<E, D> {
    type Item = E;
    type Error = Status;

    fn encode(&mut self, item: E, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let bytes = bcs::to_bytes(&item).map_err(|e| Status::internal(e.to_string()))?;
        buffer.put_slice(&bytes);
        Ok(())
    }
}

impl<E, D: DeserializeOwned> Decoder for BcsCodec<E, D> {
    type Item = D;
    type Error = Status;

    /// One message is the whole buffer; what does not decode is INTERNAL with the decoder's words, as a node answers
    /// (`remaining input`, `protocol-corrections.md §2`).
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        bcs::from_bytes(&bytes).map(Some).map_err(|e| Status::internal(e.to_string()))
    }
}
