// oneDNN's products of one thread, for bench/kernels.md beside ours: y [T, rows] = x [T, cols] W^T,
// weights packed as oneDNN likes them best. int8 has one scale for a whole matrix, where our blocks
// have one for every 32 or 256 elements: less work.
//   c++ -O2 -std=c++20 bench/onednn.cpp -ldnnl -o build/onednn && OMP_NUM_THREADS=1 build/onednn
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

namespace {

using dnnl::memory;
// Of this thread's own time, as Google Benchmark counts: the machine may be busy.
double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Best of five, each a round over `copies` of the weights, so that one token reads them from
// memory.
double seconds_of_product(dnnl::engine& cpu, memory::data_type type, int64_t rows, int64_t cols,
                          int64_t tokens, int copies) {
  const bool int8 = type == memory::data_type::s8;
  const memory::desc x({tokens, cols}, int8 ? memory::data_type::u8 : type, memory::format_tag::ab);
  const memory::desc any({cols, rows}, type, memory::format_tag::any);
  const memory::desc y({tokens, rows}, int8 ? memory::data_type::s32 : memory::data_type::f32,
                       memory::format_tag::ab);
  const dnnl::matmul::primitive_desc wanted(dnnl::matmul::desc(x, any, y), cpu);
  dnnl::matmul product(wanted);
  dnnl::stream stream(cpu);
  memory in(x, cpu), out(y, cpu);
  std::fill_n(static_cast<uint8_t*>(in.get_data_handle()), x.get_size(), uint8_t{1});
  std::vector<memory> weights;
  for (int i = 0; i < copies; ++i) {
    weights.emplace_back(wanted.weights_desc(), cpu);
    std::fill_n(static_cast<uint8_t*>(weights[i].get_data_handle()),
                wanted.weights_desc().get_size(), uint8_t{1});
  }
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const double start = seconds();
    for (memory& w : weights)
      product.execute(stream, {{DNNL_ARG_SRC, in}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, out}});
    stream.wait();
    best = std::min(best, (seconds() - start) / copies);
  }
  return best;
}

}  // namespace

int main() {
  dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  const auto* v = dnnl::version();
  std::printf("oneDNN %d.%d.%d\n%-6s %-14s %6s %8s %8s\n", v->major, v->minor, v->patch, "type",
              "[rows, cols]", "tokens", "GOP/s", "GB/s");
  const std::pair<int64_t, int64_t> shapes[] = {{8960, 1536}, {1536, 8960}, {1536, 576}};
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  for (const auto type : {memory::data_type::s8, memory::data_type::bf16}) {
    for (const auto& [rows, cols] : shapes) {
      for (const int64_t tokens : {1, 8, 64, 512}) {
        const double bytes =
            static_cast<double>(rows * cols) * (type == memory::data_type::s8 ? 1 : 2);
        const int copies = tokens > 8 ? 1 : static_cast<int>(256e6 / bytes) + 1;
        const double s = seconds_of_product(cpu, type, rows, cols, tokens, copies);
        std::printf("%-6s [%lld, %lld]%*s %6lld %8.0f %8.1f\n",
                    type == memory::data_type::s8 ? "int8" : "bf16", static_cast<long long>(rows),
                    static_cast<long long>(cols), rows > 9999 ? 0 : 2, "",
                    static_cast<long long>(tokens),
                    2e-9 * static_cast<double>(rows * cols * tokens) / s, 1e-9 * bytes / s);
      }
    }
  }
}
