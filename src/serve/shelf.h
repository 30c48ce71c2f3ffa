// The models a server offers, by name. A model is loaded when it is first wanted, by one thread of
// the shelf's own, and put back when nobody has wanted it for a while, or when another needs the
// memory; those that are `kept` stay.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "infer/fit.h"
#include "serve/model.h"

namespace r1 {

// A name made of another's weights, with a system prompt and options of its own: NAME.r1.json in
// the folder.
struct MadeFrom {
  std::string from, system;
  nlohmann::ordered_json parameters;  // as Ollama's options; may be null
};
inline constexpr const char* kMadeFromEnding = ".r1.json";

// What a name stands for: "qwen-7b" for qwen-7b.gguf, and for a folder its name.
struct ShelfItem {
  std::string name, path;
  bool kept = false;  // never put back for want of use
  uint64_t bytes = 0;
  int64_t modified = 0;  // seconds since 1970
  std::shared_ptr<const MadeFrom> made = nullptr;
};

// Refuses what is no model file or folder, with the path.
Result<ShelfItem> shelf_item(const std::string& path);
// Every .gguf file, every folder with a config.json and every name made of them in `folder`, by
// name.
Result<std::vector<ShelfItem>> shelf_items(const std::string& folder);

struct ShelfOptions {
  double keep_seconds = 300;  // unused, before a model is put back
  std::string folder = {};    // where refresh() looks; "": nowhere
  // Bytes for all models together, and what one wants of them. 0: each takes what is free when it
  // is loaded.
  uint64_t memory = 0;
  std::function<Result<ModelRoom>(const std::string& path)> room = {};
  // What is free now, where `memory` is what was free once: models get no more. {}: not asked.
  std::function<Result<uint64_t>()> free = {};
  std::function<void(std::string_view)> failed = {};  // hears why a model could not be loaded
};

class Shelf {
 public:
  // memory: bytes that the model may take; 0: what is free.
  using Open =
      std::function<Result<std::unique_ptr<ServedModel>>(const std::string& path, uint64_t memory)>;
  using Ready = std::function<void(Result<Lease>)>;
  using Clock = std::chrono::steady_clock;

  // Of two items with one name the first counts.
  Shelf(std::vector<ShelfItem> items, Open open, ShelfOptions options = {});
  ~Shelf();  // every lease must have been given up, or never be used again

  // Items live as long as the shelf, offered or not.
  std::vector<const ShelfItem*> items() const;
  // Offers what is in the folder now, beside the kept.
  Result<void> refresh();
  // Whose weights an item has: its own, or another's; null where that one is gone.
  const ShelfItem* weights(const ShelfItem& item) const;
  // By name; "name:latest" is the name too, and deepseek-reasoner and deepseek-chat, which clients
  // of DeepSeek say, are the first item.
  const ShelfItem* find(std::string_view name) const;

  // ready is called at once where the model is loaded, else from the shelf's thread; errors are
  // for clients to see: they name no file.
  // keep_seconds: how long it then stays unused; < 0: for good; none: as it was.
  void open(const ShelfItem& item, std::optional<double> keep_seconds, Ready ready);

  struct Loaded {
    const ShelfItem* item;
    Lease model;
    double expires_in;  // seconds; < 0: never
  };
  std::vector<Loaded> loaded();

 private:
  struct Place {
    std::unique_ptr<ServedModel> model;
    int64_t leases = 0;
    double keep = 300;
    Clock::time_point used;
    std::vector<Ready> waiting;
  };
  struct State {
    std::mutex mutex;
    std::condition_variable wake;
    std::map<const ShelfItem*, Place> places;
    std::deque<const ShelfItem*> wanted;
    bool stop = false;
  };

  Lease lend(Place& place, bool to_use = true);  // to look at it: it grows no younger
  void work();
  void put_back(std::unique_lock<std::mutex>& lock);
  Result<std::unique_ptr<ServedModel>> load(std::unique_lock<std::mutex>& lock,
                                            const ShelfItem& item);
  Result<uint64_t> make_room(std::unique_lock<std::mutex>& lock, const ShelfItem& item,
                             const ModelRoom& room);

  mutable std::mutex names_;  // guards the next two
  std::deque<ShelfItem> all_;
  std::vector<const ShelfItem*> offered_;
  Open open_;
  ShelfOptions options_;
  std::shared_ptr<State> state_;  // outlives the shelf while a lease does
  std::thread worker_;
};

}  // namespace r1
