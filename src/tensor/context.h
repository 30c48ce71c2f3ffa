// Where a forward runs: the instruction set, the threads, and the memory of activations, which is
// recycled so that a decode step allocates nothing after the first. Used by one thread at a time,
// as are the tensors it made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/threads.h"
#include "kernels/cpu.h"
#include "tensor/tensor.h"

namespace r1 {

class Tape;

class Context {
 public:
  Context(Isa isa, int n_threads) : isa_(isa), pool_(n_threads) {}
  // The instruction set of chosen_isa(); n_threads 0: every core this process may use.
  static Result<std::unique_ptr<Context>> create(int n_threads = 0);

  Isa isa() const { return isa_; }
  int n_threads() const { return pool_.size(); }
  // As ThreadPool::parallel_for.
  void parallel(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
    pool_.parallel_for(n, grain, body);
  }

  // The open tape that ops record on, or null (tensor/tape.h).
  Tape* tape() const { return tape_; }
  void set_tape(Tape* tape) { tape_ = tape; }

  // Uninitialised memory, aligned to 64 bytes.
  Tensor tensor(int64_t rows, int64_t cols);
  std::shared_ptr<std::byte> scratch(size_t bytes);
  // For the containers of one op, or of one step.
  std::pmr::memory_resource* memory() { return &memory_; }

 private:
  Isa isa_;
  Tape* tape_ = nullptr;
  ThreadPool pool_;
  // Blocks of 2^i bytes; one that nobody else holds is free.
  std::array<std::vector<std::shared_ptr<std::byte>>, 48> blocks_;
  std::pmr::unsynchronized_pool_resource memory_{{0, size_t{1} << 20}};
};

}  // namespace r1
