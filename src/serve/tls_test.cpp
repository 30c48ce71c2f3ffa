// TLS as clients see it: with certificates made here, that are exchanged while the server runs.
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "format/test_bytes.h"
#include "serve/test_client.h"

namespace r1 {
namespace {

// Writes cert.pem and key.pem of a server called `name`, signed by itself.
TlsFiles make_certificate(const TemporaryFolder& folder, const std::string& name) {
  const TlsFiles files{folder.path("cert.pem"), folder.path("key.pem")};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  X509_set_version(cert, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(cert));
  X509_set_pubkey(cert, key);
  X509_sign(cert, key, EVP_sha256());
  FILE* file = std::fopen(files.cert.c_str(), "w");
  PEM_write_X509(file, cert);
  std::fclose(file);
  file = std::fopen(files.key.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(cert);
  EVP_PKEY_free(key);
  return files;
}

class TlsClient {
 public:
  explicit TlsClient(int port, int version = TLS1_3_VERSION) : tcp_(port) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context_, 0);  // lets old versions be offered
    SSL_CTX_set_min_proto_version(context_, version);
    SSL_CTX_set_max_proto_version(context_, version);
    SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>("\x02h2\x08http/1.1"),
                            12);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, tcp_.fd());
    connected = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  std::string subject() const {
    X509* cert = SSL_get1_peer_certificate(ssl_);
    char name[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    X509_free(cert);
    return name;
  }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned int n = 0;
    SSL_get0_alpn_selected(ssl_, &name, &n);
    return std::string(reinterpret_cast<const char*>(name), n);
  }
  void send(const std::string& text) {
    SSL_write(ssl_, text.data(), static_cast<int>(text.size()));
  }
  // To the end that the server tells of; anything else is a failure.
  std::string read_all() {
    std::string text;
    char buffer[1 << 14];
    for (;;) {
      const int n = SSL_read(ssl_, buffer, sizeof buffer);
      if (n <= 0) {
        EXPECT_EQ(SSL_get_error(ssl_, n), SSL_ERROR_ZERO_RETURN) << "cut off";
        return text;
      }
      text.append(buffer, static_cast<size_t>(n));
    }
  }
  std::string get(const std::string& path) {
    send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    return read_all();
  }

  bool connected = false;

 private:
  TestClient tcp_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

ServerOptions with(const TlsFiles& files) {
  ServerOptions options;
  options.tls = files;
  return options;
}

TEST(Tls, AnswersAndStreams) {
  const TemporaryFolder folder;
  const FakeServer fake(with(make_certificate(folder, "first")));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(fake.server->port(), version);
    ASSERT_TRUE(client.connected);
    EXPECT_EQ(client.protocol(), "http/1.1");
    EXPECT_EQ(client.subject(), "first");
    EXPECT_TRUE(client.get("/health").ends_with("{\"status\":\"ok\"}"));
    TlsClient streaming(fake.server->port(), version);
    const std::string body = chat_request("2+2?", true).dump();
    streaming.send(
        fmt::format("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                    "Connection: close\r\nContent-Length: {}\r\n\r\n{}",
                    body.size(), body));
    EXPECT_TRUE(streaming.read_all().ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
  }
}

TEST(Tls, IsAllThatIsSpokenThere) {
  const TemporaryFolder folder;
  const FakeServer fake(with(make_certificate(folder, "first")));
  EXPECT_FALSE(TlsClient(fake.server->port(), TLS1_1_VERSION).connected);
  TestClient plain = fake.client();
  plain.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(plain.read_all().find("HTTP"), std::string::npos);
}

TEST(Tls, AHandshakeHasItsTime) {
  const TemporaryFolder folder;
  ServerOptions options = with(make_certificate(folder, "first"));
  options.limits.header = 0.1;
  const FakeServer fake(options);
  TestClient silent = fake.client();
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_TRUE(eventually([&] { return fake.server->connections() == 0; }));
}

TEST(Tls, ACertificateIsExchangedWhileAnswersGoOn) {
  const TemporaryFolder folder;
  const FakeServer fake(with(make_certificate(folder, "first")));
  TlsClient before(fake.server->port());
  make_certificate(folder, "second");
  ASSERT_TRUE(fake.server->reload());
  EXPECT_EQ(TlsClient(fake.server->port()).subject(), "second");
  EXPECT_TRUE(before.get("/health").ends_with("{\"status\":\"ok\"}"));
  folder.write("cert.pem", "nonsense");
  EXPECT_FALSE(fake.server->reload());
  EXPECT_EQ(TlsClient(fake.server->port()).subject(), "second");
}

TEST(Tls, WrongFilesAreNamed) {
  const TemporaryFolder folder, other;
  const TlsFiles files = make_certificate(folder, "first");
  const auto told = [](const TlsFiles& wrong) -> std::string {
    try {
      const FakeServer fake(with(wrong));
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(told({files.cert, ""}).find("both are wanted"), std::string::npos);
  EXPECT_NE(told({files.cert, "/nowhere"}).find("--tls-key: "), std::string::npos);
  EXPECT_NE(told({files.key, files.key}).find("holds no chain"), std::string::npos);
  EXPECT_NE(told({files.cert, files.cert}).find("is no private key of"), std::string::npos);
  EXPECT_NE(told({files.cert, make_certificate(other, "first").key}).find("is no private key of"),
            std::string::npos);
}

}  // namespace
}  // namespace r1
