// Types and helpers of all kernels. No headers: NVRTC comes without them on many machines.
//
// The host defines, for each model and precision:
//   EMBED FEED_FORWARD VOCABULARY HEADS HEAD   sizes; HEAD = EMBED / HEADS
//   PRODUCT     operand type of the layers' matrix products: float, tf32, bf16 or f16
//   ATTEND      operand type of attention: float, bf16 or f16
//   REPRESENT   operand type of the predictor and the projections: float or tf32
//   NORM_THREADS, QUERIES, KEYS, HEAD_PADDED   shapes of thread blocks and tiles

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct bf16 { u16 bits; };
struct f16 { u16 bits; };
// f32 of which the matrix units read 10 bits of fraction: rounded here, as they would cut off.
struct tf32 { float value; };

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(tf32 x) { return x.value; }
__device__ __forceinline__ float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
__device__ __forceinline__ float widen(f16 x) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(x.bits));
  return out;
}

template <class T> struct Narrow;
template <> struct Narrow<float> {
  static __device__ __forceinline__ float of(float x) { return x; }
};
#if __CUDA_ARCH__ >= 800
template <> struct Narrow<tf32> {
  static __device__ __forceinline__ tf32 of(float x) {
    u32 bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return tf32{__uint_as_float(bits)};
  }
};
template <> struct Narrow<bf16> {
  static __device__ __forceinline__ bf16 of(float x) {
    bf16 out;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
    return out;
  }
};
#endif
template <> struct Narrow<f16> {
  static __device__ __forceinline__ f16 of(float x) {
    f16 out;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
    return out;
  }
};
template <class T> __device__ __forceinline__ T narrow(float x) { return Narrow<T>::of(x); }

// N values that one instruction moves.
template <class T, int N> struct __align__(sizeof(T) * N) Pack { T v[N]; };
template <class T, int N> __device__ __forceinline__ Pack<T, N> load(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <class T, int N> __device__ __forceinline__ void store(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}
// The widest power of two that divides `size` and fits 16 bytes of `bytes` each.
__host__ __device__ constexpr int lanes(int size, int bytes) {
  int n = 16 / bytes;
  while (size % n != 0) n /= 2;
  return n;
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}

#define INFINITE __int_as_float(0x7f800000)
// What stands in place of a masked score (not -infinity), and the maximum above which it weighs exp(-10000 - max) = 0 in f32.
#define MASK_FILL (-10000.0f)
#define MASK_INVISIBLE_ABOVE (-9890.0f)
#define PADDING 256u
