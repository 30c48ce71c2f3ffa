// Traces as people and the page look at them: a line of a list, and a whole one with the structure
// of its thought.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "grade/thought.h"
#include "serve/trace.h"
#include "serve/trace_log.h"

namespace r1 {

// id, time, model, key, user, prompt (its first 200 characters), thought_tokens, answer_tokens,
// finish, seconds, snippet (of a search: HTML, the words found in <b>). Of an erasure: id, time,
// erased (ids), reason.
nlohmann::ordered_json trace_summary(const TraceLine& line);

// All of the content but its nonce and folders; "structure" too, its places in UTF-16's units, as
// JavaScript counts. Of what was erased: id, erased, digest, chain.
nlohmann::ordered_json trace_whole(const TraceLine& line);

bool is_erasure(const TraceLine& line);
ThoughtStructure structure_of(const TraceLine& line);

}  // namespace r1
