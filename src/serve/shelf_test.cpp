// Whose memory goes for whom. Models of the tests take what their name says: "a60" 60 bytes.
#include "serve/shelf.h"

#include <future>

#include "serve/test_client.h"

namespace r1 {
namespace {

uint64_t size_in(const std::string& name) { return std::stoull(name.substr(1)); }

class Models {
 public:
  Models(const std::vector<std::string>& names, uint64_t memory, const std::string& kept = "") {
    std::vector<ShelfItem> items;
    for (const std::string& name : names)
      items.push_back({.name = name, .path = name, .kept = name == kept});
    shelf_ = std::make_unique<Shelf>(
        std::move(items),
        [this](const std::string& path, uint64_t granted) -> Result<std::unique_ptr<ServedModel>> {
          if (path.starts_with("broken")) return error("/secret/place: is no model");
          grants[path] = granted;
          auto script = std::make_shared<FakeModel::Script>();
          script->memory = size_in(path);
          scripts_.push_back(script);
          return std::unique_ptr<ServedModel>(std::make_unique<FakeModel>(script));
        },
        ShelfOptions{.memory = memory,
                     .room = [](const std::string& path) -> Result<ModelRoom> {
                       if (path.starts_with("broken")) return ModelRoom{};
                       return ModelRoom{.weights = size_in(path) - 10,
                                        .context = 7,
                                        .least = size_in(path),
                                        .most = size_in(path) + 5};
                     },
                     .free = [this]() -> Result<uint64_t> { return free - used(); },
                     .failed = [this](std::string_view message) { failure = message; }});
  }
  Result<Lease> open(const std::string& name) {
    std::promise<Result<Lease>> ready;
    shelf_->open(*shelf_->find(name), {},
                 [&](Result<Lease> model) { ready.set_value(std::move(model)); });
    return ready.get_future().get();
  }
  std::set<std::string> loaded() {
    std::set<std::string> names;
    for (const auto& one : shelf_->loaded()) names.insert(one.item->name);
    return names;
  }

  std::map<std::string, uint64_t> grants;
  std::string failure;
  uint64_t free = 1 << 20;  // were no model loaded

 private:
  uint64_t used() const {
    uint64_t bytes = 0;
    for (const auto& script : scripts_)
      if (const auto alive = script.lock()) bytes += alive->memory;
    return bytes;
  }

  std::vector<std::weak_ptr<FakeModel::Script>> scripts_;
  std::unique_ptr<Shelf> shelf_;
};

using Names = std::set<std::string>;

TEST(Shelf, TheLongestUnusedMakesRoom) {
  Models models({"a40", "b40", "c40", "d90"}, 100);
  for (const char* name : {"a40", "b40", "a40"}) ASSERT_TRUE(models.open(name)) << name;
  EXPECT_EQ(models.loaded(), (Names{"a40", "b40"}));
  EXPECT_EQ(models.grants["a40"], 45u);
  EXPECT_EQ(models.grants["b40"], 45u);
  ASSERT_TRUE(models.open("c40"));  // b is unused for longer than a
  EXPECT_EQ(models.loaded(), (Names{"a40", "c40"}));
  ASSERT_TRUE(models.open("d90"));
  EXPECT_EQ(models.loaded(), (Names{"d90"}));
  EXPECT_EQ(models.grants["d90"], 95u);
}

TEST(Shelf, WhatIsInUseOrWasNamedStays) {
  Models models({"a40", "b40", "c40"}, 100, "a40");
  ASSERT_TRUE(models.open("a40"));
  {
    const auto used = models.open("b40");
    const auto refused = models.open("c40");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "c40 needs 40 B: 30 B for its weights and the rest for 7 tokens of context; of 100 B "
              "for models 20 B are left beside a40 (40 B), b40 (40 B)");
  }
  ASSERT_TRUE(models.open("c40"));
  EXPECT_EQ(models.loaded(), (Names{"a40", "c40"}));
}

TEST(Shelf, WhatNeverFitsIsToldWithTheNumbers) {
  Models models({"a40", "b120"}, 100);
  ASSERT_TRUE(models.open("a40"));
  const auto refused = models.open("b120");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("needs 120 B"), std::string::npos);
  EXPECT_NE(refused.error().message.find("100 B are left"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(models.loaded(), Names{"a40"}) << "put back for nothing";
}

TEST(Shelf, WhatOthersTookMeanwhileIsNotThere) {
  Models models({"a20", "b40", "c60"}, 100);
  models.free = 55;
  ASSERT_TRUE(models.open("a20"));
  ASSERT_TRUE(models.open("b40"));  // 35 are free: a goes
  EXPECT_EQ(models.loaded(), Names{"b40"});
  const auto refused = models.open("c60");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("of 55 B for models 55 B are left"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(models.loaded(), Names{"b40"});
}

TEST(Shelf, AModelAloneMayTakeAll) {
  Models models({"a40"}, 100);
  ASSERT_TRUE(models.open("a40"));
  EXPECT_EQ(models.grants["a40"], 100u);
}

TEST(Shelf, ClientsAreToldNoPaths) {
  Models models({"broken"}, 100);
  const auto refused = models.open("broken");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "broken cannot be loaded now");
  EXPECT_EQ(models.failure, "/secret/place: is no model");
}

}  // namespace
}  // namespace r1
