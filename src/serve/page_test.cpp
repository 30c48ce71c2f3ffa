#include <gtest/gtest.h>
#include <zlib.h>

#include "serve/test_client.h"

namespace r1 {
namespace {

std::string gunzip(const std::string& bytes) {
  z_stream z{};
  EXPECT_EQ(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
  std::string text(bytes.size() * 8, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(text.data());
  z.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  text.resize(z.total_out);
  inflateEnd(&z);
  return text;
}

TEST(Page, IsForBrowsersAndOthersAreGreetedAsOllamaDoes) {
  FakeServer fake;
  TestClient client = fake.client();
  EXPECT_EQ(client.get("/").body, "Ollama is running");
  EXPECT_EQ(client.get("/", "Accept: text/html\r\n").body, "Ollama is running");
  const auto page =
      client.get("/", "Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n");
  EXPECT_EQ(page.status, 200);
  const std::string html = gunzip(page.body);
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_NE(html.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
  EXPECT_NE(page.head.find("Content-Security-Policy: frame-ancestors 'none'"), std::string::npos);
}

}  // namespace
}  // namespace r1
