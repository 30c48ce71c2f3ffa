#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "train/manifest.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/r1-checkpoint-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(folder_); }

  CheckpointStore store(CheckpointStore::Policy policy = {}) {
    auto opened = CheckpointStore::open(
        folder_, policy, [this](const std::string& line) { warnings_ += line + '\n'; });
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }
  // The state of a step: everything in it depends on the step.
  SavedState state(int64_t step) {
    weights_.resize(1000);
    std::iota(weights_.begin(), weights_.end(), static_cast<float>(step));
    tokens_ = {1, static_cast<int32_t>(step), -7};
    return {{state_tensor("model/blk.0.w", {10, 100}, weights_),
             state_tensor("adam/m.blk.0.w", {1000}, weights_), state_tensor("data/queue", tokens_)},
            {{"step", step}, {"rate", 0.1 * static_cast<double>(step)}, {"recipe", "[model]\n"}}};
  }
  static void expect_state(const LoadedCheckpoint& loaded, const SavedState& wanted) {
    EXPECT_EQ(loaded.state.values, wanted.values);
    ASSERT_EQ(loaded.state.tensors.size(), wanted.tensors.size());
    for (const TensorInfo& t : wanted.tensors) {
      const TensorInfo* found = loaded.state.find(t.name);
      ASSERT_TRUE(found) << t.name;
      EXPECT_EQ(found->shape, t.shape);
      EXPECT_TRUE(std::ranges::equal(found->bytes, t.bytes)) << t.name;
    }
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_))
      all.push_back(entry.path().filename());
    std::ranges::sort(all);
    return all;
  }

  std::string folder_, warnings_;
  std::vector<float> weights_;
  std::vector<int32_t> tokens_;
};

TEST_F(CheckpointTest, HoldsEveryBitOfTheState) {
  auto checkpoints = store();
  const auto none = checkpoints.load_newest();
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  ASSERT_TRUE(checkpoints.save(7, 0.25, state(7)));
  ASSERT_TRUE(checkpoints.save(12, {}, state(12)));
  const auto loaded = checkpoints.load_newest();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->entry.step, 12);
  EXPECT_EQ((*loaded)->entry.score, std::nullopt);
  expect_state(**loaded, state(12));
  EXPECT_EQ(warnings_, "");

  std::vector<float> copied(1000);
  EXPECT_TRUE((*loaded)->state.copy("model/blk.0.w", copied));
  EXPECT_EQ(copied, weights_);
  copied.resize(999);
  EXPECT_EQ((*loaded)->state.copy("model/blk.0.w", copied).error().message,
            "the checkpoint's model/blk.0.w has 4000 bytes of F32, 999 F32 values expected");
  EXPECT_EQ((*loaded)->state.integer("epoch").error().message, "the checkpoint says no epoch");
  EXPECT_EQ((*loaded)->state.integer("rate").error().message,
            "the checkpoint's rate is no integer");
}

TEST_F(CheckpointTest, KeepsTheLastAndTheBest) {
  auto checkpoints = store({.last = 2, .best = 2});
  const double scores[] = {0.1, 0.9, 0.3, 0.9, 0.2, 0.4};
  for (int64_t step = 0; step < 6; ++step)
    ASSERT_TRUE(checkpoints.save(step, scores[step], state(step)));
  const auto kept = list_checkpoints(folder_);
  ASSERT_TRUE(kept);
  std::vector<int64_t> steps;
  for (const CheckpointEntry& e : *kept) steps.push_back(e.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 3, 4, 5}));
  EXPECT_EQ((*kept)[1].score, 0.9);
  ASSERT_TRUE(checkpoints.save(10, {}, state(10)));
  EXPECT_EQ(names(), (std::vector<std::string>{".lock", "step-1", "step-10", "step-3", "step-5"}));
}

TEST_F(CheckpointTest, AStepSavedAgainIsReplaced) {
  auto checkpoints = store();
  ASSERT_TRUE(checkpoints.save(5, {}, state(4)));
  ASSERT_TRUE(checkpoints.save(5, {}, state(5)));
  const auto loaded = checkpoints.load_newest();
  ASSERT_TRUE(loaded);
  expect_state(**loaded, state(5));
  EXPECT_EQ(names(), (std::vector<std::string>{".lock", "step-5"}));
}

TEST_F(CheckpointTest, ADamagedOneIsNamedAndTheOneBeforeItUsed) {
  // Every kind of damage to each file: a flipped bit anywhere, a truncation, a file gone.
  for (const std::string name : {"model.safetensors", "data.safetensors", "manifest.json"}) {
    for (const int kind : {0, 1, 2, 3, 4}) {
      warnings_.clear();
      fs::remove_all(folder_);
      auto checkpoints = store();
      ASSERT_TRUE(checkpoints.save(1, {}, state(1)));
      ASSERT_TRUE(checkpoints.save(2, {}, state(2)));
      const std::string file = path("step-2/" + name);
      const auto size = static_cast<int64_t>(fs::file_size(file));
      if (kind < 3) {  // bits of the first, the middle and the last byte but one
        const int64_t at = kind == 0 ? 0 : kind == 1 ? size / 2 : size - 2;
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(at);
        const auto flipped = static_cast<char>(stream.get() ^ 4);
        stream.seekp(at);
        stream.put(flipped);
      } else if (kind == 3) {
        fs::resize_file(file, static_cast<uintmax_t>(size / 2));
      } else {
        fs::remove(file);
      }
      const auto loaded = checkpoints.load_newest();
      ASSERT_TRUE(loaded) << loaded.error().message;
      EXPECT_EQ((*loaded)->entry.step, 1);
      expect_state(**loaded, state(1));
      EXPECT_NE(warnings_.find(file), std::string::npos) << warnings_;
      EXPECT_NE(warnings_.find("is now " + path("step-2.damaged")), std::string::npos);
      ASSERT_TRUE(checkpoints.save(2, {}, state(2)));
      expect_state(**checkpoints.load_newest(), state(2));
    }
  }
}

TEST_F(CheckpointTest, NoneThatIsWholeIsNoFreshStart) {
  {
    auto checkpoints = store();
    ASSERT_TRUE(checkpoints.save(3, {}, state(3)));
    fs::resize_file(path("step-3/manifest.json"), 20);
  }
  for (int i = 0; i < 2; ++i) {
    const auto loaded = store().load_newest();
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().message,
              folder_ + ": no checkpoint is whole: remove the folder to start again");
  }
}

TEST_F(CheckpointTest, LeftoversOfKilledSavesAreCleared) {
  {
    auto checkpoints = store();
    ASSERT_TRUE(checkpoints.save(1, {}, state(1)));
  }
  fs::copy(path("step-1"), path(".saving-step-2"));
  fs::copy(path("step-1"), path(".removing-step-0"));
  auto checkpoints = store();
  EXPECT_EQ(names(), (std::vector<std::string>{".lock", "step-1"}));
}

TEST_F(CheckpointTest, OneRunAtATime) {
  const auto first = store();
  const auto second = CheckpointStore::open(folder_, {}, {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another run"), std::string::npos);
}

TEST_F(CheckpointTest, WhatCannotBeWrittenLeavesTheOthers) {
  const pid_t child = ::fork();  // the limit is the process's
  if (child == 0) {
    auto checkpoints = store();
    bool as_wanted = static_cast<bool>(checkpoints.save(1, {}, state(1)));
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{2000, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto failed = checkpoints.save(2, {}, state(2));
    as_wanted = as_wanted && !failed &&
                failed.error().message.starts_with(
                    "cannot save the checkpoint of step 2 (those before it are whole): cannot "
                    "write " +
                    path(".saving-step-2/model.safetensors"));
    const auto loaded = checkpoints.load_newest();
    as_wanted = as_wanted && loaded && *loaded && (*loaded)->entry.step == 1;
    as_wanted = as_wanted && names() == std::vector<std::string>{".lock", "step-1"};
    ::_exit(as_wanted ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Manifest, RefusesWhatItDidNotWrite) {
  Manifest m{.step = 3, .score = 0.5, .values = {{"seed", int64_t{1} << 62}}, .files = {}};
  m.files.push_back({"model.safetensors", 12, "00"});
  const auto text = manifest_text(m);
  ASSERT_TRUE(text);
  const auto back = parse_manifest(*text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->values, m.values);
  EXPECT_EQ(back->files[0].bytes, 12u);
  // Any changed character that still means something else is noticed.
  for (size_t i = 0; i + 1 < text->size(); ++i) {
    std::string changed = *text;
    changed[i] = changed[i] == '1' ? '2' : '1';
    if (changed == *text) continue;
    EXPECT_FALSE(parse_manifest(changed)) << changed;
  }
  m.files[0].name = "../model.safetensors";
  EXPECT_EQ(parse_manifest(*manifest_text(m)).error().message,
            "\"../model.safetensors\" is no name of a file here");
  m.values["rate"] = std::nan("");
  EXPECT_EQ(manifest_text(m).error().message, "value rate: nan is not finite");
  m.values["rate"] = "\xff";
  EXPECT_EQ(manifest_text(m).error().message, "a value is not valid UTF-8");
}

}  // namespace
}  // namespace r1
