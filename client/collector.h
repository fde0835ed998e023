// Events of a stream → the ChatResponse that a unary Chat would have given.
// One per call; not thread-safe.
#ifndef SLUICE_CLIENT_COLLECTOR_H_
#define SLUICE_CLIENT_COLLECTOR_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "client/extras_merge.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

class Collector {
 public:
  // 64 MiB: far above any answer, below what would hurt. A gateway that sends
  // more is not believed.
  static constexpr size_t kDefaultMaxBytes = 64u << 20;
  // What the API promises at most (ChatRequest.n), and far more parts than an
  // answer has.
  static constexpr int kMaxChoices = 128;
  static constexpr int kMaxParts = 4096;

  explicit Collector(size_t max_bytes = kDefaultMaxBytes) : max_bytes_(max_bytes) {}

  // False when the event cannot belong to a well-formed answer within the
  // bound; it is then left out and response() is not to be relied on. Kinds of
  // event that this version does not know are accepted and ignored.
  bool Add(const v1::ChatEvent& event);

  // The `end` event came and says COMPLETE or FALLBACK. Only with the status
  // OK as well is the answer whole; Client checks both.
  bool complete() const;
  // What is there so far; choices in order of index.
  v1::ChatResponse response() const;
  // The text of one answer so far, its text parts joined.
  std::string text(int choice = 0) const;

 private:
  void Restart();
  v1::Part* PartAt(const v1::ChatEvent& event, v1::Part::KindCase kind);
  bool Append(const v1::ChatEvent& event);

  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::map<int, v1::Choice> choices_;
  std::map<std::string, ExtrasMerge> extras_;  // by wire format
  // Everything but these.
  v1::ChatResponse rest_;
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_COLLECTOR_H_
