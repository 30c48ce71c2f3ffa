// What the server needs of a model. EngineModel is the real one; tests bring their own.
#pragma once

#include <memory>
#include <string>

#include "infer/embedding.h"
#include "infer/engine.h"

namespace r1 {

class ServedModel {
 public:
  virtual ~ServedModel() = default;
  virtual bool reasoning() const = 0;
  virtual std::string_view chat_template() const = 0;  // "": it has none
  virtual bool takes_tools() const = 0;                // its template has a place for them
  virtual int64_t context() const = 0;
  virtual int32_t vocab() const = 0;  // ids
  virtual SamplingParams defaults() const = 0;
  virtual std::string bytes(int32_t id) const = 0;  // of one token
  virtual Engine::Load load() const = 0;
  // What decides bits beside the weights and the request: isa, compute, kv, context, adapter.
  virtual nlohmann::ordered_json settings() const = 0;
  virtual uint64_t memory() const = 0;  // bytes it takes
  // tools: null, or a list of them; begun: null, or what the answer begins with.
  virtual Result<Prompt> prompt(const nlohmann::ordered_json& messages, Think think,
                                const nlohmann::ordered_json* tools, const Begun* begun) const = 0;
  virtual Result<Prompt> prompt(std::string_view text) const = 0;
  virtual Result<uint64_t> submit(Prompt prompt, const GenerateParams& params,
                                  std::shared_ptr<Listener> listener) = 0;
  // The vector of a text, told from the engine's worker.
  virtual Result<uint64_t> embed(Prompt prompt, std::string owner,
                                 std::function<void(Result<Embedding>)> tell) = 0;
  virtual int64_t embedding_dim() const = 0;
  virtual void cancel(uint64_t number) = 0;
};

// Borrowed from a shelf, which alone destroys a model.
using Lease = std::shared_ptr<ServedModel>;

Result<std::unique_ptr<ServedModel>> open_served(const std::string& path,
                                                 const EngineOptions& options);

}  // namespace r1
