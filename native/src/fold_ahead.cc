// Fetches what identity is going to read and write for staged rows, ahead of their fold in JavaScript.
//
// A row leads from its nodes to their words, from these to anchors, and from an anchor to its newest edge: each lies
// at a random place of an array larger than any cache. The fold would wait for them one behind another.
#include <napi.h>

#include <algorithm>
#include <cstdint>

#include "prefetch.h"
#include "segment_format.h"

namespace tributary {

namespace {

constexpr uint32_t kWordsPerRow = 4;  // row_nodes.h
constexpr uint32_t kRowsTogether = 32;

// Shared with identity/edge-graph.ts.
struct EdgeLink {
  uint32_t a, b, after_of_a, after_of_b;
};

template <typename Element>
const Element* Elements(const Napi::Value& array) {
  return reinterpret_cast<const Element*>(array.As<Napi::Uint32Array>().Data());
}

// fetchFold(nodes, rows, words, profileOf, records, times, edgeHeads, edgeLinks): the rows are those of row_nodes.h, the
// arrays identity's, which have room for all that their nodes lead to. It runs in the main thread, which alone changes
// them.
Napi::Value FetchFold(const Napi::CallbackInfo& info) {
  const uint32_t* nodes = Elements<uint32_t>(info[0]);
  const uint32_t rows = info[1].As<Napi::Number>().Uint32Value();
  const uint32_t* words = Elements<uint32_t>(info[2]);
  const uint32_t* profile_of = Elements<uint32_t>(info[3]);
  const AnchorRecord* records = Elements<AnchorRecord>(info[4]);
  const AnchorTimes* times = Elements<AnchorTimes>(info[5]);
  const uint32_t* edge_heads = Elements<uint32_t>(info[6]);
  const EdgeLink* edge_links = Elements<EdgeLink>(info[7]);
  for (uint32_t done = 0; done < rows; done += kRowsTogether) {
    const uint32_t* row = nodes + size_t{done} * kWordsPerRow;
    const uint32_t* end = row + size_t{std::min(rows - done, kRowsTogether)} * kWordsPerRow;
    uint32_t visitors[kRowsTogether];
    for (const uint32_t* at = row; at < end; at += kWordsPerRow) {
      PrefetchLine(words + at[0]);
      PrefetchLine(words + at[1]);
    }
    uint32_t* visitor = visitors;
    for (const uint32_t* at = row; at < end; at += kWordsPerRow, visitor++) {
      // The word of no node is 0, and so is its anchor; nobody has that, and its places are always there.
      uint32_t user = words[at[0]] & kOrdinalMask;
      *visitor = words[at[1]] & kOrdinalMask;
      uint32_t counted = user == 0 ? *visitor : user;
      PrefetchLine(profile_of + user);
      PrefetchLine(profile_of + *visitor);
      PrefetchLine(edge_heads + *visitor);
      PrefetchLine(records + counted);
      PrefetchLine(times + counted);
    }
    for (const uint32_t* known = visitors; known < visitor; known++) {
      PrefetchLine(edge_links + edge_heads[*known]);
    }
  }
  return info.Env().Undefined();
}

}  // namespace

void InitFoldAhead(Napi::Env env, Napi::Object exports) {
  exports.Set("fetchFold", Napi::Function::New(env, FetchFold, "fetchFold"));
}

}  // namespace tributary
