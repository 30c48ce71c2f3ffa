// Law 6 of training: r1 train killed at random moments, again and again, and the same command each
// time, ends with the same bits as a run that nobody disturbed.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/e2e/process.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

// R1_KILLS asks for more (bench/kills).
int wanted_kills() {
  const char* more = std::getenv("R1_KILLS");
  return more ? std::atoi(more) : 20;
}
constexpr int kSteps = 240;

// A model small enough for hundreds of steps a second, which saves after every third.
class TrainKill : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "model");
    std::ofstream(folder_ / "model/config.json") << R"({"model_type": "llama",
      "architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 32,
      "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": false})";
    std::ofstream data(folder_ / "data.jsonl");
    std::mt19937 random(1);
    for (int i = 0; i < 50; ++i) {
      data << "{\"ids\": [1";
      for (int j = 0; j < 9; ++j) data << ", " << random() % 31;
      data << "]}\n";
    }
    std::ofstream(folder_ / "recipe.toml")
        << "[run]\nsteps = " << kSteps << "\nthreads = 1\n[model]\nconfig = \"" << folder_ / "model"
        << "\"\n[data]\ntrain = [\"" << folder_ / "data.jsonl"
        << "\"]\nevaluate_examples = 4\n[batch]\nsequences = 4\n[optimizer]\nlr = 0.01\n"
           "[checkpoint]\nevery = 3\n[evaluate]\nevery = 60\n";
  }

  std::vector<std::string> command(const std::string& out) const {
    return {"train", kind_, folder_ / "recipe.toml", "--set", "run.out=" + (folder_ / out)};
  }
  // Every tensor that training made, as bytes.
  std::string result(const std::string& out) const {
    std::string all;
    for (const char* name : {"model", "adamw_m", "adamw_v"}) {
      const std::string path =
          folder_ / (out + "/step-" + std::to_string(steps_) + "/" + name + ".safetensors");
      std::ifstream file(path, std::ios::binary);
      EXPECT_TRUE(file) << path;
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  // Runs the command for so long, then kills it; false: it had ended by itself, well.
  bool killed_after(const std::string& out, Milliseconds time) const {
    const pid_t child = ::fork();
    if (child == 0) {
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, 1);
      ::dup2(null, 2);
      become_r1(command(out), folder_ / "state");
    }
    std::this_thread::sleep_for(time);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return true;
    EXPECT_EQ(exit_code(status), 0);
    return false;
  }
  // The step of the newest checkpoint; 0: there is none.
  int newest(const std::string& out) const {
    int step = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / out)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("step-") && entry.path().extension().empty())
        step = std::max(step, std::stoi(name.substr(5)));
    }
    return step;
  }

  TemporaryFolder folder_;
  std::string kind_ = "pretrain";
  int steps_ = kSteps;
};

TEST_F(TrainKill, AKilledRunEndsWithTheSameBits) {
  const auto start = Clock::now();
  const Finished undisturbed = run_r1(command("undisturbed"));
  ASSERT_EQ(undisturbed.code, 0) << undisturbed.err;
  const Milliseconds whole = Clock::now() - start;
  const std::string wanted = result("undisturbed");

  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> share(0, 0.3);
  int kills = 0, round = 0;
  for (; kills < wanted_kills(); ++round) {
    const std::string out = "killed-" + std::to_string(round);
    int lives = 1;
    while (killed_after(out, whole * share(random))) {
      ++kills;
      ASSERT_LT(++lives, 1000) << "no progress; seed " << seed;
    }
    EXPECT_EQ(result(out), wanted) << "round " << round << ", seed " << seed;
    fs::remove_all(folder_ / out);
  }
  std::printf("%d kills, %d runs to the end, seed %u: the same bits\n", kills, round, seed);
}

// Rollouts that are half learned from, and the reference, go on too.
TEST_F(TrainKill, AKilledRunOfReinforcementEndsWithTheSameBits) {
  kind_ = "grpo";
  steps_ = 14;
  std::ofstream(folder_ / "recipe.toml")
      << "[run]\nsteps = " << steps_ << "\nthreads = 1\n[model]\nconfig = \"" << R1_SOURCE
      << "/models/r1-nano\"\n[grpo]\nprompts = 4\ngroup = 4\nmax_tokens = 12\nminibatches = 2\n"
         "epochs = 2\nreference_every = 5\nrewards = [\"accuracy\", \"0.1 language\"]\n"
         "evaluate_questions = 2\nevaluate_samples = 2\n[checkpoint]\nevery = 1\n";
  const auto start = Clock::now();
  const Finished undisturbed = run_r1(command("undisturbed"));
  ASSERT_EQ(undisturbed.code, 0) << undisturbed.err;
  const Milliseconds whole = Clock::now() - start;
  int lives = 1;
  for (int i = 0; i < 6 && killed_after("killed", whole * 0.4); ++i) ++lives;
  ASSERT_EQ(run_r1(command("killed")).code, 0);
  EXPECT_GT(lives, 1);
  EXPECT_EQ(result("killed"), result("undisturbed"));
}

TEST_F(TrainKill, ADamagedCheckpointCostsOnlyItsSteps) {
  const auto start = Clock::now();
  ASSERT_EQ(run_r1(command("undisturbed")).code, 0);
  const Milliseconds whole = Clock::now() - start;
  const std::string wanted = result("undisturbed");
  for (const std::string damage : {"truncated", "flipped", "manifest"}) {
    while (killed_after(damage, whole * 0.6) && newest(damage) < 6) continue;  // two are there
    const fs::path damaged = folder_ / (damage + "/step-" + std::to_string(newest(damage)));
    const fs::path file =
        damaged / (damage == "manifest" ? "manifest.json" : "adamw_m.safetensors");
    const auto size = static_cast<int64_t>(fs::file_size(file));
    if (damage == "truncated") {
      fs::resize_file(file, static_cast<uintmax_t>(size - 1));
    } else {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(size / 2);
      const auto flipped = static_cast<char>(stream.get() ^ 1);
      stream.seekp(size / 2);
      stream.put(flipped);
    }
    const Finished again = run_r1(command(damage));
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_NE(again.err.find(file.string() + ": "), std::string::npos) << again.err;
    EXPECT_NE(again.err.find("the one before it is used"), std::string::npos) << again.err;
    EXPECT_EQ(result(damage), wanted) << damage;
  }
}

}  // namespace
}  // namespace r1
