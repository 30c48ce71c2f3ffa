// A blocking HTTP client and a model that says what it is told to, for the tests of the server.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>

#include "serve/server.h"

namespace r1 {

class TestClient {
 public:
  explicit TestClient(int port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0)
        << std::strerror(errno);
  }
  TestClient(TestClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~TestClient() { close(); }

  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  // More of what the server sends; false at its end, and after a minute of silence.
  bool read_more() {
    pollfd waiting{fd_, POLLIN, 0};
    char buffer[1 << 14];
    if (::poll(&waiting, 1, 60'000) <= 0) return false;
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    in_.append(buffer, static_cast<size_t>(n));
    return true;
  }
  bool read_until(std::string_view text) {
    while (in_.find(text) == in_.npos)
      if (!read_more()) return false;
    return true;
  }
  std::string read_all() {
    while (read_more()) {
    }
    return in_;
  }

  struct Response {
    int status = 0;
    std::string head, body;
    nlohmann::ordered_json json() const {
      return nlohmann::ordered_json::parse(body, nullptr, false);
    }
  };
  // One response; what follows it is kept.
  Response read_response() {
    Response r;
    if (!read_until("\r\n\r\n")) return r;
    const size_t end = in_.find("\r\n\r\n") + 4;
    r.head = in_.substr(0, end);
    in_.erase(0, end);
    r.status = std::atoi(r.head.c_str() + 9);
    if (r.head.find("Transfer-Encoding: chunked") != r.head.npos) {
      for (;;) {
        if (!read_until("\r\n")) return r;
        const size_t n = std::strtoul(in_.c_str(), nullptr, 16);
        in_.erase(0, in_.find("\r\n") + 2);
        while (in_.size() < n + 2)
          if (!read_more()) return r;
        r.body += in_.substr(0, n);
        in_.erase(0, n + 2);
        if (n == 0) return r;
      }
    }
    const size_t at = r.head.find("Content-Length: ");
    const size_t n = at == r.head.npos ? 0 : std::strtoul(r.head.c_str() + at + 16, nullptr, 10);
    while (in_.size() < n)
      if (!read_more()) return r;
    r.body = in_.substr(0, n);
    in_.erase(0, n);
    return r;
  }
  Response get(const std::string& path, const std::string& headers = "") {
    send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
    return read_response();
  }
  Response post(const std::string& path, const nlohmann::ordered_json& body,
                const std::string& headers = "") {
    ask(path, body, headers);
    return read_response();
  }
  void ask(const std::string& path, const nlohmann::ordered_json& body,
           const std::string& headers = "") {
    const std::string text = body.dump();
    send(fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}", path,
                     headers, text.size(), text));
  }

 private:
  int fd_ = -1;
  std::string in_;
};

// Thinks and answers as `script` says, at once; or says its first piece and then nothing until it
// is cancelled.
class FakeModel final : public ServedModel {
 public:
  struct Script {
    std::vector<Piece> pieces = {{.thought = "Let me", .answer = "", .tokens = {}},
                                 {.thought = " see.", .answer = "", .tokens = {}},
                                 {.thought = "", .answer = "Four", .tokens = {}},
                                 {.thought = "", .answer = " it is.", .tokens = {}}};
    FinishReason reason = FinishReason::kStop;
    std::string stopped_by, failure;
    uint64_t memory = 60;  // bytes that it takes
    std::atomic<bool> hang = false;
    // What it was asked.
    std::mutex mutex;
    nlohmann::ordered_json messages;
    Think think = Think::kAuto;
    std::optional<Begun> begun;
    nlohmann::ordered_json tools;
    GenerateParams params;
    std::string text;
    std::string chat_template;  // set before it is asked
    std::atomic<int> cancelled = 0, submitted = 0;
  };
  explicit FakeModel(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~FakeModel() override {
    for (auto& [number, listener] : open_) listener->end(ended(FinishReason::kCancelled));
  }

  bool reasoning() const override { return true; }
  std::string_view chat_template() const override { return script_->chat_template; }
  bool takes_tools() const override { return !script_->chat_template.empty(); }
  int64_t context() const override { return 1000; }
  int32_t vocab() const override { return 256; }
  SamplingParams defaults() const override { return {}; }
  std::string bytes(int32_t id) const override { return std::string(1, static_cast<char>(id)); }
  uint64_t memory() const override { return script_->memory; }
  Engine::Load load() const override { return {.running = 1, .pages_used = 1, .pages = 4}; }
  nlohmann::ordered_json settings() const override { return nlohmann::ordered_json::object(); }
  Result<Prompt> prompt(const nlohmann::ordered_json& messages, Think think,
                        const nlohmann::ordered_json* tools, const Begun* begun) const override {
    const std::lock_guard lock(script_->mutex);
    script_->messages = messages;
    script_->tools = tools ? *tools : nullptr;
    script_->think = think;
    script_->begun = begun ? std::optional(*begun) : std::nullopt;
    std::string said;
    for (const auto& message : messages) said += message["content"].get<std::string>();
    return Prompt{.ids = std::vector<int32_t>(said.size(), 7)};
  }
  Result<Prompt> prompt(std::string_view text) const override {
    const std::lock_guard lock(script_->mutex);
    script_->text = text;
    return Prompt{.ids = std::vector<int32_t>(text.size(), 7)};
  }
  Result<uint64_t> submit(Prompt, const GenerateParams& params,
                          std::shared_ptr<Listener> listener) override {
    {
      const std::lock_guard lock(script_->mutex);
      script_->params = params;
    }
    const auto number = static_cast<uint64_t>(++script_->submitted);
    if (script_->hang) {
      listener->hear(script_->pieces[0]);
      const std::lock_guard lock(mutex_);
      open_[number] = std::move(listener);
      return number;
    }
    for (const Piece& piece : script_->pieces) listener->hear(piece);
    if (script_->failure.empty())
      listener->end(ended(script_->reason));
    else
      listener->end(error("{}", script_->failure));
    return number;
  }
  Result<uint64_t> embed(Prompt prompt, std::string,
                         std::function<void(Result<Embedding>)> tell) override {
    const auto n = std::ssize(prompt.ids);
    tell(Embedding{.values = {0.6f, 0, 0.8f}, .tokens = n, .seconds = 0.5});
    return 1;
  }
  int64_t embedding_dim() const override { return 3; }
  void cancel(uint64_t number) override {
    std::shared_ptr<Listener> listener;
    {
      const std::lock_guard lock(mutex_);
      const auto found = open_.find(number);
      if (found == open_.end()) return;
      listener = std::move(found->second);
      open_.erase(found);
    }
    ++script_->cancelled;
    listener->end(ended(FinishReason::kCancelled));
  }

 private:
  Completion ended(FinishReason reason) const {
    Completion c;
    for (const Piece& piece : script_->pieces) {
      c.thought += piece.thought;
      c.answer += piece.answer;
    }
    c.reason = reason;
    c.stopped_by = script_->stopped_by;
    c.prompt_tokens = 10;
    c.cached_tokens = 4;
    c.thought_tokens = 3;
    c.generated_tokens = 8;
    c.decode_seconds = 2;
    return c;
  }

  std::shared_ptr<Script> script_;
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Listener>> open_;
};

// A server with one fake model, "fake", on a free port.
class FakeServer {
 public:
  explicit FakeServer(ServerOptions options = {}) {
    options.port = 0;
    if (options.keys == key_path()) options.keys = "/nonexistent/keys.json";
    auto started = Server::start(
        options, {{.name = "fake", .path = "fake.gguf", .kept = true}},
        [script = script](const std::string&, uint64_t) -> Result<std::unique_ptr<ServedModel>> {
          return std::unique_ptr<ServedModel>(std::make_unique<FakeModel>(script));
        });
    if (!started) throw std::runtime_error(started.error().message);
    server = *std::move(started);
  }
  TestClient client() const { return TestClient(server->port()); }

  std::shared_ptr<FakeModel::Script> script = std::make_shared<FakeModel::Script>();
  std::unique_ptr<Server> server;
};

inline nlohmann::ordered_json chat_request(const std::string& text, bool stream = false) {
  return {{"model", "fake"},
          {"messages", nlohmann::ordered_json::array({{{"role", "user"}, {"content", text}}})},
          {"stream", stream}};
}

// The JSON of a stream's events: "data: " lines of SSE, or lines.
inline std::vector<nlohmann::ordered_json> events(const std::string& body) {
  std::vector<nlohmann::ordered_json> all;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("data: ")) line.erase(0, 6);
    if (line.starts_with("{")) all.push_back(nlohmann::ordered_json::parse(line));
  }
  return all;
}

// Until `happened`, or a minute.
template <class F>
bool eventually(F happened) {
  for (int i = 0; i < 6000; ++i) {
    if (happened()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace r1
