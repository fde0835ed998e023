#include "tests/simulator/embeddings.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace sluice::simulator {
namespace {

using Json = rapidjson::Value;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr int kMaxDimensions = 4096;

std::string TextOf(const Json& value) {
  return value.IsString() ? std::string(value.GetString(), value.GetStringLength()) : std::string();
}

int CountWords(std::string_view text) {
  int words = 0;
  bool inside = false;
  for (const char c : text) {
    words += c != ' ' && !inside;
    inside = c != ' ';
  }
  return words;
}

std::string Base64(const std::vector<float>& values) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) {
      text.push_back(i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return text;
}

void PutEmbedding(Writer& writer, const EmbedCall& call, size_t index) {
  const std::vector<float> values = EmbeddingOf(call.inputs[index], call.dimensions);
  writer.StartObject();
  writer.Key("object");
  writer.String("embedding");
  writer.Key("index");
  writer.Uint64(index);
  writer.Key("embedding");
  if (call.base64) {
    writer.String(Base64(values).c_str());
  } else {
    writer.StartArray();
    for (const float value : values) writer.Double(value);
    writer.EndArray();
  }
  writer.EndObject();
}

}  // namespace

std::optional<EmbedCall> ParseEmbedCall(std::string_view body, std::string& problem) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  const bool object = !document.HasParseError() && document.IsObject();
  if (!object || !document.HasMember("input") || !(document["input"].IsString() || document["input"].IsArray())) {
    problem = "input: a string or an array of them is required";
    return std::nullopt;
  }
  EmbedCall call;
  const Json& input = document["input"];
  if (input.IsString()) call.inputs.push_back(TextOf(input));
  for (rapidjson::SizeType i = 0; input.IsArray() && i < input.Size(); ++i) call.inputs.push_back(TextOf(input[i]));
  if (document.HasMember("model")) call.model = TextOf(document["model"]);
  if (document.HasMember("dimensions") && document["dimensions"].IsInt()) {
    call.dimensions = std::clamp(document["dimensions"].GetInt(), 1, kMaxDimensions);
  }
  call.base64 = document.HasMember("encoding_format") && TextOf(document["encoding_format"]) == "base64";
  for (const std::string& text : call.inputs) call.prompt_tokens += CountWords(text);
  return call;
}

std::vector<float> EmbeddingOf(std::string_view text, int dimensions) {
  uint64_t sum = 0;
  for (const unsigned char c : text) sum += c;
  std::vector<float> values;
  for (int i = 0; i < dimensions; ++i) {
    values.push_back(static_cast<float>((sum + text.size() * (i + 1)) % 1000) / 1000.0f);
  }
  return values;
}

std::string EmbeddingsJson(const EmbedCall& call) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("object");
  writer.String("list");
  writer.Key("model");
  writer.String(call.model.c_str());
  writer.Key("data");
  writer.StartArray();
  for (size_t i = 0; i < call.inputs.size(); ++i) PutEmbedding(writer, call, i);
  writer.EndArray();
  writer.Key("usage");
  writer.StartObject();
  writer.Key("prompt_tokens");
  writer.Int(call.prompt_tokens);
  writer.Key("total_tokens");
  writer.Int(call.prompt_tokens);
  writer.EndObject();
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

}  // namespace sluice::simulator
