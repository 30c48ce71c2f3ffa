#include "serve/http_parser.h"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>

namespace r1 {
namespace {

namespace http = boost::beast::http;

std::string lower(std::string_view text) {
  std::string copy(text);
  for (char& c : copy) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return copy;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [own, value] : headers)
    if (own == name) return value;
  return "";
}

struct HttpParser::Impl {
  http::request_parser<http::string_body> parser;
  HttpLimits limits;
};

HttpParser::HttpParser(const HttpLimits& limits) : impl_(std::make_unique<Impl>()) {
  impl_->limits = limits;
  impl_->parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  impl_->parser.body_limit(limits.body_bytes);
  impl_->parser.eager(true);
}

HttpParser::~HttpParser() = default;

bool HttpParser::header_done() const { return impl_->parser.is_header_done(); }
bool HttpParser::done() const { return impl_->parser.is_done(); }

bool HttpParser::expects_continue() const {
  return header_done() && !done() &&
         lower(impl_->parser.get()[http::field::expect]) == "100-continue";
}

void HttpParser::feed(std::string& bytes) {
  if (!begun_) {  // empty lines before a request line are passed over (RFC 9112, 2.2)
    const size_t first = bytes.find_first_not_of("\r\n");
    bytes.erase(0, std::min(first, bytes.size()));
  }
  while (!bytes.empty() && !done()) {
    begun_ = true;
    boost::system::error_code failure;
    const size_t used = impl_->parser.put(boost::asio::buffer(bytes.data(), bytes.size()), failure);
    bytes.erase(0, used);
    if (failure == http::error::need_more) return;
    if (failure == http::error::header_limit) {
      refused_ = Refusal{431, "the request's headers are longer than " +
                                  std::to_string(impl_->limits.header_bytes) + " bytes"};
    } else if (failure == http::error::body_limit) {
      refused_ = Refusal{413, "the request's body is larger than " +
                                  std::to_string(impl_->limits.body_bytes) + " bytes"};
    } else if (failure == http::error::bad_version) {
      refused_ = Refusal{505, "HTTP/1.1 is spoken here"};
    } else if (failure) {
      refused_ = Refusal{400, "this is no HTTP request: " + failure.message()};
    }
    if (refused_ || used == 0) return;
  }
}

HttpRequest HttpParser::take() {
  auto message = impl_->parser.release();
  HttpRequest request;
  request.method = std::string(message.method_string());
  std::string target(message.target());
  if (const size_t scheme = target.find("://"); scheme != target.npos && !target.starts_with('/')) {
    const size_t slash = target.find('/', scheme + 3);  // the absolute form, as proxies send it
    target = slash == target.npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != target.npos) request.query = target.substr(mark + 1);
  for (const auto& field : message)
    request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
  request.keep_alive = message.keep_alive();
  request.body = std::move(message.body());
  return request;
}

}  // namespace r1
