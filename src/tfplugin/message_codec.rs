//! How a message becomes the bytes of a gRPC frame: as prost does it, in buffers of fitting size.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The messages about a resource have some hundred bytes, and larger ones let their buffer grow. What tonic
/// takes without being asked, 8 KiB for each message in each direction, is beyond what allocators keep at
/// hand.
const BUFFER: usize = 1024;
/// How much of a stream's answers is sent in one piece; tonic's own limit.
const YIELD_THRESHOLD: usize = 32 * 1024;

/// The codec that `build.rs` names for the services of `proto/tfplugin6.proto`.
pub(super) struct MessageCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for MessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER, YIELD_THRESHOLD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER, YIELD_THRESHOLD))
    }
}
