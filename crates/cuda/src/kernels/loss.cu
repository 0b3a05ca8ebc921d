// From representations to a row's sums: likelihood, regulariser, mean embedding.

#define SLICES 256
#define POINTS 16

// Negative log-likelihood of each position's target, 0 where that is padding; one warp a position.
extern "C" __global__ void likelihood(const float* __restrict__ logits, const float* __restrict__ bias, const u32* __restrict__ targets,
                                      float* __restrict__ nll, int positions) {
  constexpr int PER = (VOCABULARY + 31) / 32;
  int position = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (position >= positions) return;
  logits += (u64)position * VOCABULARY;
  u32 target = targets[position];
  if (target == PADDING) {
    if (lane == 0) nll[position] = 0.0f;
    return;
  }
  float value[PER], top = -INFINITE;
#pragma unroll
  for (int k = 0; k < PER; ++k) {
    int i = k * 32 + lane;
    value[k] = i < VOCABULARY ? logits[i] + bias[i] : -INFINITE;
    top = fmaxf(top, value[k]);
  }
  top = warp_max(top);
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < PER; ++k)
    if (k * 32 + lane < VOCABULARY) sum += expf(value[k] - top);
  sum = warp_sum(sum);
  if (lane == 0) nll[position] = logf(sum) + top - (logits[target] + bias[target]);
}

// The regulariser's value at each position, from projections [positions, SLICES]; one warp a position. Points are equally spaced:
// one sine and cosine a projection, then a rotation a point.
extern "C" __global__ void characteristic(const float* __restrict__ projections, float* __restrict__ value, int positions) {
  constexpr int PER = SLICES / 32;
  constexpr float STEP = 0.1875f;
  int position = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (position >= positions) return;
  float cosines[POINTS] = {}, sines[POINTS] = {};
  const float* from = projections + (u64)position * SLICES + lane;
#pragma unroll
  for (int k = 0; k < PER; ++k) {
    float s, c;
    sincosf(from[k * 32] * STEP, &s, &c);
    float x = c, y = s;
#pragma unroll
    for (int j = 0; j < POINTS; ++j) {
      cosines[j] += x;
      sines[j] += y;
      float turned = x * c - y * s;
      y = y * c + x * s;
      x = turned;
    }
  }
  float error = 0.0f;
#pragma unroll
  for (int j = 0; j < POINTS; ++j) {
    float c = warp_sum(cosines[j]) / SLICES, s = warp_sum(sines[j]) / SLICES;
    float t = STEP * (j + 1);
    float normal = expf(-t * t / 2.0f);
    float weight = (j == POINTS - 1 ? STEP : 2.0f * STEP) * normal;
    error += ((c - normal) * (c - normal) + s * s) * weight;
  }
  if (lane == 0) value[position] = error * SLICES;
}

// [rows, seq, EMBED] to the mean over positions [rows, EMBED]. Blocks of 32 x 16 threads.
extern "C" __global__ void mean_embedding(const float* __restrict__ representations, float* __restrict__ mean, int seq) {
  __shared__ double parts[16][33];
  int column = blockIdx.x * 32 + threadIdx.x;
  double sum = 0.0;
  if (column < EMBED) {
    const float* from = representations + (u64)blockIdx.y * seq * EMBED + column;
    for (int i = threadIdx.y; i < seq; i += 16) sum += from[(u64)i * EMBED];
  }
  parts[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= EMBED) return;
  for (int i = 1; i < 16; ++i) sum += parts[i][threadIdx.x];
  mean[(u64)blockIdx.y * EMBED + column] = (float)(sum / seq);
}

// Both sums of each row, [rows, 2]. One block of 256 threads a row.
extern "C" __global__ void row_sums(const float* __restrict__ nll, const float* __restrict__ regulariser, double* __restrict__ sums, int seq) {
  __shared__ double parts[2][256];
  double a = 0.0, b = 0.0;
  for (int i = threadIdx.x; i < seq; i += 256) {
    a += nll[(u64)blockIdx.x * seq + i];
    b += regulariser[(u64)blockIdx.x * seq + i];
  }
  parts[0][threadIdx.x] = a;
  parts[1][threadIdx.x] = b;
  for (int step = 128; step > 0; step /= 2) {
    __syncthreads();
    if (threadIdx.x < step) {
      parts[0][threadIdx.x] += parts[0][threadIdx.x + step];
      parts[1][threadIdx.x] += parts[1][threadIdx.x + step];
    }
  }
  __syncthreads();
  if (threadIdx.x < 2) sums[blockIdx.x * 2 + threadIdx.x] = parts[threadIdx.x][0];
}
