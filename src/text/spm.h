// SentencePiece BPE (Kudo & Richardson 2018) as GGUF stores it: tokens with scores. Any two
// neighbours whose joined text is a token merge, the highest score first.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "text/bpe.h"

namespace r1 {

// Scores -> merge rules: rank = position of the joined token's score, equal scores sharing one.
// Characters that are no tokens but occur in them get stand-in ids from vocab.size() up.
// mergeable[id]: whether a merge may give id.
Result<Merges> spm_merges(const Vocab& vocab, const std::vector<float>& scores,
                          const std::vector<bool>& mergeable,
                          std::unordered_map<std::string, int32_t>& stand_ins);

}  // namespace r1
