// The server: one table of routes, one gate in front of all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/answer.h"
#include "serve/keys.h"

namespace r1 {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 11434;
  std::string keys = key_path();
  std::string traces;  // the log of answers; "": none is kept
  TlsFiles tls;
  std::string usage;               // the ledger's file; "": none is kept
  std::string prices;              // a file of prices; "": DeepSeek-R1's at its launch
  std::vector<std::string> names;  // hosts that requests may name beside addresses and localhost
  int most_at_once = 512;          // answers under way, as Places has it
  bool strict_reasoning = false;
  std::string folder;  // of models, which clients may change; "": none
  HttpLimits limits;
  Metrics::Log log;
};

bool is_loopback(std::string_view host);

class Server {
 public:
  // Once it listens. A host that is not loopback is refused while there is no key.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options,
                                               std::vector<ShelfItem> items, Shelf::Open open,
                                               ShelfOptions shelf = {});
  ~Server();

  int port() const { return http_->port(); }
  int connections() const { return http_->connections(); }
  Shelf& shelf() { return *shelf_; }
  bool drain(double seconds) { return http_->drain(seconds); }
  // Reads prices and certificate again; what is wrong stays as it was. Keys need no telling.
  Result<void> reload();

 private:
  Server(const ServerOptions& options, std::optional<Ledger> ledger, std::vector<ShelfItem> items,
         Shelf::Open open, ShelfOptions shelf);
  void handle(HttpRequest request, std::shared_ptr<Reply> reply);
  Result<std::unique_ptr<ServedModel>> load(const std::string& path, uint64_t memory,
                                            const Shelf::Open& open);

  const ServerOptions options_;
  Metrics metrics_;
  Keyring keyring_;
  Accounts accounts_;
  // From the last: models end and tell their listeners, who leave traces, whose replies need http_,
  // and answers app_.
  std::unique_ptr<App> app_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<TraceWriter> traces_;
  std::unique_ptr<Shelf> shelf_;
};

}  // namespace r1
