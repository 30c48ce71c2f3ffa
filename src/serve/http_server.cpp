// A connection is two coroutines on one strand: one only reads, so
// that a reader who leaves is noticed whatever the other does; the other takes requests and writes
// replies.
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "serve/http.h"
#include "serve/http_parser.h"
#include "serve/http_stream.h"
#include "serve/port_holder.h"

namespace r1 {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);  // errors as values
constexpr size_t kReadBytes = 16 << 10, kWriteBytes = 64 << 10;

Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::string_view phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

// What connections share.
struct Hub {
  HttpLimits limits;
  Handler handler;
  std::atomic<bool> draining = false;
  std::mutex mutex;  // guards what follows
  std::shared_ptr<Tls> tls;
  std::condition_variable quiet;
  int connections = 0, busy = 0;
  std::set<class Connection*> all;
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::unique_ptr<HttpStream> stream, std::shared_ptr<Hub> hub)
      : stream_(std::move(stream)),
        strand_(stream_->socket().get_executor()),
        hub_(std::move(hub)),
        event_(strand_),
        space_(strand_),
        deadline_(strand_) {
    const std::lock_guard lock(hub_->mutex);
    ++hub_->connections;
    hub_->all.insert(this);
  }

  ~Connection() {
    const std::lock_guard lock(hub_->mutex);
    --hub_->connections;
    hub_->all.erase(this);
    hub_->quiet.notify_all();
  }

  void start() {
    boost::system::error_code ignored;
    stream_->socket().set_option(tcp::no_delay(true), ignored);
    const auto peer = stream_->socket().remote_endpoint(ignored);
    if (!ignored) peer_ = peer.address().to_string();
    asio::co_spawn(strand_, open(shared_from_this()), asio::detached);
  }

  // From any thread.
  void wake() {
    asio::post(strand_, [self = shared_from_this()] { self->event_.cancel(); });
  }
  void shut() {
    asio::post(strand_, [self = shared_from_this()] { self->close(); });
  }

 private:
  asio::awaitable<void> open(std::shared_ptr<Connection> self) {
    deadline_.expires_after(to_duration(hub_->limits.header));
    deadline_.async_wait([self](const auto& failure) {
      if (!failure && !self->opened_) self->close();
    });
    const auto failure = co_await stream_->begin();
    opened_ = true;
    deadline_.cancel();
    if (failure || gone_) co_return close();
    asio::co_spawn(strand_, read_all(self), asio::detached);
    asio::co_spawn(strand_, serve_all(self), asio::detached);
  }

  void close() {
    boost::system::error_code ignored;
    stream_->socket().close(ignored);
    gone_ = true;
    event_.cancel();
    space_.cancel();
    if (auto tell = std::exchange(on_gone_, nullptr)) tell();
  }

  asio::awaitable<void> read_all(std::shared_ptr<Connection>) {
    std::string chunk(kReadBytes, '\0');
    while (!gone_) {
      // A header is parsed once it is whole; more is the next request, while this one is answered.
      if (in_.size() >= hub_->limits.header_bytes + kReadBytes) {
        space_.expires_at(Clock::time_point::max());
        co_await space_.async_wait(kQuiet);
        continue;
      }
      const auto [failure, n] = co_await stream_->read_some(asio::buffer(chunk));
      if (failure) break;
      in_.append(chunk, 0, n);
      event_.cancel();
    }
    close();
  }

  // Until something happens, or a time.
  asio::awaitable<void> wait(Clock::time_point until) {
    event_.expires_at(until);
    co_await event_.async_wait(kQuiet);
  }

  asio::awaitable<void> end(std::shared_ptr<Connection>) { co_await stream_->end(); }

  asio::awaitable<void> serve_all(std::shared_ptr<Connection> self) {
    bool more = true;
    while (more && !gone_) {
      HttpParser parser(hub_->limits);
      if (!co_await receive(parser)) break;
      more = co_await respond(parser.take());
    }
    if (!gone_) {
      asio::co_spawn(strand_, end(self), asio::detached);
      const auto until = Clock::now() + std::chrono::seconds(2);  // what was sent may arrive
      while (!gone_ && Clock::now() < until) {
        in_.clear();
        space_.cancel();
        co_await wait(until);
      }
      close();
    }
  }

  // False: no request came, for whatever reason; a refusal has been sent.
  asio::awaitable<bool> receive(HttpParser& parser) {
    const HttpLimits& limits = hub_->limits;
    auto until = Clock::now() + to_duration(limits.idle);
    bool begun = false, headed = false;
    while (!gone_) {
      parser.feed(in_);
      space_.cancel();
      if (parser.refused()) {
        co_await refuse(parser.refused()->status, parser.refused()->message);
        co_return false;
      }
      if (parser.done()) co_return true;
      if (!parser.begun() && hub_->draining) co_return false;
      if (parser.begun() && !begun) {
        begun = true;
        until = Clock::now() + to_duration(limits.header);
      }
      if (parser.header_done() && !headed) {
        headed = true;
        until = Clock::now() + to_duration(limits.body);
        if (parser.expects_continue()) {
          co_await put("HTTP/1.1 100 Continue\r\n\r\n");
          continue;  // the body may have come meanwhile
        }
      }
      if (Clock::now() >= until) {
        if (begun) co_await refuse(408, "the request did not come whole in time");
        co_return false;
      }
      co_await wait(until);
    }
    co_return false;
  }

  asio::awaitable<void> refuse(int status, std::string_view message) {
    const std::string body = fmt::format("{}\n", message);
    co_await put(head(status, "text/plain; charset=utf-8", {}, false) +
                 fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body));
  }

  static std::string head(int status, std::string_view type, const Headers& headers, bool keep) {
    std::string text =
        fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", status, phrase(status), type);
    text += "X-Content-Type-Options: nosniff\r\n";
    text += keep ? "" : "Connection: close\r\n";
    for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
    return text;
  }

  // True: the connection may serve another request.
  asio::awaitable<bool> respond(HttpRequest request) {
    request.peer = peer_;
    keep_ = request.keep_alive && !hub_->draining;
    head_only_ = request.method == "HEAD";
    finished_ = chunked_ = false;
    heartbeat_.clear();
    const Busy busy(*hub_);
    const uint64_t number = ++answer_;
    try {
      hub_->handler(std::move(request), std::make_shared<AnswerReply>(shared_from_this(), number));
    } catch (const std::exception&) {
      fault();
    }
    auto heard = Clock::now();
    while (!gone_ && !(finished_ && out_.empty())) {
      if (!out_.empty()) {
        const std::string text = out_.substr(0, kWriteBytes);
        out_.erase(0, text.size());
        co_await put(text);
        heard = Clock::now();
        continue;
      }
      const auto beat = heard + to_duration(hub_->limits.heartbeat);
      const bool beats = chunked_ && !heartbeat_.empty();
      if (beats && Clock::now() >= beat) {
        write(heartbeat_);
        continue;
      }
      co_await wait(beats ? beat : Clock::time_point::max());
    }
    ++answer_;  // what comes late is for nobody
    on_gone_ = nullptr;
    out_.clear();
    co_return !gone_ && keep_;
  }

  asio::awaitable<void> put(std::string_view text) {
    const uint64_t write = ++writes_;
    deadline_.expires_after(to_duration(hub_->limits.write));
    deadline_.async_wait([self = shared_from_this(), write](const auto& failure) {
      if (!failure && self->writes_ == write) self->close();
    });
    const auto failure = co_await stream_->write(asio::buffer(text));
    ++writes_;
    deadline_.cancel();
    if (failure) close();
  }

  struct Busy {
    Hub& hub;
    explicit Busy(Hub& h) : hub(h) {
      const std::lock_guard lock(hub.mutex);
      ++hub.busy;
    }
    ~Busy() {
      const std::lock_guard lock(hub.mutex);
      --hub.busy;
      hub.quiet.notify_all();
    }
  };

  // Our own; its words are nobody's business.
  void fault() {
    if (chunked_) return close();
    send(500, "text/plain; charset=utf-8", "internal error\n", {});
  }

  void send(int status, std::string_view type, std::string_view body, const Headers& headers) {
    if (finished_ || chunked_) return;
    out_ +=
        head(status, type, headers, keep_) + fmt::format("Content-Length: {}\r\n\r\n", body.size());
    if (!head_only_) out_ += body;
    finished_ = true;
    event_.cancel();
  }

  void begin(int status, std::string_view type, std::string heartbeat) {
    if (finished_ || chunked_) return;
    chunked_ = true;
    heartbeat_ = std::move(heartbeat);
    out_ += head(status, type, {{"Cache-Control", "no-cache"}, {"Transfer-Encoding", "chunked"}},
                 keep_) +
            "\r\n";
    event_.cancel();
  }

  void write(std::string_view text) {
    if (finished_ || !chunked_ || text.empty()) return;
    out_ += fmt::format("{:x}\r\n", text.size());
    out_ += text;
    out_ += "\r\n";
    if (out_.size() > hub_->limits.backlog_bytes) return close();
    event_.cancel();
  }

  void finish() {
    if (finished_ || !chunked_) return;
    out_ += "0\r\n\r\n";
    finished_ = true;
    event_.cancel();
  }

  class AnswerReply final : public Reply {
   public:
    AnswerReply(std::shared_ptr<Connection> connection, uint64_t number)
        : connection_(std::move(connection)), number_(number) {}

    void send(int status, std::string_view type, std::string_view body,
              const Headers& headers) override {
      if (current()) connection_->send(status, type, body, headers);
    }
    void begin(int status, std::string_view type, std::string heartbeat) override {
      if (current()) connection_->begin(status, type, std::move(heartbeat));
    }
    void write(std::string_view text) override {
      if (current()) connection_->write(text);
    }
    void finish() override {
      if (current()) connection_->finish();
    }
    void on_gone(std::function<void()> callback) override {
      if (connection_->gone_ || !current()) return callback();
      connection_->on_gone_ = std::move(callback);
    }
    void post(std::function<void()> work) override {
      asio::post(connection_->strand_, [c = connection_, number = number_, work = std::move(work)] {
        try {
          work();
        } catch (const std::exception&) {
          if (c->answer_ == number) c->fault();
        }
      });
    }

   private:
    bool current() const { return connection_->answer_ == number_ && !connection_->gone_; }

    std::shared_ptr<Connection> connection_;
    uint64_t number_;
  };

  std::unique_ptr<HttpStream> stream_;
  asio::any_io_executor strand_;
  std::shared_ptr<Hub> hub_;
  asio::steady_timer event_, space_, deadline_;  // the first two are only ever cancelled
  std::string peer_, in_, out_, heartbeat_;
  bool opened_ = false, gone_ = false, keep_ = false, head_only_ = false, finished_ = false,
       chunked_ = false;
  uint64_t answer_ = 0, writes_ = 0;
  std::function<void()> on_gone_;
};

class AsioServer final : public HttpServer {
 public:
  AsioServer(const HttpLimits& limits, Handler handler, TlsFiles tls)
      : tls_(std::move(tls)), hub_(std::make_shared<Hub>()), acceptor_(io_) {
    hub_->limits = limits;
    hub_->handler = std::move(handler);
  }

  ~AsioServer() override { stop(); }

  void stop() override {
    if (threads_.empty()) return;
    stop_accepting();
    each([](Connection& c) { c.shut(); });
    {
      std::unique_lock lock(hub_->mutex);
      hub_->quiet.wait_for(lock, std::chrono::seconds(2), [&] { return hub_->connections == 0; });
    }
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  Result<void> open(const std::string& host, int port, int threads) {
    boost::system::error_code failure;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, failure);
    if (failure)
      return error("--host {}: an IP address is wanted, e.g. 127.0.0.1 or 0.0.0.0", host);
    const tcp::endpoint endpoint(address, static_cast<uint16_t>(port));
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(1024, failure);
    if (failure == asio::error::address_in_use) {
      const std::string holder = port_holder(port);
      return error("port {} of {} is taken{}: stop it, or choose another with --port", port, host,
                   holder.empty() ? "" : " by " + holder);
    }
    if (failure) return error("cannot listen on {} port {}: {}", host, port, failure.message());
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(io_, accept_all(), asio::detached);
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { io_.run(); });
    return {};
  }

  int port() const override { return port_; }

  Result<void> reload_tls() override {
    R1_TRY(auto tls, load_tls(tls_));
    const std::lock_guard lock(hub_->mutex);
    hub_->tls = std::move(tls);
    return {};
  }

  int connections() const override {
    const std::lock_guard lock(hub_->mutex);
    return hub_->connections;
  }

  bool drain(double seconds) override {
    hub_->draining = true;
    stop_accepting();
    each([](Connection& c) { c.wake(); });
    std::unique_lock lock(hub_->mutex);
    return hub_->quiet.wait_for(lock, to_duration(seconds), [&] { return hub_->busy == 0; });
  }

 private:
  void stop_accepting() {
    asio::post(io_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
  }

  std::shared_ptr<Tls> tls() const {
    const std::lock_guard lock(hub_->mutex);
    return hub_->tls;
  }

  template <class F>
  void each(F f) {
    std::vector<std::shared_ptr<Connection>> all;
    {
      const std::lock_guard lock(hub_->mutex);
      for (Connection* c : hub_->all)
        if (auto alive = c->weak_from_this().lock()) all.push_back(std::move(alive));
    }
    for (const auto& c : all) f(*c);
  }

  asio::awaitable<void> accept_all() {
    for (;;) {
      auto [failure, socket] = co_await acceptor_.async_accept(asio::make_strand(io_), kQuiet);
      if (failure == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
      if (failure) {  // no file descriptor is free: others end
        asio::steady_timer pause(io_, std::chrono::milliseconds(50));
        co_await pause.async_wait(kQuiet);
        continue;
      }
      if (connections() >= hub_->limits.connections) continue;  // closed, which clients retry
      std::make_shared<Connection>(http_stream(std::move(socket), tls()), hub_)->start();
    }
  }

  const TlsFiles tls_;
  std::shared_ptr<Hub> hub_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  int port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const std::string& host, int port,
                                                       const HttpLimits& limits, Handler handler,
                                                       const TlsFiles& tls, int threads) {
  auto server = std::make_unique<AsioServer>(limits, std::move(handler), tls);
  R1_DO(server->reload_tls());
  R1_DO(server->open(host, port, threads));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace r1
