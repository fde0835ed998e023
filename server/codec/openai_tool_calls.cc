#include "server/codec/openai_tool_calls.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/json_members.h"
#include "server/codec/json_text.h"

namespace sluice {
namespace {

// Far beyond what models ask for at once; bounds what a hostile upstream can
// make us remember.
constexpr size_t kMaxToolCalls = 1024;
constexpr std::string_view kEmptyObject = "{}";

// FNV-1a, gone on with.
uint64_t HashOf(std::string_view text, uint64_t hash) {
  if (hash == 0) hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

bool IsBlank(std::string_view text) { return TrimBlanks(text).empty(); }

void SetMember(std::string_view key, std::string_view json, std::vector<std::pair<std::string, std::string>>& members) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const auto& each) { return each.first == key; });
  if (found != members.end()) {
    found->second.assign(json);
  } else {
    members.emplace_back(key, json);
  }
}

}  // namespace

bool OpenAiToolCalls::Fail(std::string problem) {
  problem_ = std::move(problem);
  return false;
}

bool OpenAiToolCalls::Add(const OpenAiToolDelta& delta, ToolCallSink& sink) {
  Fragment fragment{delta.index, UnescapeJson(delta.id, id_scratch_), UnescapeJson(delta.name, name_scratch_),
                    delta.arguments};
  if (!delta.arguments_are_json) fragment.arguments = UnescapeJson(delta.arguments, text_scratch_);
  const size_t before = calls_.size();
  const size_t at = delta.whole ? Begin(fragment) : PlaceOf(fragment);
  if (at == kNone) return Fail(absl::StrCat("more than ", kMaxToolCalls, " tool calls"));
  // What came before is complete as far as it will be told apart.
  if (calls_.size() > before) StartEarlier(sink);
  Call& call = calls_[at];
  if (call.id.empty()) call.id.assign(fragment.id);
  if (call.name.empty()) call.name.assign(fragment.name);
  size_t held = call.id.size() + call.name.size();
  for (const OpenAiMember& member : delta.state) {
    SetMember(member.key, WholeUtf8(member.json), call.state);
    held += member.json.size();
  }
  if (held > max_held_bytes_) return Fail("a tool call's id, name and state are too long");
  return TakeArguments(at, fragment.arguments, sink);
}

size_t OpenAiToolCalls::Begin(const Fragment& fragment, size_t repeats) {
  if (calls_.size() == kMaxToolCalls) return kNone;
  Call& call = calls_.emplace_back();
  call.index = fragment.index;
  call.repeats = repeats;
  return calls_.size() - 1;
}

size_t OpenAiToolCalls::SlotOf(const Fragment& fragment) const {
  if (calls_.empty()) return kNone;
  const size_t newest = calls_.size() - 1;
  if (fragment.index < 0) return newest;
  for (size_t i = calls_.size(); i-- > 0;) {
    if (calls_[i].index == fragment.index) return i;
  }
  // An index that comes only with the arguments.
  const bool alone = fragment.id.empty() && fragment.name.empty();
  return alone && calls_[newest].index < 0 ? newest : kNone;
}

size_t OpenAiToolCalls::WithId(const Fragment& fragment) const {
  size_t found = kNone;
  for (size_t i = calls_.size(); i-- > 0;) {
    if (calls_[i].id != fragment.id) continue;
    if (fragment.index < 0 || calls_[i].index == fragment.index) return i;
    if (found == kNone) found = i;
  }
  return found;
}

size_t OpenAiToolCalls::PlaceOf(const Fragment& fragment) {
  const size_t slot = SlotOf(fragment);
  if (!fragment.id.empty()) return PlaceById(fragment, slot);
  if (!fragment.name.empty()) return PlaceByName(fragment, slot);
  return slot != kNone ? slot : Begin(fragment);
}

size_t OpenAiToolCalls::PlaceById(const Fragment& fragment, size_t slot) {
  const size_t known = WithId(fragment);
  if (known != kNone) {
    const Call& call = calls_[known];
    const bool same_index = fragment.index < 0 || call.index < 0 || call.index == fragment.index;
    const bool says_again = call.arguments.closed() && !fragment.name.empty() && !IsBlank(fragment.arguments);
    return same_index && !says_again ? known : Begin(fragment, known);
  }
  if (slot == kNone) return Begin(fragment);
  const Call& call = calls_[slot];
  const bool other_name = !fragment.name.empty() && !call.name.empty() && fragment.name != call.name;
  // An id that comes late, or that changes.
  if (call.id.empty() && !call.started && !call.arguments.closed() && !other_name) return slot;
  if (fragment.name.empty() && (!call.arguments.closed() || IsBlank(fragment.arguments))) return slot;
  return Begin(fragment);
}

size_t OpenAiToolCalls::PlaceByName(const Fragment& fragment, size_t slot) {
  if (slot == kNone) return Begin(fragment);
  const Call& call = calls_[slot];
  if (call.name.empty()) return slot;
  if (call.arguments.closed() || fragment.name != call.name) return Begin(fragment);
  const bool first_arguments = call.arguments.blank() && !IsBlank(fragment.arguments);
  return first_arguments || !call.arguments.blank() ? slot : Begin(fragment);
}

bool OpenAiToolCalls::TakeArguments(size_t at, std::string_view text, ToolCallSink& sink) {
  while (!text.empty()) {
    if (calls_[at].arguments.closed()) {
      if (IsBlank(text)) return true;
      Call& call = calls_[at];
      const bool place_holder = call.held == kEmptyObject && call.repeats == kNone && TrimBlanks(text).front() == '{';
      if (place_holder) {
        call.held.clear();
        call.arguments = JsonBalance();
        call.hash = 0;
      } else {
        const Fragment next{call.index, {}, {}, text};
        const std::string name = call.name;
        if ((at = Begin(next, at)) == kNone) return Fail(absl::StrCat("more than ", kMaxToolCalls, " tool calls"));
        calls_[at].name = name;
      }
    }
    Call& call = calls_[at];
    const size_t size = call.arguments.Follow(text);
    call.hash = HashOf(text.substr(0, size), call.hash);
    if (!Take(call, text.substr(0, size), sink)) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool OpenAiToolCalls::Take(Call& call, std::string_view text, ToolCallSink& sink) {
  if (call.dropped) return true;
  if (call.repeats != kNone) {
    Suspect(call, text, sink);
    return true;
  }
  if (call.name.empty()) {
    call.held.append(text);
    return call.held.size() <= max_held_bytes_ || Fail("a tool call's arguments came without its name");
  }
  if (!call.started) Start(call, sink);
  if (text == kEmptyObject && call.arguments.closed() && call.held.empty()) {
    call.held.assign(text);
  } else {
    Show(call, text, sink);
  }
  return true;
}

void OpenAiToolCalls::Suspect(Call& call, std::string_view text, ToolCallSink& sink) {
  call.held.append(text);
  const bool no_object = call.arguments.whole() && !call.arguments.closed();
  if (no_object || call.held.size() > max_held_bytes_) call.dropped = true;
  if (call.dropped || !call.arguments.closed()) return;
  const Call& first = calls_[call.repeats];
  if (call.name.empty()) call.name = first.name;
  const bool same = call.hash == first.hash && first.arguments.closed() && call.name == first.name;
  call.dropped = same || call.held.find('{') == std::string::npos;
  if (call.dropped) return;
  call.repeats = kNone;
  Start(call, sink);
}

void OpenAiToolCalls::Start(Call& call, ToolCallSink& sink) {
  call.started = true;
  // An id that another call has too would give both the same result.
  const bool taken = std::any_of(calls_.begin(), calls_.end(), [&](const Call& other) {
    return &other != &call && other.started && !call.id.empty() && other.id == call.id;
  });
  call.part = sink.BeginTool(taken ? std::string_view() : call.id, call.name);
  const std::string held = std::exchange(call.held, {});
  if (!held.empty()) Show(call, held, sink);
}

void OpenAiToolCalls::StartEarlier(ToolCallSink& sink) {
  for (size_t i = 0; i + 1 < calls_.size(); ++i) {
    Call& call = calls_[i];
    if (!call.started && !call.dropped && call.repeats == kNone && !call.name.empty()) Start(call, sink);
  }
}

void OpenAiToolCalls::Show(Call& call, std::string_view text, ToolCallSink& sink) {
  const std::string_view whole = call.joiner.Join(text);
  if (!whole.empty()) sink.AddArguments(call.part, whole);
}

bool OpenAiToolCalls::End(ToolCallSink& sink) {
  for (Call& call : calls_) {
    if (call.dropped || call.repeats != kNone) continue;
    if (call.name.empty()) return Fail("a tool call without a name");
    if (!call.started) Start(call, sink);
    if (!call.held.empty()) sink.AddArguments(call.part, std::exchange(call.held, {}));
    const std::string_view rest = call.joiner.Flush();
    if (!rest.empty()) sink.AddArguments(call.part, rest);
    JsonMembers state;
    for (const auto& [key, json] : call.state) state.Add(key, json);
    sink.EndTool(call.part, state.empty() ? std::string() : state.Object());
  }
  return true;
}

bool OpenAiToolCalls::whole() const {
  return std::all_of(calls_.begin(), calls_.end(), [](const Call& call) {
    return call.dropped || call.repeats != kNone || call.arguments.blank() || call.arguments.whole();
  });
}

}  // namespace sluice
