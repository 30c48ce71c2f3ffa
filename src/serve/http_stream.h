// The bytes of one connection: plain, or TLS over it. With http_server.cpp all that knows Asio.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <tuple>

#include "serve/http.h"

namespace r1 {

// What a certificate and its key let the server say. Connections keep the one they began with.
class Tls;
// Errors name the flag and the file. null: no files, plain HTTP.
Result<std::shared_ptr<Tls>> load_tls(const TlsFiles& files);

// Everything on the socket's executor; reading and writing may go on at once.
class HttpStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Failure = boost::system::error_code;
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  virtual ~HttpStream() = default;
  virtual Socket& socket() = 0;
  virtual Awaitable<Failure> begin() = 0;  // the handshake
  virtual Awaitable<std::tuple<Failure, size_t>> read_some(boost::asio::mutable_buffer to) = 0;
  virtual Awaitable<Failure> write(boost::asio::const_buffer from) = 0;  // all of it
  virtual Awaitable<void> end() = 0;  // tells the reader that there is no more
};
std::unique_ptr<HttpStream> http_stream(HttpStream::Socket socket, const std::shared_ptr<Tls>& tls);

}  // namespace r1
