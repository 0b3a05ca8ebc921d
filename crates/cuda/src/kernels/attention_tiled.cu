// Causal attention in f32 on the ordinary units, for confirmation: online softmax over tiles of KEYS keys in shared memory.
//
// 256 threads own QUERIES queries of one head as 16 x 16: thread (y, x) has queries y, y + 16, … and, of scores, keys x, x + 16, …; of
// contexts, dimensions 4x … 4x + 3, then 64 further, and so on.

#define STRIDE (HEAD_PADDED + 4)
#define ROW (3 * EMBED)
#define WEIGHT_STRIDE (KEYS + 4)

template <int COUNT> __device__ __forceinline__ void fetch(float* to, const float* from, int first, int seq) {
  constexpr int W = HEAD % 4 == 0 ? 4 : 1;
  for (int i = threadIdx.x; i < COUNT * (HEAD_PADDED / W); i += 256) {
    int r = i / (HEAD_PADDED / W), c = i % (HEAD_PADDED / W) * W;
    Pack<float, W> pack = {};
    if (first + r < seq && c < HEAD) pack = load<float, W>(from + (u64)(first + r) * ROW + c);
    store<float, W>(to + r * STRIDE + c, pack);
  }
}

// As `attend_tensor`; `scale` divides, as in the reference.
extern "C" __global__ void __launch_bounds__(256)
attend_tiled(const ATTEND* __restrict__ qkv, const float* __restrict__ bias, PRODUCT* __restrict__ context, int seq, float scale) {
  extern __shared__ __align__(16) float floats[];
  float *shared_q = floats, *shared_kv = shared_q + QUERIES * STRIDE, *shared_w = shared_kv + KEYS * STRIDE;
  constexpr int RQ = QUERIES / 16, RK = KEYS / 16, RD = HEAD_PADDED / 64;
  const int x = threadIdx.x % 16, y = threadIdx.x / 16;
  const int head = blockIdx.x % HEADS;
  const u64 row = blockIdx.x / HEADS;
  const int first = (gridDim.y - 1 - blockIdx.y) * QUERIES;
  const ATTEND* q = qkv + row * seq * ROW + head * HEAD;
  const ATTEND *k = q + EMBED, *v = k + EMBED;
  const int all = (seq + KEYS - 1) / KEYS, causal = (min(first + QUERIES, seq) + KEYS - 1) / KEYS;

  float out[RQ][RD][4], top[RQ], sum[RQ];
  bool leak = false;
  fetch<QUERIES>(shared_q, q, first, seq);
  while (true) {
#pragma unroll
    for (int i = 0; i < RQ; ++i) {
      top[i] = -INFINITE;
      sum[i] = 0.0f;
#pragma unroll
      for (int d = 0; d < RD; ++d)
#pragma unroll
        for (int e = 0; e < 4; ++e) out[i][d][e] = 0.0f;
    }
    const int tiles = leak ? all : causal;
    for (int tile = 0; tile < tiles; ++tile) {
      const int base = tile * KEYS;
      __syncthreads();
      fetch<KEYS>(shared_kv, k, base, seq);
      __syncthreads();
      float score[RQ][RK] = {};
#pragma unroll 2
      for (int d = 0; d < (HEAD < HEAD_PADDED ? (HEAD + 3) / 4 * 4 : HEAD_PADDED); d += 4) {
        Pack<float, 4> a[RQ], b[RK];
#pragma unroll
        for (int i = 0; i < RQ; ++i) a[i] = load<float, 4>(shared_q + (y + 16 * i) * STRIDE + d);
#pragma unroll
        for (int j = 0; j < RK; ++j) b[j] = load<float, 4>(shared_kv + (x + 16 * j) * STRIDE + d);
#pragma unroll
        for (int i = 0; i < RQ; ++i)
#pragma unroll
          for (int j = 0; j < RK; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) score[i][j] = fmaf(a[i].v[e], b[j].v[e], score[i][j]);
      }
#pragma unroll
      for (int i = 0; i < RQ; ++i) {
        int query = first + y + 16 * i;
        float high = top[i];
#pragma unroll
        for (int j = 0; j < RK; ++j) {
          int key = base + x + 16 * j;
          score[i][j] = key >= seq ? -INFINITE : key > query ? MASK_FILL : score[i][j] / scale;
          high = fmaxf(high, score[i][j]);
        }
#pragma unroll
        for (int step = 1; step < 16; step *= 2) high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, step));
        float from = high == -INFINITE ? 0.0f : high;
        float fade = expf(top[i] - from);
        top[i] = high;
        sum[i] *= fade;
#pragma unroll
        for (int j = 0; j < RK; ++j) {
          float weight = expf(score[i][j] - from);
          sum[i] += weight;
          shared_w[(y + 16 * i) * WEIGHT_STRIDE + x + 16 * j] = weight;
        }
#pragma unroll
        for (int d = 0; d < RD; ++d)
#pragma unroll
          for (int e = 0; e < 4; ++e) out[i][d][e] *= fade;
      }
      __syncthreads();
      fetch<KEYS>(shared_kv, v, base, seq);
      __syncthreads();
#pragma unroll 1
      for (int key = 0; key < KEYS; key += 4) {
        Pack<float, 4> w[RQ];
#pragma unroll
        for (int i = 0; i < RQ; ++i) w[i] = load<float, 4>(shared_w + (y + 16 * i) * WEIGHT_STRIDE + key);
#pragma unroll
        for (int n = 0; n < 4; ++n)
#pragma unroll
          for (int d = 0; d < RD; ++d) {
            auto b = load<float, 4>(shared_kv + (key + n) * STRIDE + d * 64 + x * 4);
#pragma unroll
            for (int i = 0; i < RQ; ++i)
#pragma unroll
              for (int e = 0; e < 4; ++e) out[i][d][e] = fmaf(w[i].v[n], b.v[e], out[i][d][e]);
          }
      }
    }
    if (leak) break;
    bool low = false;
#pragma unroll
    for (int i = 0; i < RQ; ++i) low |= first + y + 16 * i < seq && top[i] < MASK_INVISIBLE_ABOVE;
    leak = __syncthreads_or(low);
    if (!leak) break;
  }

#pragma unroll
  for (int i = 0; i < RQ; ++i) {
#pragma unroll
    for (int step = 1; step < 16; step *= 2) sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], step);
    int query = first + y + 16 * i;
    if (query >= seq) continue;
    PRODUCT* to = context + (row * seq + query) * EMBED + head * HEAD;
#pragma unroll
    for (int d = 0; d < RD; ++d)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        int at = d * 64 + x * 4 + e;
        if (at < HEAD) to[at] = narrow<PRODUCT>(out[i][d][e] / sum[i] + bias[head * HEAD + at]);
      }
  }
}
