// Ollama's calls that change the folder of models: what they do, and that they do nothing outside.
#include <openssl/evp.h>

#include <filesystem>
#include <fstream>

#include "serve/dialects.h"
#include "serve/test_client.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fresh_id("r1-models-")) {
    fs::create_directories(path_ / "models");
  }
  ~Folder() { fs::remove_all(path_); }
  std::string models() const { return (path_ / "models").string(); }
  fs::path operator/(const std::string& name) const { return path_ / "models" / name; }
  size_t outside() const {  // what is beside the folder
    return static_cast<size_t>(std::distance(fs::directory_iterator(path_), {})) - 1;
  }

 private:
  fs::path path_;
};

TestClient::Response call(const FakeServer& fake, const char* method, const std::string& path,
                          const std::string& body) {
  TestClient client = fake.client();
  client.send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
                          method, path, body.size(), body));
  return client.read_response();
}

std::string names(const FakeServer& fake) {
  std::string all;
  const Json tags = fake.client().get("/api/tags").json();
  for (const Json& model : tags["models"]) all += model["name"].get<std::string>() + " ";
  return all;
}

std::string digest_of(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string text = "sha256:";
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

TEST(OllamaModels, AreMadeCopiedAndDeleted) {
  const Folder folder;
  ServerOptions options;
  options.folder = folder.models();
  FakeServer fake(options);
  const auto made = fake.client().post("/api/create", {{"model", "pirate"},
                                                       {"from", "fake"},
                                                       {"system", "Speak as a pirate."},
                                                       {"parameters", {{"temperature", 0.25}}},
                                                       {"stream", false}});
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json()["status"], "success");
  EXPECT_TRUE(fs::exists(folder / "pirate.r1.json"));
  EXPECT_EQ(names(fake), "fake pirate ");
  Json request = chat_request("Hi");
  request["model"] = "pirate:latest";
  ASSERT_EQ(fake.client().post("/api/chat", request).status, 200);
  EXPECT_EQ(fake.script->messages[0]["content"], "Speak as a pirate.");
  EXPECT_EQ(fake.script->params.sampling.temperature, 0.25f);
  const auto counted = fake.client().post("/v1/messages/count_tokens",
                                          {{"model", "pirate"}, {"messages", request["messages"]}});
  EXPECT_EQ(counted.json()["input_tokens"], 18 + 2) << "its system prompt too";
  request["options"] = {{"temperature", 1}};
  request["messages"].insert(request["messages"].begin(),
                             Json{{"role", "system"}, {"content", "No."}});
  ASSERT_EQ(fake.client().post("/api/chat", request).status, 200);
  EXPECT_EQ(fake.script->messages.size(), 2u);
  EXPECT_EQ(fake.script->params.sampling.temperature, 1.0f);

  const auto captain = fake.client().post(
      "/api/create", {{"model", "captain"}, {"from", "pirate"}, {"parameters", {{"top_k", 3}}}});
  EXPECT_TRUE(captain.body.ends_with("{\"status\":\"success\"}\n")) << captain.body;
  const Json file = Json::parse(std::ifstream(folder / "captain.r1.json"));
  EXPECT_EQ(file["from"], "fake");
  EXPECT_EQ(file["system"], "Speak as a pirate.");
  EXPECT_EQ(file["parameters"], Json({{"temperature", 0.25}, {"top_k", 3}}));

  EXPECT_EQ(fake.client().post("/api/copy", {{"source", "pirate"}, {"destination", "mate"}}).status,
            200);
  EXPECT_EQ(names(fake), "fake captain mate pirate ");
  EXPECT_EQ(call(fake, "DELETE", "/api/delete", R"({"model": "pirate"})").status, 200);
  EXPECT_EQ(call(fake, "DELETE", "/api/delete", R"({"model": "pirate"})").status, 404);
  const auto named = call(fake, "DELETE", "/api/delete", R"({"model": "fake"})");
  EXPECT_EQ(named.status, 400);
  EXPECT_NE(named.body.find("made from it"), std::string::npos) << named.body;
  EXPECT_EQ(names(fake), "fake captain mate ");
  EXPECT_EQ(folder.outside(), 0u);
}

TEST(OllamaModels, BlobsBecomeModels) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  const std::string bytes = read_test_file(path), digest = digest_of(bytes);
  const Folder folder;
  ServerOptions options;
  options.folder = folder.models();
  FakeServer fake(options);
  const std::string blob = "/api/blobs/" + digest;
  EXPECT_EQ(call(fake, "HEAD", blob, "").status, 404);
  EXPECT_EQ(call(fake, "POST", blob, bytes + "x").status, 400);
  EXPECT_EQ(call(fake, "POST", blob, bytes).status, 201);
  EXPECT_EQ(call(fake, "POST", blob, bytes).status, 201);
  EXPECT_EQ(call(fake, "HEAD", blob, "").status, 200);
  EXPECT_EQ(call(fake, "POST", "/api/blobs/" + digest_of("junk"), "junk").status, 201);
  const auto create = [&](const std::string& from) {
    return fake.client().post("/api/create", {{"model", "mine"}, {"files", {{"m.gguf", from}}}});
  };
  EXPECT_EQ(create(digest_of("nothing")).status, 400);
  EXPECT_EQ(create(digest_of("junk")).status, 400);
  EXPECT_EQ(create("sha256:../../../etc/passwd").status, 400);
  EXPECT_EQ(create(digest).status, 200);
  EXPECT_EQ(names(fake), "fake mine ");
  EXPECT_EQ(fake.client().post("/api/copy", {{"source", "mine"}, {"destination", "yours"}}).status,
            200);
  EXPECT_EQ(fs::hard_link_count(folder / "yours.gguf"), 3u);
  EXPECT_EQ(call(fake, "DELETE", "/api/delete", R"({"name": "mine"})").status, 200);
  EXPECT_EQ(read_test_file((folder / "yours.gguf").string()), bytes);
  EXPECT_EQ(names(fake), "fake yours ");
  size_t files = 0;  // no temporary stayed
  for (const auto& entry : fs::directory_iterator(folder.models()))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 1u);
}

TEST(OllamaModels, NothingIsFetchedAndNothingOutsideTouched) {
  FakeServer without;
  EXPECT_EQ(without.client().post("/api/pull", {{"model", "fake"}}).body,
            "{\"status\":\"success\"}\n");
  const auto absent = without.client().post("/api/pull", {{"model", "llama3"}});
  EXPECT_EQ(absent.status, 404);
  EXPECT_NE(absent.body.find("opens no connection"), std::string::npos) << absent.body;
  const auto refused =
      without.client().post("/api/copy", {{"source", "fake"}, {"destination", "x"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("without --models"), std::string::npos) << refused.body;

  const Folder folder;
  ServerOptions options;
  options.folder = folder.models();
  FakeServer fake(options);
  for (const char* name : {"../out", "a/b", "/tmp/x", ".hidden", "", "a b", "x\ny"}) {
    EXPECT_EQ(fake.client().post("/api/copy", {{"source", "fake"}, {"destination", name}}).status,
              400)
        << name;
    EXPECT_EQ(fake.client().post("/api/create", {{"model", name}, {"from", "fake"}}).status, 400)
        << name;
  }
  const std::pair<Json, const char*> kWrong[] = {
      {{{"from", "none"}}, "not found"},
      {{{"from", "fake"}, {"parameters", {{"temperature", -1}}}}, "from 0 to 100"},
      {{{"from", "fake"}, {"template", "{{ .Prompt }}"}}, "only from, files"},
      {{{"from", "fake"}, {"quantize", "q4_0"}}, "only from, files"},
      {Json::object(), "is wanted"},
  };
  for (const auto& [change, words] : kWrong) {
    Json request = {{"model", "mine"}};
    request.update(change);
    const auto r = fake.client().post("/api/create", request);
    EXPECT_GE(r.status, 400) << change;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
  }
  EXPECT_TRUE(fs::is_empty(folder.models()));
  EXPECT_EQ(folder.outside(), 0u);
}

}  // namespace
}  // namespace r1
