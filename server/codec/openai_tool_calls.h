// The tool calls of one choice, and which of them a fragment belongs to. Servers
// tell calls apart by index, by id, by name, or not at all; this is the one
// place that decides:
// - A new id begins a call, where it comes with a name. An id that changes
//   without one means nothing.
// - A name after whole arguments, or after none, begins a call; a name said again
//   while arguments are incomplete, or with the first of them, does not.
// - Each element of a whole message is a call.
// - What has neither goes on with the call of its index, else with the newest.
// - A call told twice (same id, name and arguments) is one; whole arguments in
//   one text behind others are another call of the same tool; anything else
//   behind whole arguments is nothing.
// - "{}" before other arguments was a place holder.
// Belongs to one OpenAiChoice.
#ifndef SLUICE_SERVER_CODEC_OPENAI_TOOL_CALLS_H_
#define SLUICE_SERVER_CODEC_OPENAI_TOOL_CALLS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/codec/json_balance.h"
#include "server/codec/openai_delta.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {

// Takes the calls as they come out.
class ToolCallSink {
 public:
  virtual ~ToolCallSink() = default;
  // Begins a part: its number. `id` is empty where the upstream told none that
  // is its own.
  virtual int BeginTool(std::string_view id, std::string_view name) = 0;
  virtual void AddArguments(int part, std::string_view text) = 0;
  // `state`: a JSON object, or empty.
  virtual void EndTool(int part, std::string_view state) = 0;
};

class OpenAiToolCalls {
 public:
  // `max_held_bytes` bounds what is held back of a call.
  explicit OpenAiToolCalls(size_t max_held_bytes) : max_held_bytes_(max_held_bytes) {}

  // False: the answer is broken; see problem().
  bool Add(const OpenAiToolDelta& delta, ToolCallSink& sink);
  // Nothing more comes: begins what was held back and ends every call. False: a
  // call never got its name.
  bool End(ToolCallSink& sink);

  // Every call has whole arguments, or none.
  bool whole() const;
  const std::string& problem() const { return problem_; }

 private:
  static constexpr size_t kNone = SIZE_MAX;

  struct Call {
    int64_t index = -1;
    std::string id;  // as the upstream told it
    std::string name;
    JsonBalance arguments;
    uint64_t hash = 0;  // of the arguments
    // Arguments that are not out yet: before the name, a place holder, or those of
    // what may be a repetition.
    std::string held;
    // The call that this one may only repeat.
    size_t repeats = kNone;
    bool dropped = false;
    bool started = false;
    int part = 0;
    std::vector<std::pair<std::string, std::string>> state;
    Utf8Joiner joiner;
  };

  struct Fragment {
    int64_t index;
    std::string_view id;
    std::string_view name;
    std::string_view arguments;
  };

  bool Fail(std::string problem);
  // The number of the call that the fragment belongs to, a new one perhaps;
  // kNone over the bound.
  size_t PlaceOf(const Fragment& fragment);
  size_t PlaceById(const Fragment& fragment, size_t slot);
  size_t PlaceByName(const Fragment& fragment, size_t slot);
  size_t SlotOf(const Fragment& fragment) const;
  size_t WithId(const Fragment& fragment) const;
  size_t Begin(const Fragment& fragment, size_t repeats = kNone);
  bool TakeArguments(size_t at, std::string_view text, ToolCallSink& sink);
  bool Take(Call& call, std::string_view text, ToolCallSink& sink);
  // Of a call that may be a repetition.
  void Suspect(Call& call, std::string_view text, ToolCallSink& sink);
  void Start(Call& call, ToolCallSink& sink);
  void StartEarlier(ToolCallSink& sink);
  void Show(Call& call, std::string_view text, ToolCallSink& sink);

  size_t max_held_bytes_;
  std::vector<Call> calls_;
  std::string id_scratch_;
  std::string name_scratch_;
  std::string text_scratch_;
  std::string problem_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_TOOL_CALLS_H_
