#include "tests/simulator/state.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <utility>

namespace sluice::simulator {
namespace {

using Json = rapidjson::Value;

bool ReadFaults(const Json& value, std::vector<Fault>& faults, std::string& problem) {
  if (!value.IsArray()) {
    problem = "faults: must be an array of strings";
    return false;
  }
  for (const Json& item : value.GetArray()) {
    const std::optional<Fault> fault = ParseFault(item.IsString() ? item.GetString() : "", problem);
    if (!fault) return false;
    faults.push_back(*fault);
  }
  return true;
}

// The numbers that a script may set, by name.
struct Change {
  std::optional<std::vector<Fault>> faults;
  std::optional<double> percent;
  std::map<std::string, int64_t, std::less<>> numbers;
};

constexpr std::string_view kNumbers[] = {"seed",           "refuse_for_ms", "interval_ms",
                                         "first_delay_ms", "chunks",        "chunk_bytes"};

bool IsNumberName(std::string_view name) {
  for (const std::string_view known : kNumbers) {
    if (known == name) return true;
  }
  return false;
}

bool ReadMember(const std::string& name, const Json& value, Change& change, std::string& problem) {
  if (name == "faults") return ReadFaults(value, change.faults.emplace(), problem);
  if (name == "percent" && value.IsNumber()) {
    change.percent = value.GetDouble();
    return true;
  }
  if (IsNumberName(name) && value.IsInt64() && value.GetInt64() >= 0) {
    change.numbers[name] = value.GetInt64();
    return true;
  }
  problem = name + ": unknown, or not a number of at least 0";
  return false;
}

void Apply(const Change& change, State& state) {
  const auto number = [&](std::string_view name, int64_t otherwise) {
    const auto it = change.numbers.find(name);
    return it == change.numbers.end() ? otherwise : it->second;
  };
  Options& options = state.options;
  options.interval = std::chrono::milliseconds(number("interval_ms", options.interval.count()));
  options.first_delay = std::chrono::milliseconds(number("first_delay_ms", options.first_delay.count()));
  options.answer.chunks = static_cast<int>(number("chunks", options.answer.chunks));
  options.answer.chunk_bytes = static_cast<size_t>(number("chunk_bytes", static_cast<int64_t>(options.answer.chunk_bytes)));
  if (change.faults) {
    state.script.Set(*change.faults, change.percent, static_cast<uint64_t>(number("seed", 1)));
  }
  const int64_t refuse_ms = number("refuse_for_ms", 0);
  if (refuse_ms > 0) state.refuse_for(std::chrono::milliseconds(refuse_ms));
}

}  // namespace

std::string StatsJson(const State& state) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  const auto put = [&](const char* key, uint64_t value) {
    writer.Key(key);
    writer.Uint64(value);
  };
  const Stats& stats = state.stats;
  writer.StartObject();
  writer.Key("name");
  writer.String(state.options.answer.name.c_str());
  put("requests", stats.requests);
  put("other_requests", stats.other_requests);
  put("completed", stats.completed);
  put("cancelled", stats.cancelled);
  put("answers_open", state.answers_open);
  put("connections_accepted", stats.connections_accepted);
  put("connections_open", state.connections.size());
  put("bytes_received", stats.bytes_received);
  put("bytes_sent", stats.bytes_sent);
  writer.Key("by_fault");
  writer.StartObject();
  for (const auto& [name, count] : stats.by_fault) put(name.c_str(), count);
  writer.EndObject();
  writer.EndObject();
  return buffer.GetString();
}

void ResetStats(State& state) { state.stats = Stats(); }

std::string ApplyScript(std::string_view json, State& state) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject()) return "a JSON object is required";
  Change change;
  std::string problem;
  for (const auto& member : document.GetObject()) {
    if (!ReadMember(member.name.GetString(), member.value, change, problem)) return problem;
  }
  if (change.percent && !change.faults) return "percent: only together with faults";
  Apply(change, state);
  return {};
}

}  // namespace sluice::simulator
