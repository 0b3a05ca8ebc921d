// Causal attention for head dimensions that the fast kernels do not take: one block a query, scores in shared memory, softmax as written
// in the model's description.

#define ROW (3 * EMBED)

// As `attend_tensor`; `scale` divides. Grid: (rows · HEADS, seq), 128 threads, `seq` floats of shared memory.
extern "C" __global__ void __launch_bounds__(128)
attend_any(const ATTEND* __restrict__ qkv, const float* __restrict__ bias, PRODUCT* __restrict__ context, int seq, float scale) {
  extern __shared__ __align__(16) float scores[];
  __shared__ float parts[2][4];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int head = blockIdx.x % HEADS, query = blockIdx.y;
  const u64 row = blockIdx.x / HEADS;
  const ATTEND* q = qkv + (row * seq + query) * ROW + head * HEAD;
  const ATTEND *k = qkv + row * seq * ROW + EMBED + head * HEAD, *v = k + EMBED;
  float top = -INFINITE;
  for (int key = warp; key <= query; key += 4) {
    float dot = 0.0f;
    for (int d = lane; d < HEAD; d += 32) dot = fmaf(widen(q[d]), widen(k[(u64)key * ROW + d]), dot);
    dot = warp_sum(dot) / scale;
    if (lane == 0) scores[key] = dot;
    top = fmaxf(top, dot);
  }
  if (lane == 0) parts[0][warp] = top;
  __syncthreads();
  top = fmaxf(fmaxf(parts[0][0], parts[0][1]), fmaxf(parts[0][2], parts[0][3]));
  const bool leak = top < MASK_INVISIBLE_ABOVE && query + 1 < seq;
  const int keys = leak ? seq : query + 1;
  if (leak) top = fmaxf(top, MASK_FILL);
  float sum = 0.0f;
  for (int key = threadIdx.x; key < keys; key += 128) {
    float weight = expf((key > query ? MASK_FILL : scores[key]) - top);
    scores[key] = weight;
    sum += weight;
  }
  sum = warp_sum(sum);
  if (lane == 0) parts[1][warp] = sum;
  __syncthreads();
  sum = parts[1][0] + parts[1][1] + parts[1][2] + parts[1][3];
  for (int d = threadIdx.x; d < HEAD; d += 128) {
    float out = 0.0f;
    for (int key = 0; key < keys; ++key) out = fmaf(scores[key], widen(v[(u64)key * ROW + d]), out);
    context[(row * seq + query) * EMBED + head * HEAD + d] = narrow<PRODUCT>(out / sum + bias[head * HEAD + d]);
  }
}
