// What a call said to its sink, kept so that others can be told the same: a
// bounded list of steps. Not thread-safe; SharedCall guards it.
#ifndef SLUICE_SERVER_SERVICE_CALL_LOG_H_
#define SLUICE_SERVER_SERVICE_CALL_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/stream_sink.h"

namespace sluice {

// One word of the engine to a sink, with all that it points to. Text is inside,
// for most steps are a few letters of it; the rest is shared between copies.
class CallStep {
 public:
  static CallStep Started(std::string_view served_by, std::string_view model);
  static CallStep Written(const StreamEvent& event);
  static CallStep Discarded();
  static CallStep Restarted();
  static CallStep Finished(const CallRecord& record);

  // Says it once more.
  void TellTo(StreamSink& sink) const;

  bool is_started() const { return word_ == Word::kStarted; }
  bool is_finish() const { return word_ == Word::kFinished; }
  // Of a step that is_started.
  std::string_view served_by() const { return text_; }
  // Memory, roughly.
  size_t bytes() const { return bytes_; }

 private:
  enum class Word : uint8_t { kStarted, kWritten, kDiscarded, kRestarted, kFinished };
  struct Rest;

  explicit CallStep(Word word) : word_(word) {}
  void TellEvent(StreamSink& sink) const;

  Word word_;
  StreamEvent::Kind kind_ = StreamEvent::Kind::kContent;
  int choice_ = 0;
  int part_ = 0;
  uint32_t bytes_ = 0;
  std::string text_;
  std::shared_ptr<const Rest> rest_;
};

class CallLog {
 public:
  void Add(CallStep step);
  // Forgets all steps; those who read go on with what is added next.
  void Clear();
  // Forgets what is before `position`.
  void TrimTo(uint64_t position);

  // Positions of the first step that is kept and of the next one to come.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return begin_ + steps_.size(); }
  const CallStep& at(uint64_t position) const { return steps_[position - begin_]; }
  size_t bytes() const { return bytes_; }

 private:
  std::deque<CallStep> steps_;
  uint64_t begin_ = 0;
  size_t bytes_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CALL_LOG_H_
