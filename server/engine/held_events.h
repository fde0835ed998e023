// What an answer says before its first content (role, model, usage, provider's
// extras), held back: it must not commit a call to an upstream that has not
// answered yet. One per attempt.
#ifndef SLUICE_SERVER_ENGINE_HELD_EVENTS_H_
#define SLUICE_SERVER_ENGINE_HELD_EVENTS_H_

#include <optional>
#include <string>
#include <vector>

#include "server/codec/stream_event.h"

namespace sluice {

class HeldEvents {
 public:
  // An answer without content ends up to 128 choices, each with a part; the
  // rest is for a provider's extras.
  static constexpr size_t kMaxEvents = 512;
  static constexpr size_t kMaxBytes = 64 << 10;

  // False over a bound: no honest answer begins like this.
  [[nodiscard]] bool Hold(const StreamEvent& event);
  // The model as the upstream reports it; empty if it did not.
  const std::string& model() const { return model_; }
  // In order, usage last; forgets them.
  void Release(StreamEventHandler& handler);
  void Clear();

 private:
  struct Held {
    StreamEvent event;  // its views are set anew from the texts below
    std::string text;
    std::string id;
    std::string name;
    CitationValue citation;
  };

  std::string model_;
  std::vector<Held> events_;
  std::optional<UsageCounts> usage_;
  size_t bytes_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_HELD_EVENTS_H_
