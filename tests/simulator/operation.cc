#include "tests/simulator/operation.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <utility>

namespace sluice::simulator {
namespace {

using Json = rapidjson::Value;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void Put(Writer& writer, const char* key, uint64_t value) {
  writer.Key(key);
  writer.Uint64(value);
}

void PutText(Writer& writer, const char* key, const std::string& text) {
  writer.Key(key);
  writer.String(text.c_str());
}

void PutCounts(Writer& writer, const char* key, const Counts& counts) {
  writer.Key(key);
  writer.StartObject();
  for (const auto& [name, count] : counts) Put(writer, name.c_str(), count);
  writer.EndObject();
}

std::optional<Fault> ReadFault(const Json& value, std::string& problem) {
  return ParseFault(value.IsString() ? value.GetString() : "", problem);
}

bool ReadFaults(const Json& value, std::vector<Fault>& faults, std::string& problem) {
  if (!value.IsArray()) {
    problem = "faults: must be an array of strings";
    return false;
  }
  for (const Json& item : value.GetArray()) {
    const std::optional<Fault> fault = ReadFault(item, problem);
    if (!fault) return false;
    faults.push_back(*fault);
  }
  return true;
}

bool ReadKeys(const Json& value, KeyFaults& keys, std::string& problem) {
  if (!value.IsObject()) {
    problem = "keys: must be an object, as in {\"K1\": \"status:429\"}";
    return false;
  }
  for (const auto& member : value.GetObject()) {
    const std::optional<Fault> fault = ReadFault(member.value, problem);
    if (!fault) return false;
    keys[member.name.GetString()] = *fault;
  }
  return true;
}

// What a script sets; what it leaves out stays as it is.
struct Change {
  std::optional<std::vector<Fault>> faults;
  std::optional<KeyFaults> keys;
  std::optional<Fault> health;
  std::optional<Pushback> pushback;
  std::optional<double> percent;
  std::optional<bool> down;
  bool once = false;
  std::map<std::string, int64_t, std::less<>> numbers;
};

constexpr std::string_view kNumbers[] = {
    "seed",           "refuse_for_ms",         "interval_ms",      "interval_jitter_ms",
    "first_delay_ms", "first_delay_jitter_ms", "content_delay_ms", "content_delay_jitter_ms",
    "chunks",         "chunk_bytes",           "rate_per_s",       "context_tokens"};

bool IsNumberName(std::string_view name) {
  for (const std::string_view known : kNumbers) {
    if (known == name) return true;
  }
  return false;
}

bool ReadMember(const std::string& name, const Json& value, Change& change, std::string& problem) {
  if (name == "faults") return ReadFaults(value, change.faults.emplace(), problem);
  if (name == "keys") return ReadKeys(value, change.keys.emplace(), problem);
  if (name == "health") return (change.health = ReadFault(value, problem)).has_value();
  if (name == "pushback" && value.IsString()) {
    if (change.pushback.emplace().Read(value.GetString())) return true;
  } else if (name == "down" && value.IsBool()) {
    change.down = value.GetBool();
    return true;
  } else if (name == "once" && value.IsBool()) {
    change.once = value.GetBool();
    return true;
  } else if (name == "percent" && value.IsNumber()) {
    change.percent = value.GetDouble();
    return true;
  } else if (IsNumberName(name) && value.IsInt64() && value.GetInt64() >= 0) {
    change.numbers[name] = value.GetInt64();
    return true;
  }
  problem = name + ": unknown, or its value is of another kind";
  return false;
}

void ApplyNumbers(const Change& change, Options& options) {
  const auto set = [&](std::string_view name, auto& value) {
    const auto it = change.numbers.find(name);
    if (it != change.numbers.end()) value = std::decay_t<decltype(value)>(it->second);
  };
  set("interval_ms", options.interval.least);
  set("interval_jitter_ms", options.interval.jitter);
  set("first_delay_ms", options.first_delay.least);
  set("first_delay_jitter_ms", options.first_delay.jitter);
  set("content_delay_ms", options.content_delay.least);
  set("content_delay_jitter_ms", options.content_delay.jitter);
  set("chunks", options.answer.chunks);
  set("chunk_bytes", options.answer.chunk_bytes);
  set("rate_per_s", options.rate_per_second);
  set("context_tokens", options.context_tokens);
  set("seed", options.seed);
}

void Apply(const Change& change, State& state) {
  ApplyNumbers(change, state.options);
  if (change.numbers.contains("seed")) state.chance.seed(state.options.seed);
  if (change.faults) state.script.Set(*change.faults, change.percent, state.options.seed, change.once);
  if (change.keys) state.options.key_faults = *change.keys;
  if (change.health) state.options.health = *change.health;
  if (change.pushback) state.options.pushback = *change.pushback;
  if (change.down) state.set_down(*change.down);
  const auto refuse = change.numbers.find("refuse_for_ms");
  if (refuse != change.numbers.end()) state.refuse_for(std::chrono::milliseconds(refuse->second));
}

}  // namespace

std::string StatsJson(const State& state) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  const Stats& stats = state.stats;
  writer.StartObject();
  PutText(writer, "name", state.options.answer.name);
  Put(writer, "requests", stats.requests);
  Put(writer, "embeddings", stats.embeddings);
  Put(writer, "models_requests", stats.models_requests);
  Put(writer, "other_requests", stats.other_requests);
  Put(writer, "completed", stats.completed);
  Put(writer, "cancelled", stats.cancelled);
  Put(writer, "answers_open", state.answers_open);
  Put(writer, "answers_open_max", stats.answers_open_max);
  Put(writer, "connections_accepted", stats.connections_accepted);
  Put(writer, "connections_open", state.connections.size());
  Put(writer, "bytes_received", stats.bytes_received);
  Put(writer, "bytes_sent", stats.bytes_sent);
  Put(writer, "pieces_sent", stats.pieces_sent);
  PutCounts(writer, "by_fault", stats.by_fault);
  PutCounts(writer, "by_key", stats.by_key);
  PutCounts(writer, "by_model", stats.by_model);
  writer.EndObject();
  return buffer.GetString();
}

std::string RequestsJson(const State& state) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartArray();
  for (const RequestEntry& entry : state.entries) {
    writer.StartObject();
    writer.Key("at_ms");
    writer.Double(entry.at_ms);
    PutText(writer, "path", entry.path);
    PutText(writer, "model", entry.model);
    PutText(writer, "key", entry.key);
    PutText(writer, "fault", entry.fault);
    writer.Key("headers");
    writer.StartObject();
    for (const auto& [name, value] : entry.headers) PutText(writer, name.c_str(), value);
    writer.EndObject();
    writer.EndObject();
  }
  writer.EndArray();
  return buffer.GetString();
}

void ResetStats(State& state) {
  state.stats = Stats();
  state.stats.answers_open_max = state.answers_open;
  state.entries.clear();
}

std::string ApplyScript(std::string_view json, State& state) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject()) return "a JSON object is required";
  Change change;
  std::string problem;
  for (const auto& member : document.GetObject()) {
    if (!ReadMember(member.name.GetString(), member.value, change, problem)) return problem;
  }
  if ((change.percent || change.once) && !change.faults) return "percent, once: only together with faults";
  Apply(change, state);
  return {};
}

}  // namespace sluice::simulator
