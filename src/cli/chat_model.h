// What a conversation needs of a model. open_engine() gives the real one; tests of the REPL bring
// their own.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "infer/engine.h"

namespace r1 {

class ChatModel {
 public:
  virtual ~ChatModel() = default;

  virtual const std::string& path() const = 0;
  virtual std::string startup_line() const = 0;
  virtual bool reasoning() const = 0;
  virtual bool chats()
      const = 0;  // false: has no chat template; it continues the last message's text
  virtual GenerateParams defaults() const = 0;
  virtual Result<Completion> answer(const nlohmann::ordered_json& messages, Think think,
                                    const GenerateParams& params,
                                    const Engine::OnPiece& on_piece) = 0;
  virtual std::string info() const = 0;
  virtual std::string chat_template() const = 0;  // "" where the file has none
  virtual Result<std::string> license() const = 0;
};

using OpenModel = std::function<Result<std::unique_ptr<ChatModel>>(const std::string& path)>;

// Loads with a progress bar on standard error.
Result<std::unique_ptr<ChatModel>> open_engine(const std::string& path, EngineOptions options);

}  // namespace r1
