// Runs the kernels of rows.cu on the CPU, with a thread for each thread of a block, and compares
// them with the definitions in double precision.
#include <barrier>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __shared__ static  // blocks run one after the other

struct Index { unsigned x; };
struct float2 { float x, y; };
static thread_local Index threadIdx;
static Index blockIdx, blockDim{256};
static std::barrier<> *block;
static std::unique_ptr<std::barrier<>> warps[8];
static float lanes[256];

static float2 make_float2(float x, float y) { return {x, y}; }
static void __syncthreads() { block->arrive_and_wait(); }
static float __shfl_xor_sync(unsigned, float x, int distance) {
    auto &warp = *warps[threadIdx.x / 32];
    lanes[threadIdx.x] = x;
    warp.arrive_and_wait();
    float other = lanes[threadIdx.x ^ distance];
    warp.arrive_and_wait();
    return other;
}
static float __int_as_float(int bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

#include "../../compute/src/backend/candle/kernels/rows.cu"

using Numbers = std::vector<float>;
using Exact = std::vector<double>;

static void launch(int blocks, const std::function<void()> &kernel) {
    for (int number = 0; number < blocks; number++) {
        blockIdx.x = number;
        std::barrier<> all(256);
        block = &all;
        for (auto &warp : warps) warp = std::make_unique<std::barrier<>>(32);
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < 256; i++)
            threads.emplace_back([&, i] { threadIdx.x = i; kernel(); });
    }
}

static Numbers random(size_t count, unsigned seed) {
    Numbers numbers(count);
    for (auto &number : numbers) {
        seed = seed * 1664525u + 1013904223u;
        number = (seed >> 8) / 8388608.f * 2 - 2;
    }
    return numbers;
}

static int failures = 0;

static void compare(const char *name, const Numbers &ours, const Exact &exact) {
    double largest = 0, gap = 0;
    for (double x : exact) largest = std::fmax(largest, std::fabs(x));
    for (size_t i = 0; i < exact.size(); i++)
        gap = std::isnan(ours[i]) ? INFINITY : std::fmax(gap, std::fabs(ours[i] - exact[i]));
    std::printf("%-20s %.1e\n", name, gap / largest);
    failures += !(gap <= 3e-6 * largest);
}

static void norms(int rows, int width) {
    auto x = random(rows * width, 1), weight = random(width, 2), bias = random(width, 3);
    auto grad = random(rows * width, 4);
    const double eps = 1e-5;
    Numbers y(x.size()), dx(x.size());
    launch(rows, [&] { layer_norm(x.data(), weight.data(), bias.data(), y.data(), rows, width, eps); });
    launch(rows, [&] { layer_norm_vjp(x.data(), weight.data(), grad.data(), dx.data(), rows, width, eps); });
    Exact exact(x.size()), vjp(x.size());
    for (int row = 0; row < rows; row++) {
        const float *in = &x[row * width], *g = &grad[row * width];
        double mean = 0, variance = 0, d_mean = 0, along = 0;
        for (int i = 0; i < width; i++) mean += in[i] / (double)width;
        for (int i = 0; i < width; i++) variance += std::pow(in[i] - mean, 2) / width;
        double inverse = 1 / std::sqrt(variance + eps);
        for (int i = 0; i < width; i++) {
            double normalized = (in[i] - mean) * inverse;
            exact[row * width + i] = weight[i] * normalized + bias[i];
            d_mean += (double)weight[i] * g[i] / width;
            along += (double)weight[i] * g[i] * normalized / width;
        }
        for (int i = 0; i < width; i++)
            vjp[row * width + i] =
                ((double)weight[i] * g[i] - d_mean - (in[i] - mean) * inverse * along) * inverse;
    }
    compare("layer_norm", y, exact);
    compare("layer_norm_vjp", dx, vjp);
}

static double activation(int kind, double x) {
    double root = std::sqrt(2 / M_PI);
    switch (kind) {
        case 0: return x * 0.5 * (1 + std::erf(x / std::sqrt(2.)));
        case 1: return 0.5 * x * (1 + std::tanh(root * (x + 0.044715 * x * x * x)));
        case 2: return x / (1 + std::exp(-1.702 * x));
        case 3: return x > 0 ? x : 0;
        case 4: return x / (1 + std::exp(-x));
        case 5: return 1 / (1 + std::exp(-x));
        default: return std::tanh(x);
    }
}

static void activations(int rows, int width) {
    auto x = random(rows * width, 5), bias = random(width, 6);
    int total = rows * width;
    for (int kind = 0; kind < 7; kind++) {
        for (int derivative = 0; derivative < 2; derivative++) {
            Numbers out(total);
            launch((total + 255) / 256, [&] {
                activate(x.data(), bias.data(), out.data(), rows, width, kind, derivative);
            });
            Exact exact(total);
            for (int i = 0; i < total; i++) {
                double z = (double)(x[i] + bias[i % width]), step = 1e-6;
                exact[i] = derivative
                    ? (activation(kind, z + step) - activation(kind, z - step)) / (2 * step)
                    : activation(kind, z);
            }
            compare(("activate " + std::to_string(kind) + (derivative ? " slope" : "")).c_str(), out, exact);
        }
    }
}

static void softmaxes(int heads, int queries, int keys) {
    // The last span has padding.
    Numbers sizes = {(float)queries, (float)keys, 1, 3};
    int rows = 2 * heads * queries;
    auto scores = random(rows * keys, 7), grad = random(rows * keys, 8);
    scores[1] = -INFINITY;  // outside of a window
    const double scale = 0.3;
    Numbers weights(scores.size()), ds(scores.size());
    launch((rows + 7) / 8, [&] {
        softmax(scores.data(), sizes.data(), weights.data(), rows, keys, heads, queries, scale);
    });
    Exact exact(scores.size()), vjp(scores.size());
    for (int row = 0; row < rows; row++) {
        int span = row / (heads * queries), real = sizes[2 * span], visible = sizes[2 * span + 1];
        if (row % queries >= real) continue;
        double sum = 0, along = 0;
        for (int i = 0; i < visible; i++) sum += std::exp(scale * scores[row * keys + i]);
        for (int i = 0; i < visible; i++) {
            exact[row * keys + i] = std::exp(scale * scores[row * keys + i]) / sum;
            along += exact[row * keys + i] * grad[row * keys + i];
        }
        for (int i = 0; i < visible; i++)
            vjp[row * keys + i] = scale * exact[row * keys + i] * (grad[row * keys + i] - along);
    }
    launch((rows + 7) / 8, [&] {
        softmax_vjp(weights.data(), grad.data(), ds.data(), rows, keys, scale);
    });
    compare("softmax", weights, exact);
    compare("softmax_vjp", ds, vjp);
}

static void sums(int count, int width) {
    auto x = random(count * width, 9), bias = random(width, 10), onto = random(count * width, 11);
    int total = count * width;
    Numbers biased(total), both(total);
    launch((total + 255) / 256, [&] { add_bias(x.data(), bias.data(), biased.data(), count, width); });
    launch((total + 255) / 256, [&] {
        add_bias_onto(x.data(), bias.data(), onto.data(), both.data(), count, width);
    });
    Exact sum(total), exact(total);
    for (int i = 0; i < total; i++) {
        sum[i] = (double)x[i] + bias[i % width];
        exact[i] = sum[i] + onto[i];
    }
    compare("add_bias", biased, sum);
    compare("add_bias_onto", both, exact);
}

static void arrangements(int spans, int tokens, int heads, int size) {
    int hidden = heads * size, total = spans * tokens, stride = 3 * hidden;
    auto wide = random(total * stride, 12);
    // Query, key and value side by side.
    Numbers split[3];
    Exact exact(total * hidden);
    for (int part = 0; part < 3; part++) {
        auto &own = split[part];
        own.resize(total * hidden);
        launch((total * hidden + 255) / 256, [&] {
            split_heads(&wide[part * hidden], own.data(), spans, tokens, heads, size, stride);
        });
        for (int row = 0; row < total; row++)
            for (int column = 0; column < hidden; column++) {
                int head = (row / tokens) * heads + column / size;
                exact[(head * tokens + row % tokens) * size + column % size] =
                    wide[row * stride + part * hidden + column];
            }
        compare("split_heads", own, exact);
    }
    Numbers one(total * hidden), three(wide.size());
    launch((total * hidden + 255) / 256, [&] {
        join_heads(split[2].data(), one.data(), spans, tokens, heads, size);
    });
    Exact of_one(total * hidden);
    for (int i = 0; i < total * hidden; i++)
        of_one[i] = wide[i / hidden * stride + 2 * hidden + i % hidden];
    compare("join_heads", one, of_one);
    launch((int)(wide.size() + 255) / 256, [&] {
        join_heads_of_three(
            split[0].data(), split[1].data(), split[2].data(), three.data(), spans, tokens, heads, size
        );
    });
    compare("join_heads_of_three", three, Exact(wide.begin(), wide.end()));
    std::vector<long long> indices = {2, 0, 2, 1};
    Numbers chosen(4 * hidden);
    launch((4 * hidden + 255) / 256, [&] {
        rows(wide.data(), indices.data(), chosen.data(), 4, hidden, stride);
    });
    Exact of_rows;
    for (long long index : indices)
        for (int i = 0; i < hidden; i++) of_rows.push_back(wide[index * stride + i]);
    compare("rows", chosen, of_rows);
}

// The published numbers of SplitMix64 for the state 1234567, by Box and Muller.
static void noise() {
    const double published[] = {6457827717110365317., 3203168211198807973., 9817491932198370423.,
                                4593380528125082431.};
    Numbers levels = {0, 1}, out(4);
    std::vector<long long> states = {1234567, 1234567};
    launch(1, [&] { normals(levels.data(), states.data(), out.data(), 2, 2); });
    Exact exact(4);
    for (int i = 0; i < 2; i++) {
        double a = published[2 * i] / std::pow(2, 64), b = published[2 * i + 1] / std::pow(2, 64);
        exact[2 + i] = std::sqrt(-2 * std::log(1 - a)) * std::cos(2 * M_PI * b);
    }
    compare("normals", out, exact);
}

int main() {
    noise();
    norms(3, 768);
    norms(2, 26);
    activations(5, 77);
    sums(5, 77);
    arrangements(2, 5, 3, 16);
    softmaxes(3, 5, 48);
    softmaxes(2, 1, 8);
    if (failures) std::printf("%d comparisons failed\n", failures);
    return failures != 0;
}
