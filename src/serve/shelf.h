// The models a server offers, by name. A model is loaded when it is first wanted, by one thread of
// the shelf's own, and put back when nobody has wanted it for a while; those that are `kept` stay.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "serve/model.h"

namespace r1 {

// What a name stands for: "qwen-7b" for qwen-7b.gguf, and for a folder its name.
struct ShelfItem {
  std::string name, path;
  bool kept = false;  // never put back for want of use
  uint64_t bytes = 0;
  int64_t modified = 0;  // seconds since 1970
};

// Refuses what is no model file or folder, with the path.
Result<ShelfItem> shelf_item(const std::string& path);
// Every .gguf file and every folder with a config.json in `folder`, by name.
Result<std::vector<ShelfItem>> shelf_items(const std::string& folder);

class Shelf {
 public:
  using Open = std::function<Result<std::unique_ptr<ServedModel>>(const std::string& path)>;
  using Ready = std::function<void(Result<Lease>)>;
  using Clock = std::chrono::steady_clock;

  // Of two items with one name the first counts.
  Shelf(std::vector<ShelfItem> items, Open open, double keep_seconds = 300);
  ~Shelf();  // every lease must have been given up, or never be used again

  const std::vector<ShelfItem>& items() const { return items_; }
  // By name; "name:latest" is the name too, and deepseek-reasoner and deepseek-chat, which clients
  // of DeepSeek say, are the first item.
  const ShelfItem* find(std::string_view name) const;

  // ready is called at once where the model is loaded, else from the shelf's thread.
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

  Lease lend(Place& place);
  void work();
  void put_back(std::unique_lock<std::mutex>& lock);

  std::vector<ShelfItem> items_;
  Open open_;
  double keep_seconds_;
  std::shared_ptr<State> state_;  // outlives the shelf while a lease does
  std::thread worker_;
};

}  // namespace r1
