// Causal attention on the matrix units: 16-bit operands, f32 sums, online softmax, nothing of [seq, seq] in memory.
//
// A block owns QUERIES queries of one head, a warp 16 of them; keys and values pass through shared memory KEYS at a time, values being
// fetched while scores are computed and the next keys while contexts are. Rows in shared memory are 16 bytes longer than they need to be,
// so that eight of them start in eight different groups of banks.

#define STRIDE (HEAD_PADDED + 8)
#define THREADS (QUERIES * 2)
#define ROW (3 * EMBED)

__device__ __forceinline__ u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void copy_16(u32 to, const void* from, bool real) {
  int bytes = real ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
__device__ __forceinline__ void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
__device__ __forceinline__ void copies_wait() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

__device__ __forceinline__ void load_matrices(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}
__device__ __forceinline__ void load_turned(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}

template <class T> __device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1);
template <> __device__ __forceinline__ void multiply<bf16>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <> __device__ __forceinline__ void multiply<f16>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <class T> __device__ __forceinline__ u32 pair(float low, float high);
template <> __device__ __forceinline__ u32 pair<bf16>(float low, float high) {
  u32 out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}
template <> __device__ __forceinline__ u32 pair<f16>(float low, float high) {
  u32 out;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}

// 2^x, to the last bit or two, flushing what is below f32's normal range to zero.
__device__ __forceinline__ float power_of_two(float x) {
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

// Rows first..first+COUNT of one head to shared memory; zeros past the sequence and past the head.
template <int COUNT> __device__ __forceinline__ void fetch(u32 to, const ATTEND* from, int first, int seq) {
  constexpr int CHUNKS = HEAD_PADDED / 8;
#pragma unroll
  for (int n = 0; n < (COUNT * CHUNKS + THREADS - 1) / THREADS; ++n) {
    int i = n * THREADS + threadIdx.x;
    if (COUNT * CHUNKS % THREADS != 0 && i >= COUNT * CHUNKS) break;
    int r = i / CHUNKS, c = i % CHUNKS * 8;
    bool real = first + r < seq && c < HEAD;
    copy_16(to + (r * STRIDE + c) * 2, real ? from + (u64)(first + r) * ROW + c : from, real);
  }
}

// qkv [rows, seq, 3 · EMBED] to context [rows, seq, EMBED]. Grid: (rows · HEADS, blocks of queries).
extern "C" __global__ void __launch_bounds__(THREADS)
attend_tensor(const ATTEND* __restrict__ qkv, const float* __restrict__ bias, PRODUCT* __restrict__ context, int seq, float scale) {
  extern __shared__ __align__(128) unsigned char arena[];
  const u32 shared_q = shared_address(arena), shared_k = shared_q + QUERIES * STRIDE * 2, shared_v = shared_k + KEYS * STRIDE * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = lane / 4, pick = lane % 4;
  const int head = blockIdx.x % HEADS;
  const u64 row = blockIdx.x / HEADS;
  // The longest first.
  const int first = (gridDim.y - 1 - blockIdx.y) * QUERIES;
  const int own = first + warp * 16;
  const ATTEND* q = qkv + row * seq * ROW + head * HEAD;
  const ATTEND *k = q + EMBED, *v = k + EMBED;
  const float exponent = scale * 1.4426950408889634f, fill = MASK_FILL / scale;
  const int all = (seq + KEYS - 1) / KEYS, causal = (min(first + QUERIES, seq) + KEYS - 1) / KEYS;

  const u32 at_q = shared_q + ((warp * 16 + lane % 16) * STRIDE + lane / 16 * 8) * 2;
  const u32 at_k = shared_k + ((lane % 8 + lane / 16 * 8) * STRIDE + lane / 8 % 2 * 8) * 2;
  const u32 at_v = shared_v + (lane % 16 * STRIDE + lane / 16 * 8) * 2;

  float out[HEAD_PADDED / 8][4], top[2], sum[2];
  // With `leak`, masked keys are computed with the fill value: a row whose real scores are all as low as that sees them.
  bool leak = false;
  fetch<QUERIES>(shared_q, q, first, seq);
  while (true) {
    const int tiles = leak ? all : causal;
    fetch<KEYS>(shared_k, k, 0, seq);
    copies_commit();
#pragma unroll
    for (int n = 0; n < HEAD_PADDED / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) out[n][e] = 0.0f;
    top[0] = top[1] = -INFINITE;
    sum[0] = sum[1] = 0.0f;

    for (int tile = 0; tile < tiles; ++tile) {
      const int base = tile * KEYS;
      copies_wait();
      __syncthreads();
      fetch<KEYS>(shared_v, v, base, seq);
      copies_commit();
      const bool active = leak || base <= own + 15;
      u32 weights[KEYS / 16][4];
      if (active) {
        float score[KEYS / 8][4] = {};
#pragma unroll 4
        for (int d = 0; d < HEAD_PADDED / 16; ++d) {
          u32 a[4];
          load_matrices(a, at_q + d * 32);
#pragma unroll
          for (int n = 0; n < KEYS / 16; ++n) {
            u32 b[4];
            load_matrices(b, at_k + n * 16 * STRIDE * 2 + d * 32);
            multiply<ATTEND>(score[2 * n], a, b[0], b[1]);
            multiply<ATTEND>(score[2 * n + 1], a, b[2], b[3]);
          }
        }
        if (base + KEYS - 1 > own || base + KEYS > seq) {
#pragma unroll
          for (int n = 0; n < KEYS / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
              int key = base + n * 8 + pick * 2 + e % 2, query = own + group + e / 2 * 8;
              if (key > query) score[n][e] = fill;
              if (key >= seq) score[n][e] = -INFINITE;
            }
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          float high = top[half];
#pragma unroll
          for (int n = 0; n < KEYS / 8; ++n) high = fmaxf(high, fmaxf(score[n][half * 2], score[n][half * 2 + 1]));
          high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, 1));
          high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, 2));
          float base_exponent = high == -INFINITE ? 0.0f : high * exponent;
          float fade = power_of_two(top[half] * exponent - base_exponent);
          top[half] = high;
          float added = 0.0f;
#pragma unroll
          for (int n = 0; n < KEYS / 8; ++n)
#pragma unroll
            for (int e = half * 2; e < half * 2 + 2; ++e) {
              score[n][e] = power_of_two(fmaf(score[n][e], exponent, -base_exponent));
              added += score[n][e];
            }
          sum[half] = sum[half] * fade + added;
          // Maxima seldom rise after the first keys.
          if (__any_sync(0xffffffffu, fade != 1.0f)) {
#pragma unroll
            for (int n = 0; n < HEAD_PADDED / 8; ++n) {
              out[n][half * 2] *= fade;
              out[n][half * 2 + 1] *= fade;
            }
          }
        }
#pragma unroll
        for (int n = 0; n < KEYS / 16; ++n) {
          weights[n][0] = pair<ATTEND>(score[2 * n][0], score[2 * n][1]);
          weights[n][1] = pair<ATTEND>(score[2 * n][2], score[2 * n][3]);
          weights[n][2] = pair<ATTEND>(score[2 * n + 1][0], score[2 * n + 1][1]);
          weights[n][3] = pair<ATTEND>(score[2 * n + 1][2], score[2 * n + 1][3]);
        }
      }
      copies_wait();
      __syncthreads();
      if (tile + 1 < tiles) {
        fetch<KEYS>(shared_k, k, base + KEYS, seq);
        copies_commit();
      }
      if (active) {
#pragma unroll
        for (int n = 0; n < KEYS / 16; ++n)
#pragma unroll
          for (int d = 0; d < HEAD_PADDED / 16; ++d) {
            u32 b[4];
            load_turned(b, at_v + n * 16 * STRIDE * 2 + d * 32);
            multiply<ATTEND>(out[2 * d], weights[n], b[0], b[1]);
            multiply<ATTEND>(out[2 * d + 1], weights[n], b[2], b[3]);
          }
      }
    }
    if (leak) break;
    bool low = false;
#pragma unroll
    for (int half = 0; half < 2; ++half)
      low |= own + group + half * 8 < seq && top[half] * scale < MASK_INVISIBLE_ABOVE;
    leak = __syncthreads_or(low);
    if (!leak) break;
  }

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
    sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
    int query = own + group + half * 8;
    if (query >= seq) continue;
    PRODUCT* to = context + (row * seq + query) * EMBED + head * HEAD;
    const float* added = bias + head * HEAD;
    float share = 1.0f / sum[half];
#pragma unroll
    for (int n = 0; n < HEAD_PADDED / 8; ++n) {
      int d = n * 8 + pick * 2;
      if (d < HEAD) {
        auto b = load<float, 2>(added + d);
        Pack<PRODUCT, 2> pack;
        pack.v[0] = narrow<PRODUCT>(out[n][half * 2] * share + b.v[0]);
        pack.v[1] = narrow<PRODUCT>(out[n][half * 2 + 1] * share + b.v[1]);
        store<PRODUCT, 2>(to + d, pack);
      }
    }
  }
}
