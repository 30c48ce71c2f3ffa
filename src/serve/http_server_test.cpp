// The transport, as hostile and as ordinary clients use it.
#include <sys/resource.h>

#include "base/file.h"
#include "serve/http_parser.h"
#include "serve/test_client.h"

namespace r1 {
namespace {

HttpRequest parse(std::string text, HttpParser& parser) {
  parser.feed(text);
  EXPECT_TRUE(parser.done());
  return parser.take();
}

TEST(HttpParser, TakesARequestCutAnywhere) {
  const std::string text =
      "POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (size_t cut = 1; cut < text.size(); ++cut) {
    HttpParser parser({});
    std::string bytes;
    for (const std::string& part : {text.substr(0, cut), text.substr(cut) + "GET"}) {
      bytes += part;
      parser.feed(bytes);
      ASSERT_FALSE(parser.refused()) << parser.refused()->message;
    }
    ASSERT_TRUE(parser.done()) << cut;
    EXPECT_EQ(bytes, "GET");  // of the next request
    const HttpRequest request = parser.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/x");
    EXPECT_EQ(request.query, "a=b");
    EXPECT_EQ(request.body, "abcde");
    EXPECT_EQ(request.header("host"), "h");
    EXPECT_TRUE(request.keep_alive);
  }
}

TEST(HttpParser, RefusesByStatus) {
  HttpLimits limits;
  limits.header_bytes = 200;
  limits.body_bytes = 10;
  const auto status = [&](std::string text) {
    HttpParser parser(limits);
    parser.feed(text);
    return parser.refused() ? parser.refused()->status : 0;
  };
  EXPECT_EQ(status("hello\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/3.7\r\n\r\n"), 505);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: " + std::string(300, 'x')), 431);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n"), 413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n"),
            413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400);
  HttpParser absolute({});
  EXPECT_EQ(parse("GET http://host/v1/models HTTP/1.1\r\n\r\n", absolute).path, "/v1/models");
}

TEST(HttpServer, KeepsAConnectionForManyRequests) {
  const FakeServer fake;
  TestClient client = fake.client();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.get("/health").body, R"({"status":"ok"})");
  const std::string one = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.send(one + one + one);  // pipelined
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read_response().status, 200);
  client.send("GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_FALSE(client.read_more());  // 1.0: closed
}

TEST(HttpServer, AHeaderMayBeAsLongAsTheLimit) {
  const FakeServer fake;
  const auto status = [&](size_t bytes) {
    return fake.client().get("/health", "X-Long: " + std::string(bytes, 'x') + "\r\n").status;
  };
  EXPECT_EQ(status(20'000), 200);
  EXPECT_EQ(status(31 << 10), 200);
  EXPECT_EQ(status(40'000), 431);
}

TEST(HttpServer, WaitsForABodyThatWaits) {
  const FakeServer fake;
  TestClient client = fake.client();
  const std::string body = chat_request("hi").dump();
  client.send(
      fmt::format("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: "
                  "100-continue\r\nContent-Length: {}\r\n\r\n",
                  body.size()));
  EXPECT_EQ(client.read_response().status, 100);
  client.send(body);
  EXPECT_EQ(client.read_response().status, 200);
}

TEST(HttpServer, SlowAndOversizeRequestsAreTurnedAway) {
  ServerOptions options;
  options.limits.header = 0.2;
  options.limits.body = 0.2;
  options.limits.idle = 0.3;
  options.limits.body_bytes = 1000;
  const FakeServer fake(options);
  TestClient slow = fake.client();
  slow.send("GET /health HTT");
  EXPECT_EQ(slow.read_response().status, 408);
  TestClient bodiless = fake.client();
  bodiless.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(bodiless.read_response().status, 408);
  TestClient large = fake.client();
  EXPECT_EQ(large.post("/v1/completions", {{"prompt", std::string(2000, 'x')}}).status, 413);
  TestClient idle = fake.client();
  EXPECT_EQ(idle.read_all(), "");
}

TEST(HttpServer, AReaderWhoLeavesCancels) {
  FakeServer fake;
  fake.script->hang = true;
  for (const bool stream : {true, false}) {
    TestClient client = fake.client();
    const int before = fake.script->submitted;
    client.ask("/v1/chat/completions", chat_request("hi", stream));
    ASSERT_TRUE(eventually([&] { return fake.script->submitted > before; }));
    if (stream) {
      ASSERT_TRUE(client.read_until("Let me"));
    }
    EXPECT_EQ(fake.script->cancelled, stream ? 0 : 1);
    client.close();
    EXPECT_TRUE(eventually([&] { return fake.script->cancelled == (stream ? 1 : 2); }));
  }
}

TEST(HttpServer, AReaderWhoDoesNotReadIsBounded) {
  ServerOptions options;
  options.limits.backlog_bytes = 1 << 20;
  options.limits.write = 1;
  FakeServer fake(options);
  fake.script->pieces.assign(200,
                             {.thought = "", .answer = std::string(64 << 10, 'x'), .tokens = {}});
  TestClient client(fake.server->port(), 4096);
  client.ask("/v1/chat/completions", chat_request("hi", true));
  EXPECT_TRUE(eventually([&] { return fake.server->connections() == 0; }));
}

TEST(HttpServer, DrainLetsAnswersEnd) {
  FakeServer fake;
  fake.script->hang = true;
  TestClient client = fake.client(), idle = fake.client();
  client.ask("/v1/chat/completions", chat_request("hi", true));
  ASSERT_TRUE(client.read_until("Let me"));
  EXPECT_FALSE(fake.server->drain(0.05));  // it is still being said
  EXPECT_EQ(idle.read_all(), "");          // the idle connection is closed
  std::thread ender([&] {
    for (const auto& loaded : fake.server->shelf().loaded()) loaded.model->cancel(1);
  });
  EXPECT_TRUE(fake.server->drain(60));
  EXPECT_NE(client.read_all().find("data: [DONE]"), std::string::npos);
  ender.join();
}

TEST(HttpServer, ATakenPortIsSaidWithItsHolder) {
  const FakeServer fake;
  const auto second = HttpServer::listen("127.0.0.1", fake.server->port(), {}, nullptr);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("is taken"), std::string::npos) << second.error().message;
  EXPECT_FALSE(HttpServer::listen("example.org", 0, {}, nullptr));
}

int64_t resident_bytes() {
  const auto text = read_file("/proc/self/statm", 1 << 12);
  return std::stoll(text->substr(text->find(' '))) * ::sysconf(_SC_PAGESIZE);
}

TEST(HttpServer, AThousandIdleStreamsCostLittle) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2500) GTEST_SKIP() << "only " << files.rlim_cur << " files may be open";
  ServerOptions options;
  options.most_at_once = 2000;
  FakeServer fake(options);
  fake.script->hang = true;
  const int64_t before = resident_bytes();
  std::vector<TestClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(fake.client());
    clients.back().ask("/v1/chat/completions", chat_request("hi", true));
  }
  for (TestClient& client : clients) ASSERT_TRUE(client.read_until("Let me"));
  const int64_t grown = resident_bytes() - before;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(grown, int64_t{100} << 20);
#endif
  RecordProperty("bytes_per_stream", std::to_string(grown / 1000));
  fake.script->hang = false;
  EXPECT_EQ(fake.client().post("/v1/chat/completions", chat_request("hi")).status, 200);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return fake.script->cancelled == 1000; }));
}

}  // namespace
}  // namespace r1
