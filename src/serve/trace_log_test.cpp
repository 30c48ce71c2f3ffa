#include "serve/trace_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "base/file.h"
#include "format/test_bytes.h"
#include "serve/digest.h"
#include "serve/trace_writer.h"
#include "serve/weight_hash.h"
#include "tests/support/must.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

TraceLog opened(const std::string& path) { return must(TraceLog::open(path)); }

std::string content(const std::string& user, int64_t seconds, const std::string& question,
                    const std::string& thought, const std::string& answer) {
  const Json messages = {{{"role", "user"}, {"content", question}}};
  return Json{{"time", seconds * 1000},   {"key", "k1"},          {"user", user},
              {"model", {{"name", "m"}}}, {"messages", messages}, {"thought", thought},
              {"answer", answer}}
      .dump();
}

// Whether any file of the log holds the bytes.
bool holds(const std::string& path, const std::string& bytes) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    if (!file_exists(path + suffix)) continue;
    const auto text = read_file(path + suffix, 1 << 28);
    if (text && text->find(bytes) != std::string::npos) return true;
  }
  return false;
}

// What somebody could do who has the file and SQLite.
void tamper(const std::string& path, const char* sql) {
  auto database = Database::open(path);
  ASSERT_TRUE(database);
  ASSERT_TRUE(database->exec("PRAGMA trusted_schema = ON"));
  ASSERT_TRUE(database->exec("DROP TRIGGER IF EXISTS trace_stays"));
  ASSERT_TRUE(database->exec("DROP TRIGGER IF EXISTS trace_holds"));
  const auto done = database->exec(sql);
  ASSERT_TRUE(done) << done.error().message;
}

std::vector<int64_t> ids(Result<std::vector<TraceLine>> lines) {
  std::vector<int64_t> all;
  for (const TraceLine& line : must(std::move(lines))) all.push_back(line.id);
  return all;
}

using Ids = std::vector<int64_t>;

TEST(TraceLog, KeepsWhatItWasGiven) {
  const TemporaryFolder folder;
  TraceLog log = opened(folder.path("t.db"));
  const std::string first = content("ann", 100, "a?", "hm", "b");
  const auto added = log.append({first, content("bob", 200, "c?", "", "d")});
  ASSERT_TRUE(added) << added.error().message;
  ASSERT_TRUE(log.append({content("ann", 300, "e?", "", "f")}));
  EXPECT_EQ(ids(log.list({})), (Ids{3, 2, 1}));
  EXPECT_EQ(ids(log.list({.limit = 1})), (Ids{3}));
  EXPECT_EQ(ids(log.list({.before = 3, .limit = 1})), (Ids{2}));
  EXPECT_EQ(ids(log.list({.user = "ann"})), (Ids{3, 1}));
  EXPECT_EQ(ids(log.list({.key = "k2"})), Ids{});
  EXPECT_EQ(ids(log.list({.model = "m", .since = 200, .until = 300})), (Ids{2}));
  const auto line = log.find(1);
  ASSERT_TRUE(line && *line);
  EXPECT_EQ((*line)->content, Json::parse(first));
  EXPECT_EQ((*line)->digest, sha256(first));
  EXPECT_FALSE(log.find(4)->has_value());
  TraceLog again = opened(folder.path("t.db"));
  EXPECT_EQ(ids(again.list({})), (Ids{3, 2, 1}));
}

TEST(TraceLog, IsSearchedByWordsPhrasesAndBeginnings) {
  const TemporaryFolder folder;
  TraceLog log = opened(folder.path("t.db"));
  ASSERT_TRUE(log.append({content("", 1, "What is the cube root of 27?", "Let me see.", "Three"),
                          content("", 2, "Wie groß ist die Höhe?", "three words", "Zwölf"),
                          content("", 3, "NOT a question", "", "root of the cube")}));
  const auto found = [&](const std::string& words) { return ids(log.list({.search = words})); };
  EXPECT_EQ(found("three"), (Ids{2, 1}));
  EXPECT_EQ(found("three root"), (Ids{1}));
  EXPECT_EQ(found("\"cube root\""), (Ids{1}));
  EXPECT_EQ(found("hohe"), (Ids{2}));  // without its dots
  EXPECT_EQ(found("quest*"), (Ids{3}));
  EXPECT_EQ(found("NOT"), (Ids{3}));  // no operator
  EXPECT_EQ(found("a OR"), Ids{});
  EXPECT_EQ(found("\"(*) -- ;"), Ids{});
  EXPECT_FALSE(log.list({.search = " \" \" "}));
  const auto lines = log.list({.search = "cube", .limit = 1});
  ASSERT_EQ(lines->size(), 1u);
  EXPECT_EQ((*lines)[0].snippet,
            "root of the \x01"
            "cube\x02");
}

TEST(TraceLog, TheSchemaRefusesChanges) {
  const TemporaryFolder folder;
  TraceLog log = opened(folder.path("t.db"));
  ASSERT_TRUE(log.append({content("", 1, "q", "", "a")}));
  auto database = Database::open(folder.path("t.db"));
  for (const char* sql :
       {"DELETE FROM trace", "UPDATE trace SET content = '{}'", "UPDATE trace SET digest = ''",
        "UPDATE trace SET id = 7", "UPDATE trace SET chain = ''"})
    EXPECT_FALSE(database->exec(sql)) << sql;
}

TEST(TraceLog, AnyChangeIsFoundAndTheFirstChangedLineNamed) {
  struct Case {
    const char* sql;
    int64_t bad;
    const char* reason;
  };
  const Case cases[] = {
      {"UPDATE trace SET content = replace(content, 'a2', 'a3') WHERE id = 2", 2, "its content"},
      {"UPDATE trace SET content = content || ' ' WHERE id = 4", 4, "its content"},
      {"UPDATE trace SET content = NULL WHERE id = 3", 3, "no erasure in the log names it"},
      {"UPDATE trace SET digest = (SELECT digest FROM trace WHERE id = 1), content = "
       "(SELECT content FROM trace WHERE id = 1) WHERE id = 2",
       2, "its hash"},
      {"UPDATE trace SET chain = upper(chain) WHERE id = 5", 5, "its hash"},
      {"DELETE FROM trace WHERE id = 1", 1, "is missing"},
      {"DELETE FROM trace WHERE id = 4", 4, "is missing"},
      {"UPDATE trace SET id = id + 10 WHERE id > 2", 3, "is missing"},
      {"UPDATE trace SET id = 9 WHERE id = 1; UPDATE trace SET id = 1 WHERE id = 2;"
       "UPDATE trace SET id = 2 WHERE id = 9",
       1, "its hash"},
      {"INSERT INTO trace (id, content, digest, chain) VALUES (6, '{}', '', '')", 6, "its content"},
      {"INSERT INTO trace (id, digest, chain) VALUES (6, '', '')", 6, "its hash"},
  };
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    TraceLog log = opened(folder.path("t.db"));
    for (int i = 1; i <= 5; ++i)
      ASSERT_TRUE(log.append({content("", i, "q", "", fmt::format("a{}", i))}));
    const auto good = log.verify("");
    ASSERT_TRUE(good);
    ASSERT_EQ(good->bad, 0) << good->reason;
    tamper(folder.path("t.db"), c.sql);
    const auto v = log.verify("");
    ASSERT_TRUE(v);
    EXPECT_EQ(v->bad, c.bad) << c.sql;
    EXPECT_NE(v->reason.find(c.reason), std::string::npos) << c.sql << ": " << v->reason;
  }
}

TEST(TraceLog, ANotedHashFindsACutEnd) {
  const TemporaryFolder folder;
  TraceLog log = opened(folder.path("t.db"));
  ASSERT_TRUE(log.append({content("", 1, "q", "", "a"), content("", 2, "q", "", "b")}));
  const std::string noted = log.verify("")->head;
  ASSERT_TRUE(log.append({content("", 3, "q", "", "c")}));
  EXPECT_EQ(log.verify(noted)->bad, 0);
  tamper(folder.path("t.db"), "DELETE FROM trace WHERE id > 1");
  EXPECT_EQ(log.verify("")->bad, 0);
  EXPECT_EQ(log.verify(noted)->bad, 2);
}

TEST(TraceLog, WhatIsErasedIsInNoByteOfItsFiles) {
  const TemporaryFolder folder;
  const std::string path = folder.path("t.db");
  TraceLog server = opened(path);  // stays open meanwhile
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> contents;
    for (int i = 0; i < 60; ++i) {
      const bool secret = i % 3 == 0;
      const std::string word = fmt::format("{}word{}x{}", secret ? "secret" : "public", round, i);
      contents.push_back(
          content(secret ? "ann" : "bob", 100 * round + i, "say " + word,
                  std::string(secret ? 6000 : 10, secret ? 't' : 'u') + " thinks" + word,
                  "answers" + word + (secret ? " xyzzy" : " plugh")));
    }
    for (const std::string& c : contents) ASSERT_TRUE(server.append({c}));
  }
  ASSERT_TRUE(holds(path, "secretword1x3"));
  const std::string before = server.verify("")->head;
  const auto size = std::filesystem::file_size(path);

  TraceLog other = opened(path);
  const auto who = other.matching({.user = "ann"});
  ASSERT_TRUE(who);
  EXPECT_EQ(who->size(), 60u);
  const auto erased = other.erase(*who, "--user ann");
  ASSERT_TRUE(erased) << erased.error().message;
  EXPECT_EQ(*erased, 60);
  for (const char* gone :
       {"secretword", "thinkssecretword", "answerssecretword", "xyzzy", "tttttt"})
    EXPECT_FALSE(holds(path, gone)) << gone;
  EXPECT_TRUE(holds(path, "publicword1x4"));
  EXPECT_LT(std::filesystem::file_size(path), size);

  EXPECT_EQ(ids(server.list({.search = "xyzzy"})), Ids{});
  EXPECT_EQ(server.list({.search = "plugh", .limit = 500})->size(), 120u);
  EXPECT_TRUE((*server.find(1))->content.is_null());
  EXPECT_EQ((*server.find(181))->content["reason"], "--user ann");
  EXPECT_EQ(ids(server.list({.erased = true})), Ids{181});
  EXPECT_EQ(ids(server.list({.limit = 1})), Ids{180}) << "a list of traces has none of them";
  const auto v = server.verify(before);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->bad, 0) << v->reason;
  EXPECT_EQ(v->lines, 181);
  EXPECT_EQ(v->erased, 60);
  EXPECT_EQ(v->erasures, 1);

  // Again, of the rest; what is no trace, erased or not there is passed over.
  ASSERT_TRUE(server.append({content("ann", 1, "secretwordlast", "", "")}));
  EXPECT_EQ(*server.erase({1, 2, 181, 182, 4000}, "ids"), 2);
  EXPECT_FALSE(holds(path, "secretword"));
  EXPECT_FALSE(holds(path, "publicword0x1 "));
  EXPECT_EQ(server.verify("")->bad, 0);
  EXPECT_EQ(*server.erase({}, "nothing"), 0);
  EXPECT_EQ(server.verify("")->lines, 183);
}

TEST(TraceLog, RefusesOtherDatabases) {
  const TemporaryFolder folder;
  ASSERT_TRUE(Database::open(folder.path("a.db"))->exec("CREATE TABLE t (i)"));
  EXPECT_NE(TraceLog::open(folder.path("a.db")).error().message.find("no log of traces"),
            std::string::npos);
  opened(folder.path("b.db"));
  ASSERT_TRUE(Database::open(folder.path("b.db"))->exec("PRAGMA user_version = 9"));
  EXPECT_NE(TraceLog::open(folder.path("b.db")).error().message.find("version 9"),
            std::string::npos);
}

TEST(WeightHash, IsThatOfTheFileAndKnownUntilItChanges) {
  const TemporaryFolder folder;
  TraceLog log = opened(folder.path("t.db"));
  ASSERT_TRUE(write_file(folder.path("m.gguf"), "weights"));
  EXPECT_EQ(*weight_hash(folder.path("m.gguf"), log), sha256("weights"));
  EXPECT_EQ(*weight_hash(folder.path("m.gguf"), log), sha256("weights"));
  ASSERT_TRUE(write_file(folder.path("m.gguf"), "weightz"));
  EXPECT_EQ(*weight_hash(folder.path("m.gguf"), log), sha256("weightz"));
  EXPECT_FALSE(weight_hash(folder.path("none.gguf"), log));
}

TEST(WeightHash, CoversEveryPart) {
  const TemporaryFolder folder;
  TraceLog log = opened(folder.path("t.db"));
  for (const char* name :
       {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "n-00001-of-00002.gguf"})
    ASSERT_TRUE(write_file(folder.path(name), name));
  EXPECT_EQ(*weight_hash(folder.path("m-00001-of-00002.gguf"), log),
            sha256(fmt::format("{}  m-00001-of-00002.gguf\n{}  m-00002-of-00002.gguf\n",
                               sha256("m-00001-of-00002.gguf"), sha256("m-00002-of-00002.gguf"))));
  ASSERT_TRUE(make_folder(folder.path("hf")));
  ASSERT_TRUE(write_file(folder.path("hf/config.json"), "{}"));
  ASSERT_TRUE(write_file(folder.path("hf/model.safetensors"), "w"));
  const std::string before = *weight_hash(folder.path("hf"), log);
  ASSERT_TRUE(write_file(folder.path("hf/README.md"), "words"));
  EXPECT_EQ(*weight_hash(folder.path("hf"), log), before);
  ASSERT_TRUE(write_file(folder.path("hf/config.json"), "{} "));
  EXPECT_NE(*weight_hash(folder.path("hf"), log), before);
}

AnswerTrace trace(int i) {
  AnswerTrace t;
  t.asked = std::make_shared<Json>(Json{{"time", i}, {"model", {{"name", "m"}}}, {"prompt", "p"}});
  t.prompt = std::make_shared<Prompt>(Prompt{.ids = {1, 2, 3}, .thinking = true});
  t.completion.answer = fmt::format("answer {}", i);
  return t;
}

TEST(TraceWriter, WritesFromManyThreadsAndTellsWhenItHas) {
  const TemporaryFolder folder;
  std::atomic<int> told = 0;
  auto writer = TraceWriter::start(folder.path("t.db"), [](std::string_view m) { FAIL() << m; });
  ASSERT_TRUE(writer);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) (*writer)->add(trace(50 * t + i), [&] { ++told; });
    });
  for (std::thread& t : threads) t.join();
  writer->reset();  // writes what is left
  EXPECT_EQ(told, 200);
  TraceLog log = opened(folder.path("t.db"));
  EXPECT_EQ(log.verify("")->lines, 200);
  EXPECT_EQ(log.verify("")->bad, 0);
}

TEST(TraceWriter, WaitsForTheFileWithoutHoldingAnybodyUp) {
  const TemporaryFolder folder;
  std::atomic<int> failures = 0;
  auto writer = TraceWriter::start(folder.path("t.db"), [&](std::string_view) { ++failures; });
  ASSERT_TRUE(writer);
  auto database = Database::open(folder.path("t.db"));
  auto held = Transaction::begin(*database);
  ASSERT_TRUE(held);
  std::promise<void> told;
  (*writer)->add(trace(1), [&] { told.set_value(); });
  told.get_future().wait();  // the file is still held
  EXPECT_EQ(opened(folder.path("t.db")).verify("")->lines, 0);
  ASSERT_TRUE(held->commit());
  writer->reset();
  EXPECT_GE(failures, 1);
  EXPECT_EQ(opened(folder.path("t.db")).verify("")->lines, 1);
}

TEST(Trace, ParametersComeBackAsTheyWere) {
  GenerateParams p;
  p.sampling.temperature = 0.7f;
  p.sampling.top_p = 1.0f / 3;
  p.sampling.min_p = 1e-8f;
  p.sampling.seed = ~uint64_t{0};
  p.sampling.logit_bias = {{5, -0.1f}, {7, 100}};
  p.stop = {"a\n", "ü"};
  p.max_tokens = 12;
  p.think_budget = 3;
  p.split_thought = false;
  const Json json = Json::parse(to_json(p).dump());
  EXPECT_EQ(json["temperature"].dump(), "0.7");
  const auto back = params_from_json(json);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->sampling.temperature, p.sampling.temperature);
  EXPECT_EQ(back->sampling.top_p, p.sampling.top_p);
  EXPECT_EQ(back->sampling.min_p, p.sampling.min_p);
  EXPECT_EQ(back->sampling.seed, p.sampling.seed);
  EXPECT_EQ(back->sampling.logit_bias, p.sampling.logit_bias);
  EXPECT_EQ(back->stop, p.stop);
  EXPECT_EQ(back->max_tokens, 12);
  EXPECT_EQ(back->think_budget, 3);
  EXPECT_FALSE(back->split_thought);
  Json less = json;
  less.erase("seed");
  EXPECT_FALSE(params_from_json(less));
}

}  // namespace
}  // namespace r1
