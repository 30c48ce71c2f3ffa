// Bytes of a connection to HTTP requests, within limits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http.h"

namespace r1 {

class HttpParser {
 public:
  explicit HttpParser(const HttpLimits& limits);
  ~HttpParser();

  struct Refusal {
    int status;  // 400, 413, 431, 505
    std::string message;
  };
  // Takes bytes off the front of `bytes`, never any beyond the request's end. Not to be called
  // after done() or refused().
  void feed(std::string& bytes);
  bool begun() const { return begun_; }  // something of a request has come
  bool header_done() const;
  bool done() const;
  const std::optional<Refusal>& refused() const { return refused_; }
  bool expects_continue() const;  // the client waits for "100 Continue" before it sends the body
  HttpRequest take();             // after done()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  bool begun_ = false;
  std::optional<Refusal> refused_;
};

}  // namespace r1
