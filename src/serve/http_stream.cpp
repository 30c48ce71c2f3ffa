#include "serve/http_stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/file.h"

namespace r1 {

namespace asio = boost::asio;
namespace ssl = asio::ssl;

class Tls {
 public:
  ssl::context context{ssl::context::tls_server};
};

namespace {

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);  // errors as values

class Plain final : public HttpStream {
 public:
  explicit Plain(Socket socket) : socket_(std::move(socket)) {}
  Socket& socket() override { return socket_; }
  Awaitable<Failure> begin() override { co_return Failure(); }
  Awaitable<std::tuple<Failure, size_t>> read_some(asio::mutable_buffer to) override {
    co_return co_await socket_.async_read_some(to, kQuiet);
  }
  Awaitable<Failure> write(asio::const_buffer from) override {
    const auto [failure, n] = co_await asio::async_write(socket_, from, kQuiet);
    co_return failure;
  }
  Awaitable<void> end() override {
    Failure ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }

 private:
  Socket socket_;
};

class Encrypted final : public HttpStream {
 public:
  Encrypted(Socket socket, std::shared_ptr<Tls> tls)
      : tls_(std::move(tls)), stream_(std::move(socket), tls_->context) {}
  Socket& socket() override { return stream_.next_layer(); }
  Awaitable<Failure> begin() override {
    const auto [failure] = co_await stream_.async_handshake(ssl::stream_base::server, kQuiet);
    co_return failure;
  }
  Awaitable<std::tuple<Failure, size_t>> read_some(asio::mutable_buffer to) override {
    co_return co_await stream_.async_read_some(to, kQuiet);
  }
  Awaitable<Failure> write(asio::const_buffer from) override {
    const auto [failure, n] = co_await asio::async_write(stream_, from, kQuiet);
    co_return failure;
  }
  Awaitable<void> end() override { co_await stream_.async_shutdown(kQuiet); }

 private:
  std::shared_ptr<Tls> tls_;
  ssl::stream<Socket> stream_;
};

// Of what clients offer we speak HTTP/1.1 alone; others find out by themselves.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned int n, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, length, kOurs, sizeof kOurs - 1, offered, n) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<Tls>> load_tls(const TlsFiles& files) {
  if (files.cert.empty() && files.key.empty()) return std::shared_ptr<Tls>();
  if (files.cert.empty() || files.key.empty())
    return error("--tls-cert and --tls-key: both are wanted, a chain of certificates and its key");
  for (const auto& [flag, path] :
       {std::pair("--tls-cert", &files.cert), std::pair("--tls-key", &files.key)}) {
    if (auto text = read_file(*path, 1 << 20); !text) return std::move(text).error().in(flag);
  }
  auto tls = std::make_shared<Tls>();
  SSL_CTX* context = tls->context.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  HttpStream::Failure failure;
  tls->context.use_certificate_chain_file(files.cert, failure);
  if (failure)
    return error("--tls-cert {}: holds no chain of certificates in PEM: {}", files.cert,
                 failure.message());
  tls->context.set_password_callback([](size_t, ssl::context::password_purpose) { return ""; });
  tls->context.use_private_key_file(files.key, ssl::context::pem, failure);
  if (failure)
    return error("--tls-key {}: is no private key of {}, in PEM and without a passphrase: {}",
                 files.key, files.cert, failure.message());
  return tls;
}

std::unique_ptr<HttpStream> http_stream(HttpStream::Socket socket,
                                        const std::shared_ptr<Tls>& tls) {
  if (!tls) return std::make_unique<Plain>(std::move(socket));
  return std::make_unique<Encrypted>(std::move(socket), tls);
}

}  // namespace r1
