// HTTP/1.1 as the server speaks it, and nothing of what is said: requests come in whole and within
// limits, replies go out whole or in chunks, and who is gone is known at once. Thousands of
// connections on a few threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace r1 {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method, path, query, body;
  Headers headers;        // names in lower case
  std::string peer;       // the address it came from
  std::string key = "-";  // the id of the key that the gate found
  bool keep_alive = false, expects_continue = false;

  std::string_view header(std::string_view lower_case_name) const;  // "" where there is none
};

struct HttpLimits {
  size_t header_bytes = 32 << 10, body_bytes = 32 << 20;
  size_t backlog_bytes = 8 << 20;  // of a reply that its reader has not taken yet
  int connections = 4096;
  // Seconds: for a whole header, for a body, between requests, for the reader to take 64 KiB, of
  // silence in a reply before its heartbeat.
  double header = 10, body = 60, idle = 75, write = 30, heartbeat = 15;
};

// The answer to one request. Everything but post() belongs to the connection's own strand, where
// handlers are called; on_gone's callback too. After the end, and after the reader is gone, calls
// do nothing.
class Reply {
 public:
  virtual ~Reply() = default;
  virtual void send(int status, std::string_view type, std::string_view body,
                    const Headers& headers = {}) = 0;
  // In pieces: begin, write..., finish. `heartbeat` is written while nothing else is; "": nothing.
  virtual void begin(int status, std::string_view type, std::string heartbeat) = 0;
  virtual void write(std::string_view text) = 0;
  virtual void finish() = 0;
  // Called once if the reader leaves, or takes nothing for too long, before the end.
  virtual void on_gone(std::function<void()> callback) = 0;
  virtual void post(std::function<void()> work) = 0;  // from any thread: runs on the strand
};

using Handler = std::function<void(HttpRequest request, std::shared_ptr<Reply> reply)>;

// PEM: a chain of certificates, the server's own first, and its key. Both empty: plain HTTP.
struct TlsFiles {
  std::string cert = {}, key = {};
};

class HttpServer {
 public:
  // port 0: any free one. An error names who holds a taken port, where that can be found.
  static Result<std::unique_ptr<HttpServer>> listen(const std::string& host, int port,
                                                    const HttpLimits& limits, Handler handler,
                                                    const TlsFiles& tls = {}, int threads = 2);
  virtual ~HttpServer() = default;  // ends every connection

  virtual int port() const = 0;
  virtual Result<void> reload_tls() = 0;  // for new connections; if it fails all is as it was
  virtual int connections() const = 0;
  // Takes no more connections and requests, and waits for the replies under way. False: some were
  // still under way after `seconds`.
  virtual bool drain(double seconds) = 0;
  // Ends every connection and thread. Replies may outlive it, and post() then does nothing; none
  // may outlive the server.
  virtual void stop() = 0;
};

}  // namespace r1
