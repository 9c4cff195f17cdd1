// Kernels of the blocks, each in one launch. They are compiled when a GPU is first used.
//
// Arrays are f32 and contiguous. The arguments are the inputs, the output, integers, reals. Every
// row is summed by a fixed number of threads in a fixed order, so its result does not depend on
// the other rows.

typedef unsigned long long index_t;

// Of a kernel with a thread per number. These have fewer than 2^32 numbers: divisions of 64 bits
// would take longer than reading and writing.
__device__ unsigned number() { return blockIdx.x * blockDim.x + threadIdx.x; }

// By a block of 256 threads per row; all of its threads receive the sum.
__device__ float sum_of_block(float x) {
    __shared__ float sums[8];
    for (int distance = 16; distance > 0; distance /= 2)
        x += __shfl_xor_sync(0xffffffff, x, distance);
    __syncthreads();  // until an earlier sum has been read
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0;
    for (int warp = 0; warp < 8; warp++) sum += sums[warp];
    return sum;
}

__device__ float sum_of_warp(float x) {
    for (int distance = 16; distance > 0; distance /= 2)
        x += __shfl_xor_sync(0xffffffff, x, distance);
    return x;
}

__device__ float max_of_warp(float x) {
    for (int distance = 16; distance > 0; distance /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, distance));
    return x;
}

// A thread per number: x + bias.
extern "C" __global__ void add_bias(
    const float *x, const float *bias, float *out, int rows, int width
) {
    unsigned i = number();
    if (i < (unsigned)rows * width) out[i] = x[i] + bias[i % width];
}

// A thread per number: x + bias + onto.
extern "C" __global__ void add_bias_onto(
    const float *x, const float *bias, const float *onto, float *out, int rows, int width
) {
    unsigned i = number();
    if (i < (unsigned)rows * width) out[i] = x[i] + bias[i % width] + onto[i];
}

// A thread per number: the rows of x with these indices. Those of x are `stride` numbers apart.
extern "C" __global__ void rows(
    const float *x, const long long *indices, float *out, int rows, int width, int stride
) {
    unsigned i = number();
    if (i < (unsigned)rows * width) out[i] = x[indices[i / width] * stride + i % width];
}

// A thread per number: [spans * tokens, heads * size] -> [spans, heads, tokens, size]. The rows of x
// are `stride` numbers apart.
extern "C" __global__ void split_heads(
    const float *x, float *out, int spans, int tokens, int heads, int size, int stride
) {
    unsigned i = number();
    if (i >= (unsigned)spans * tokens * heads * size) return;
    unsigned within = i % size, row = i / size, token = row % tokens;
    row /= tokens;
    unsigned head = row % heads, span = row / heads;
    out[i] = x[(index_t)(span * tokens + token) * stride + head * size + within];
}

// The number at a place of [spans * tokens, heads * size] of x, [spans, heads, tokens, size].
__device__ float joined(const float *x, unsigned row, unsigned column, int tokens, int heads, int size) {
    unsigned span = row / tokens, token = row % tokens, head = column / size;
    return x[(index_t)((span * heads + head) * tokens + token) * size + column % size];
}

// A thread per number: [spans, heads, tokens, size] -> [spans * tokens, heads * size].
extern "C" __global__ void join_heads(
    const float *x, float *out, int spans, int tokens, int heads, int size
) {
    unsigned i = number(), hidden = heads * size;
    if (i >= (unsigned)spans * tokens * hidden) return;
    out[i] = joined(x, i / hidden, i % hidden, tokens, heads, size);
}

// A thread per number: the same for three arrays side by side.
extern "C" __global__ void join_heads_of_three(
    const float *a, const float *b, const float *c, float *out, int spans, int tokens, int heads, int size
) {
    unsigned i = number(), hidden = heads * size;
    if (i >= 3 * (unsigned)spans * tokens * hidden) return;
    unsigned row = i / (3 * hidden), column = i % (3 * hidden), array = column / hidden;
    const float *x = array == 0 ? a : array == 1 ? b : c;
    out[i] = joined(x, row, column % hidden, tokens, heads, size);
}

// The mean of a row and 1 / sqrt(variance + eps).
__device__ float2 moments(const float *x, int width, float eps) {
    float sum = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) sum += x[i];
    float mean = sum_of_block(sum) / width;
    float squares = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float centred = x[i] - mean;
        squares += centred * centred;
    }
    return make_float2(mean, 1 / sqrtf(sum_of_block(squares) / width + eps));
}

// A block per row.
extern "C" __global__ void layer_norm(
    const float *all, const float *weight, const float *bias, float *out, int rows, int width, float eps
) {
    const float *x = all + (index_t)blockIdx.x * width;
    float *y = out + (index_t)blockIdx.x * width;
    float2 m = moments(x, width, eps);
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        y[i] = weight[i] * ((x[i] - m.x) * m.y) + bias[i];
}

// A block per row.
extern "C" __global__ void layer_norm_vjp(
    const float *all, const float *weight, const float *grads, float *out, int rows, int width, float eps
) {
    const float *x = all + (index_t)blockIdx.x * width;
    const float *grad = grads + (index_t)blockIdx.x * width;
    float *dx = out + (index_t)blockIdx.x * width;
    float2 m = moments(x, width, eps);
    float sum = 0, along = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float d = weight[i] * grad[i];
        sum += d;
        along += d * ((x[i] - m.x) * m.y);
    }
    sum = sum_of_block(sum) / width;
    along = sum_of_block(along) / width;
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        dx[i] = (weight[i] * grad[i] - sum - (x[i] - m.x) * m.y * along) * m.y;
}

__device__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// A thread per number: the activation of x + bias, or its derivative.
extern "C" __global__ void activate(
    const float *x, const float *bias, float *out, int rows, int width, int kind, int derivative
) {
    const float SLOPE = 0.7978845608028654f, CUBIC = 0.044715f, QUICK = 1.702f;
    unsigned i = number();
    if (i >= (unsigned)rows * width) return;
    float z = x[i] + bias[i % width], y, slope;
    if (kind == 0) {  // gelu
        float cumulative = 0.5f * (1 + erff(z * 0.7071067811865476f));
        y = z * cumulative;
        slope = cumulative + z * 0.5f * SLOPE * expf(-0.5f * z * z);
    } else if (kind == 1) {  // gelu, by tanh
        float t = tanhf(SLOPE * (z + CUBIC * z * z * z));
        y = 0.5f * z * (1 + t);
        slope = 0.5f * (1 + t) + 0.5f * z * (1 - t * t) * SLOPE * (1 + 3 * CUBIC * z * z);
    } else if (kind == 2 || kind == 4) {  // quick gelu, silu
        float c = kind == 2 ? QUICK : 1, s = sigmoid(c * z);
        y = z * s;
        slope = s * (1 + c * z * (1 - s));
    } else if (kind == 3) {  // relu
        y = fmaxf(z, 0);
        slope = z > 0;
    } else if (kind == 5) {  // sigmoid
        y = sigmoid(z);
        slope = y * (1 - y);
    } else {  // tanh
        y = tanhf(z);
        slope = 1 - y * y;
    }
    out[i] = derivative ? slope : y;
}

// A warp per query: softmax of scale * score over the keys of its span. Padding gets 0. `sizes` has
// the numbers of queries and keys of each span, whose rows are `block` queries of all heads.
extern "C" __global__ void softmax(
    const float *scores, const float *sizes, float *out, int rows, int keys, int heads, int queries, float scale
) {
    int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    int span = row / (heads * queries);
    int visible = row % queries < (int)sizes[2 * span] ? (int)sizes[2 * span + 1] : 0;
    const float *x = scores + (index_t)row * keys;
    float *y = out + (index_t)row * keys;
    float largest = -__int_as_float(0x7f800000), sum = 0;
    for (int i = lane; i < visible; i += 32) largest = fmaxf(largest, scale * x[i]);
    largest = max_of_warp(largest);
    for (int i = lane; i < visible; i += 32) sum += expf(scale * x[i] - largest);
    sum = sum_of_warp(sum);
    for (int i = lane; i < keys; i += 32)
        y[i] = i < visible ? expf(scale * x[i] - largest) / sum : 0;
}

// A warp per query: the gradient at softmax's weights -> at its scores.
extern "C" __global__ void softmax_vjp(
    const float *weights, const float *grads, float *out, int rows, int keys, float scale
) {
    int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const float *w = weights + (index_t)row * keys;
    const float *grad = grads + (index_t)row * keys;
    float along = 0;
    for (int i = lane; i < keys; i += 32) along += w[i] * grad[i];
    along = sum_of_warp(along);
    for (int i = lane; i < keys; i += 32)
        out[(index_t)row * keys + i] = scale * w[i] * (grad[i] - along);
}

// A number in [0, 1) from a state of SplitMix64, as in random.rs.
__device__ double uniform(index_t state) {
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ull;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBull;
    return ((state ^ (state >> 31)) >> 11) / 9007199254740992.0;
}

// A thread per number: normal numbers from the state of each row, zero where its level is 0.
extern "C" __global__ void normals(
    const float *levels, const long long *states, float *out, int rows, int width
) {
    const index_t STEP = 0x9E3779B97F4A7C15ull;
    unsigned i = number();
    if (i >= (unsigned)rows * width) return;
    index_t state = (index_t)states[i / width] + STEP * (2 * (i % width) + 1);
    double radius = sqrt(-2 * log(1 - uniform(state)));
    double angle = 6.283185307179586 * uniform(state + STEP);
    out[i] = levels[i / width] == 0 ? 0 : radius * cos(angle);
}
