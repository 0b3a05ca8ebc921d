// Everything of a layer between its matrix products and its attention.

extern "C" __global__ void embed(const u32* __restrict__ tokens, const float* __restrict__ table, float* __restrict__ x) {
  const float* from = table + (u64)tokens[blockIdx.x] * EMBED;
  float* to = x + (u64)blockIdx.x * EMBED;
  constexpr int W = lanes(EMBED, 4);
  for (int i = threadIdx.x * W; i < EMBED; i += blockDim.x * W) store<float, W>(to + i, load<float, W>(from + i));
}

// One block a position. `shift` is the sum of all output biases so far: the residual stream in memory goes without them.
struct Normalised {
  static constexpr int W = lanes(EMBED, 4);
  static constexpr int PER = (EMBED + NORM_THREADS * W - 1) / (NORM_THREADS * W);
  float value[PER][W];

  static __device__ __forceinline__ int index(int k) { return (k * NORM_THREADS + threadIdx.x) * W; }

  static __device__ __forceinline__ float block_sum(float x) {
    __shared__ float parts[NORM_THREADS / 32];
    x = warp_sum(x);
    if (NORM_THREADS == 32) return x;
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < NORM_THREADS / 32; ++i) total += parts[i];
    return total;
  }

  __device__ __forceinline__ Normalised(const float* __restrict__ x, const float* __restrict__ shift,
                                        const float* __restrict__ gamma, const float* __restrict__ beta) {
    x += (u64)blockIdx.x * EMBED;
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < PER; ++k) {
      int i = index(k);
      if (i < EMBED) {
        auto a = load<float, W>(x + i);
        auto b = load<float, W>(shift + i);
#pragma unroll
        for (int w = 0; w < W; ++w) { value[k][w] = a.v[w] + b.v[w]; sum += value[k][w]; }
      }
    }
    float mean = block_sum(sum) / EMBED;
    float squares = 0.0f;
#pragma unroll
    for (int k = 0; k < PER; ++k)
      if (index(k) < EMBED)
#pragma unroll
        for (int w = 0; w < W; ++w) { value[k][w] -= mean; squares += value[k][w] * value[k][w]; }
    float deviation = sqrtf(block_sum(squares) / EMBED + 1e-5f);
#pragma unroll
    for (int k = 0; k < PER; ++k) {
      int i = index(k);
      if (i < EMBED) {
        auto g = load<float, W>(gamma + i);
        auto b = load<float, W>(beta + i);
#pragma unroll
        for (int w = 0; w < W; ++w) value[k][w] = value[k][w] / deviation * g.v[w] + b.v[w];
      }
    }
  }

  template <class T> __device__ __forceinline__ void write(T* __restrict__ out) const {
    out += (u64)blockIdx.x * EMBED;
#pragma unroll
    for (int k = 0; k < PER; ++k) {
      int i = index(k);
      if (i < EMBED) {
        Pack<T, W> pack;
#pragma unroll
        for (int w = 0; w < W; ++w) pack.v[w] = narrow<T>(value[k][w]);
        store<T, W>(out + i, pack);
      }
    }
  }
};

extern "C" __global__ void __launch_bounds__(NORM_THREADS)
normalise(const float* x, const float* shift, const float* gamma, const float* beta, PRODUCT* out) {
  Normalised(x, shift, gamma, beta).write(out);
}

// The last one: exact for the mean embedding, and as the operand of the predictor and the projections.
extern "C" __global__ void __launch_bounds__(NORM_THREADS)
normalise_last(const float* x, const float* shift, const float* gamma, const float* beta, float* exact, REPRESENT* operand) {
  Normalised all(x, shift, gamma, beta);
  all.write(exact);
  all.write(operand);
}

// Operands of attention stay in range: f16 also stands in for tf32, which has more. NaN stays NaN.
template <class T> __device__ __forceinline__ T operand(float x) { return narrow<T>(x); }
#if CLAMPED
template <> __device__ __forceinline__ f16 operand<f16>(float x) {
  return narrow<f16>(x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x);
}
#endif

// Adds the biases of queries and keys and turns them by their positions' angles; one block a position. `out` may be `in`.
// Values pass unchanged: their bias is added to the context, as weights sum to one.
extern "C" __global__ void rotate(const PRODUCT* in, ATTEND* out, const float* __restrict__ bias, const float* const* __restrict__ tables,
                                  const u32* __restrict__ slots, int seq) {
  constexpr int HALF = HEAD / 2;
  constexpr int W = lanes(HALF, 2) < lanes(HALF, sizeof(PRODUCT)) ? lanes(HALF, 2) : lanes(HALF, sizeof(PRODUCT));
  constexpr int F = W < 4 ? W : 4;
  const u64 token = blockIdx.x;
  const float* cos = tables[token / seq] + (u64)slots[token] * HALF;
  const float* sin = cos + (u64)seq * HALF;
  in += token * 3 * EMBED;
  out += token * 3 * EMBED;
  for (int pair = threadIdx.x * W; pair < EMBED; pair += blockDim.x * W) {
    int i = pair % HALF;
    int a = pair / HALF * HEAD + i, b = a + HALF;
    auto x = load<PRODUCT, W>(in + a);
    auto y = load<PRODUCT, W>(in + b);
    Pack<ATTEND, W> p, q;
#pragma unroll
    for (int w = 0; w < W; w += F) {
      auto c = load<float, F>(cos + i + w);
      auto s = load<float, F>(sin + i + w);
      auto m = load<float, F>(bias + a + w);
      auto n = load<float, F>(bias + b + w);
#pragma unroll
      for (int f = 0; f < F; ++f) {
        float first = widen(x.v[w + f]) + m.v[f], second = widen(y.v[w + f]) + n.v[f];
        p.v[w + f] = operand<ATTEND>(first * c.v[f] - second * s.v[f]);
        q.v[w + f] = operand<ATTEND>(second * c.v[f] + first * s.v[f]);
      }
    }
    store<ATTEND, W>(out + a, p);
    store<ATTEND, W>(out + b, q);
  }
  if (sizeof(PRODUCT) != sizeof(ATTEND))
    for (int i = 2 * EMBED + threadIdx.x; i < 3 * EMBED; i += blockDim.x) out[i] = operand<ATTEND>(widen(in[i]));
}

// x · (1 + erf(x / √2)) / 2 of input plus bias, in place; one block a position.
extern "C" __global__ void gelu(PRODUCT* hidden, const float* __restrict__ bias) {
  constexpr int W = lanes(FEED_FORWARD, sizeof(PRODUCT));
  constexpr int F = W < 4 ? W : 4;
  hidden += (u64)blockIdx.x * FEED_FORWARD;
  for (int i = threadIdx.x * W; i < FEED_FORWARD; i += blockDim.x * W) {
    auto x = load<PRODUCT, W>(hidden + i);
#pragma unroll
    for (int w = 0; w < W; w += F) {
      auto b = load<float, F>(bias + i + w);
#pragma unroll
      for (int f = 0; f < F; ++f) {
        float y = widen(x.v[w + f]) + b.v[f];
        x.v[w + f] = narrow<PRODUCT>(y * (1.0f + erff(y * 0.70710678118654752f)) * 0.5f);
      }
    }
    store<PRODUCT, W>(hidden + i, x);
  }
}

// A matrix [rows, columns] of f32, turned to [columns, rows] in the operand type: both operands of a product then run along its inner axis.
template <class T> __device__ __forceinline__ void turn(const float* __restrict__ in, T* __restrict__ out, int rows, int columns) {
  __shared__ float tile[32][33];
  int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32;
  for (int i = threadIdx.y; i < 32; i += blockDim.y)
    if (row + i < rows && column < columns) tile[i][threadIdx.x] = in[(u64)(row + i) * columns + column];
  __syncthreads();
  int first = blockIdx.x * 32;
  for (int i = threadIdx.y; i < 32; i += blockDim.y)
    if (first + i < columns && row + threadIdx.x < rows)
      out[(u64)(first + i) * rows + row + threadIdx.x] = narrow<T>(tile[threadIdx.x][i]);
}
extern "C" __global__ void turn_product(const float* in, PRODUCT* out, int rows, int columns) { turn(in, out, rows, columns); }
extern "C" __global__ void turn_represent(const float* in, REPRESENT* out, int rows, int columns) { turn(in, out, rows, columns); }

// Weights for speed measurements: uniform in ±bound.
extern "C" __global__ void randomise(float* out, u64 count, u64 seed, float bound) {
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (u64)gridDim.x * blockDim.x) {
    u64 z = seed + (i + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    out[i] = ((float)(z >> 40) * (2.0f / 16777216.0f) - 1.0f) * bound;
  }
}
