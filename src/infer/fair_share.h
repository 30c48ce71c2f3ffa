// Whose turn it is where requests wait: the owner's who was served least, by a virtual counter of
// tokens ("Fairness in Serving Large Language Models", OSDI 2024, arXiv 2401.00588). Who waited for
// nothing brings no credit along: an owner is counted from where those are who wait.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace r1 {

class FairShare {
 public:
  static constexpr int64_t kGenerated =
      2;  // what a generated token counts, one of a prompt being 1

  struct Owner {
    int64_t served = 0;   // tokens, weighed
    int64_t waiting = 0;  // requests
  };

  // One more request of theirs waits. The reference holds until clear().
  Owner& arrives(const std::string& name);
  void leaves(Owner& owner);  // one waits no longer
  void clear();               // when nothing is under way

 private:
  int64_t floor() const;

  std::map<std::string, Owner> owners_;
  const Owner* last_ = nullptr;  // who left last
};

}  // namespace r1
