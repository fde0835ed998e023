#include "tests/codec/odd_answers.h"

#include <algorithm>
#include <random>

namespace sluice {
namespace {

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c == '\n') {
      out += "\\n";
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

// How the calls of an answer are told apart.
enum class Telling { kIndexAndId, kIndexOnly, kIdOnly, kOneIndex, kNamesOnly, kOneList };

struct Call {
  std::string name;
  std::string arguments;  // empty: none
  int index = 0;
};

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  OddAnswer Make() {
    telling_ = static_cast<Telling>(Below(6));
    const int steps = 1 + Below(5);
    for (int i = 0; i < steps; ++i) Step();
    if (Chance(0.5)) Calls();
    if (Chance(0.3)) Text();
    Usage();
    Ending();
    return std::move(out_);
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  bool Chance(double p) { return static_cast<double>(random_() % 10000) < p * 10000; }
  template <class T>
  T OneOf(std::vector<T> items) {
    return items[Below(static_cast<int>(items.size()))];
  }

  std::string Word() { return OneOf<std::string>({"a", "blue ", "\xC3\xA4", "\"q\"", "x\\y", "\n", "\xF0\x9F\x98\x80", "0", "{", "]"}); }

  void Step() {
    if (Chance(0.3)) Reasoning();
    Text();
    if (Chance(0.3)) Noise();
  }

  // One chunk that says `choice` (its members but the index) and `top`.
  void Chunk(const std::string& choice, const std::string& top = "") {
    const std::string index = OneOf<std::string>({"\"index\":0,", "\"index\":0,", "\"index\":\"0\",", "\"index\":0.0,", ""});
    const std::string odd = OneOf<std::string>({"", "", "", R"("id":5,)", R"("model":{"name":"m"},)", R"("error":"",)",
                                                R"("error":{},)", R"("usage":"",)", R"("citations":["x"],)"});
    events_.push_back("{" + odd + "\"choices\":[{" + index + choice + "}]" + top + "}");
    if (Chance(0.1)) Noise();
  }

  void Delta(const std::string& members, const std::string& finish = "") {
    const std::string odd = OneOf<std::string>({"", "", R"("role":"assistant",)", R"("refusal":false,)", R"("audio":null,)"});
    Chunk("\"delta\":{" + odd + members + "}" + (finish.empty() ? "" : ",\"finish_reason\":" + finish));
  }

  void Noise() {
    switch (Below(6)) {
      case 0:
        return events_.push_back("ping");
      case 1:
        return events_.push_back("null");
      case 2:
        return Delta("\"content\":\"\"", OneOf<std::string>({"", "null", "\"\"", "false", "\"null\""}));
      case 3:
        return Chunk("\"delta\":[]");
      case 4:
        return events_.push_back(R"({"choices":[],"prompt_filter_results":[{}]})");
      default:
        return events_.push_back(R"({"choices":null,"usage":{}})");
    }
  }

  void Text() {
    const std::string word = Word();
    out_.meant.text += word;
    const std::string text = Quoted(word);
    switch (Below(6)) {
      case 0:
        return Delta("\"content\":[{\"type\":\"text\",\"text\":" + text + "}]");
      case 1:
        return Delta("\"content\":[" + text + "]");
      case 2:
        return Chunk("\"text\":" + text);
      default:
        return Delta("\"content\":" + text);
    }
  }

  void Reasoning() {
    const std::string word = Word();
    out_.meant.reasoning += word;
    const std::string text = Quoted(word);
    switch (Below(5)) {
      case 0:
        return Delta("\"reasoning\":" + text + ",\"reasoning_content\":" + text);
      case 1:
        return Delta("\"reasoning\":" + text);
      case 2:
        return Delta("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":" + text + "}]}]");
      case 3:
        return Delta("\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":" + text + "}]");
      default:
        return Delta("\"reasoning_content\":" + text);
    }
  }

  std::vector<Call> MeantCalls() {
    std::vector<Call> calls(1 + Below(3));
    for (size_t i = 0; i < calls.size(); ++i) {
      Call& call = calls[i];
      call.index = static_cast<int>(i);
      call.name = OneOf<std::string>({"weather", "clock"});
      call.arguments = OneOf<std::string>({R"({"city":"B\"}{ern"})", R"({"a":[1,{"b":2.50}]})", "{}", ""});
      // A name that is said again after no arguments may be either.
      const bool unclear = i > 0 && calls[i - 1].arguments.empty() && calls[i - 1].name == call.name;
      if (unclear) calls[i - 1].arguments = "{}";
    }
    return calls;
  }

  std::string CallJson(const Call& call, bool head, const std::string& arguments) {
    std::string json = "{";
    const bool index = telling_ == Telling::kIndexAndId || telling_ == Telling::kIndexOnly;
    if (index) json += "\"index\":" + std::to_string(call.index) + ",";
    if (telling_ == Telling::kOneIndex) json += "\"index\":0,";
    const bool id = telling_ == Telling::kIndexAndId || telling_ == Telling::kIdOnly || telling_ == Telling::kOneIndex;
    if (head && id) json += "\"id\":\"call" + std::to_string(call.index) + "\",";
    if (head && !id && Chance(0.3)) json += "\"id\":\"\",";
    json += "\"type\":\"function\",\"function\":{";
    if (head) json += "\"name\":" + Quoted(call.name);
    if (!arguments.empty()) json += std::string(head ? "," : "") + "\"arguments\":" + arguments;
    return json + "}}";
  }

  static std::string CallList(const std::string& calls) { return "\"tool_calls\":[" + calls + "]"; }

  // The arguments of each call in pieces, the first with its head.
  std::vector<std::string> Fragments(const Call& call) {
    if (call.arguments.empty()) return {CallJson(call, true, OneOf<std::string>({"", "\"\"", "null"}))};
    if (Chance(0.2)) return {CallJson(call, true, call.arguments)};
    std::vector<std::string> fragments;
    size_t at = 0;
    if (Chance(0.4)) fragments.push_back(CallJson(call, true, "\"\""));
    while (at < call.arguments.size()) {
      const size_t size = Chance(0.5) ? call.arguments.size() : 1 + Below(8);
      fragments.push_back(CallJson(call, fragments.empty(), Quoted(call.arguments.substr(at, size))));
      at += size;
    }
    return fragments;
  }

  void Calls() {
    const std::vector<Call> calls = MeantCalls();
    std::vector<std::vector<std::string>> fragments;
    for (const Call& call : calls) {
      out_.meant.calls.emplace_back(call.name, call.arguments);
      fragments.push_back(Fragments(call));
    }
    if (telling_ == Telling::kOneList) {
      std::string list;
      for (const Call& call : calls) {
        list += (list.empty() ? "" : ",") + CallJson(call, true, call.arguments.empty() ? "" : Quoted(call.arguments));
      }
      return Delta(CallList(list));
    }
    const bool interleave = (telling_ == Telling::kIndexAndId || telling_ == Telling::kIndexOnly) && Chance(0.6);
    if (interleave) return Interleave(fragments);
    for (const auto& each : fragments) {
      for (const std::string& fragment : each) Delta(CallList(fragment));
    }
  }

  // Heads in order, what follows them in any.
  void Interleave(const std::vector<std::vector<std::string>>& fragments) {
    std::vector<size_t> next(fragments.size(), 0);
    size_t opened = 0;
    while (true) {
      std::vector<size_t> open;
      for (size_t i = 0; i < fragments.size(); ++i) {
        if (next[i] < fragments[i].size() && (next[i] > 0 || i == opened)) open.push_back(i);
      }
      if (open.empty()) return;
      const size_t call = OneOf(open);
      if (next[call] == 0) ++opened;
      Delta(CallList(fragments[call][next[call]++]));
      if (Chance(0.2)) Text();
    }
  }

  void Usage() {
    usage_input_ = 1 + Below(1000);
    usage_output_ = 1 + Below(1000);
  }

  std::string UsageJson() {
    const std::string tail = Chance(0.3) ? ".0" : "";
    return "{\"prompt_tokens\":" + std::to_string(usage_input_) + tail +
           ",\"completion_tokens\":" + std::to_string(usage_output_) + tail + "}";
  }

  // The finish reason with the usage somewhere, and how the stream ends.
  void Ending() {
    const bool broke = Chance(0.1);
    const bool early = !broke && Chance(0.15);
    const std::string word = broke ? OneOf<std::string>({"abort", "network_error", "error"})
                                   : OneOf<std::string>({"stop", "tool_calls", "eos", "STOP", "length", "new_word"});
    const std::string finish = Chance(0.9) || broke ? "\"" + word + "\"" : "";
    const bool has_finish = !finish.empty();
    const int place = Below(5);
    if (early) Delta("\"content\":\"\"", "\"stop\"");
    if (early) Text();
    if (place != 4) out_.meant.usage = {usage_input_, usage_output_};
    const std::string in_choice = place == 0 ? ",\"usage\":" + UsageJson() : "";
    const std::string on_top = place == 1 ? ",\"usage\":" + UsageJson() : place == 2 ? ",\"x_groq\":{\"usage\":" + UsageJson() + "}" : "";
    Chunk("\"delta\":{}" + (has_finish ? ",\"finish_reason\":" + finish : "") + in_choice, on_top);
    if (place == 3) events_.push_back("{\"choices\":[],\"usage\":" + UsageJson() + "}");
    if (Chance(0.3)) events_.push_back(R"({"choices":[],"usage":{}})");
    End(broke, has_finish || early);
  }

  void End(bool broke, bool has_finish) {
    const int ending = Below(4);
    const bool done = ending < 2;
    if (done) events_.push_back(OneOf<std::string>({"[DONE]", "[done]", " [DONE] "}));
    out_.cut = ending == 3;
    out_.whole = !broke && (done || has_finish);
    Frame(done);
  }

  void Frame(bool done) {
    const std::string newline = OneOf<std::string>({"\n", "\r\n"});
    const std::string prefix = OneOf<std::string>({"data: ", "data:", "data: data: "});
    const bool single = Chance(0.15);
    const bool bare = !single && Chance(0.1);
    for (const std::string& event : events_) {
      const bool json = event.front() == '{';
      if (Chance(0.1)) out_.bytes += ": keep-alive" + newline + (single ? "" : newline);
      out_.bytes += (bare && json ? "" : prefix) + event + newline;
      if (!single && !(bare && json)) out_.bytes += newline;
    }
    if (single && done) out_.bytes += newline;
  }

  std::mt19937_64 random_;
  Telling telling_ = Telling::kIndexAndId;
  int usage_input_ = 0;
  int usage_output_ = 0;
  std::vector<std::string> events_;
  OddAnswer out_;
};

}  // namespace

OddAnswer MakeOddAnswer(uint64_t seed) { return Maker(seed).Make(); }

}  // namespace sluice
