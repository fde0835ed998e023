#include "tests/simulator/chat.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

namespace sluice::simulator {
namespace {

using Json = rapidjson::Value;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::string_view kText =
    "The sky looks blue because air scatters short waves of sunlight far more than long ones. Blue light comes to the "
    "eye from every direction, while red light mostly goes straight on. At sunset the light has crossed so much air "
    "that little blue is left, and the sky turns orange and red.";
constexpr int kNumberedChunks = 10;

const Json* Member(const Json& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto it = object.FindMember(name);
  return it == object.MemberEnd() ? nullptr : &it->value;
}

std::string TextOf(const Json* value) {
  if (value == nullptr || !value->IsString()) return {};
  return std::string(value->GetString(), value->GetStringLength());
}

bool IsTrue(const Json* value) { return value != nullptr && value->IsBool() && value->GetBool(); }

// A string, or the text parts of an array.
std::string ContentText(const Json* content) {
  if (content == nullptr || !content->IsArray()) return TextOf(content);
  std::string text;
  for (const Json& part : content->GetArray()) text += TextOf(Member(part, "text"));
  return text;
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(' ', at);
    end = end == std::string_view::npos ? text.size() : end + 1;
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::string> NumberedPieces(const AnswerOptions& options) {
  const int count = options.chunks > 0 ? options.chunks : kNumberedChunks;
  std::vector<std::string> pieces;
  for (int i = 0; i < count; ++i) {
    std::string piece = options.name + ":" + std::to_string(i);
    const size_t blank = i + 1 < count ? 1 : 0;
    if (piece.size() + blank < options.chunk_bytes) piece.append(options.chunk_bytes - piece.size() - blank, '.');
    piece.append(blank, ' ');
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::vector<std::string> TextPieces(const AnswerOptions& options, std::string_view text) {
  std::vector<std::string> pieces;
  for (std::string& word : Words(text)) {
    const bool joins = !pieces.empty() && pieces.back().size() < options.chunk_bytes;
    if (joins) {
      pieces.back() += word;
    } else {
      pieces.push_back(std::move(word));
    }
  }
  if (pieces.empty()) pieces.emplace_back("(empty)");
  const size_t natural = pieces.size();
  const size_t wanted = options.chunks > 0 ? options.chunks : natural;
  for (size_t i = natural; i < wanted; ++i) pieces.push_back(i % natural == 0 ? " " + pieces[0] : pieces[i % natural]);
  pieces.resize(wanted);
  return pieces;
}

std::string Finished(rapidjson::StringBuffer& buffer) { return std::string(buffer.GetString(), buffer.GetSize()); }

void Put(Writer& writer, const char* key, std::string_view text) {
  writer.Key(key);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void PutInt(Writer& writer, const char* key, int64_t value) {
  writer.Key(key);
  writer.Int64(value);
}

void PutHead(Writer& writer, std::string_view id, const char* object, std::string_view model) {
  Put(writer, "id", id);
  Put(writer, "object", object);
  PutInt(writer, "created", 1700000000);
  Put(writer, "model", model);
}

void PutUsage(Writer& writer, int prompt_tokens, int completion_tokens) {
  writer.Key("usage");
  writer.StartObject();
  PutInt(writer, "prompt_tokens", prompt_tokens);
  PutInt(writer, "completion_tokens", completion_tokens);
  PutInt(writer, "total_tokens", prompt_tokens + completion_tokens);
  writer.EndObject();
}

// A chunk with one choice: its delta's members by `write_delta`.
template <class WriteDelta>
std::string ChunkJson(std::string_view id, std::string_view model, int choice, bool finish, WriteDelta write_delta) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  PutHead(writer, id, "chat.completion.chunk", model);
  writer.Key("choices");
  writer.StartArray();
  writer.StartObject();
  PutInt(writer, "index", choice);
  writer.Key("delta");
  writer.StartObject();
  write_delta(writer);
  writer.EndObject();
  writer.Key("finish_reason");
  finish ? writer.String("stop") : writer.Null();
  writer.EndObject();
  writer.EndArray();
  writer.EndObject();
  return Finished(buffer);
}

}  // namespace

std::optional<ChatCall> ParseChatCall(std::string_view body, std::string& problem) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  const Json* messages = document.HasParseError() ? nullptr : Member(document, "messages");
  if (messages == nullptr || !messages->IsArray() || messages->Empty()) {
    problem = "messages: an array is required";
    return std::nullopt;
  }
  ChatCall call;
  call.model = TextOf(Member(document, "model"));
  call.stream = IsTrue(Member(document, "stream"));
  const Json* options = Member(document, "stream_options");
  call.include_usage = options != nullptr && IsTrue(Member(*options, "include_usage"));
  const Json* n = Member(document, "n");
  if (n != nullptr && n->IsInt()) call.n = std::clamp(n->GetInt(), 1, 128);
  for (const Json& message : messages->GetArray()) {
    const std::string text = ContentText(Member(message, "content"));
    call.prompt_tokens += static_cast<int>(Words(text).size());
    if (TextOf(Member(message, "role")) == "user") call.prompt = text;
  }
  return call;
}

std::vector<std::string> AnswerPieces(const AnswerOptions& options, const ChatCall& call) {
  if (options.mode == AnswerMode::kNumbered) return NumberedPieces(options);
  if (options.mode == AnswerMode::kEcho) return TextPieces(options, call.prompt);
  return TextPieces(options, options.text.empty() ? kText : options.text);
}

std::string ChatJson::Role(int choice) const {
  return ChunkJson(id_, model_, choice, false, [](Writer& writer) {
    Put(writer, "role", "assistant");
    Put(writer, "content", "");
  });
}

std::string ChatJson::Piece(int choice, std::string_view text) const {
  return ChunkJson(id_, model_, choice, false, [&](Writer& writer) { Put(writer, "content", text); });
}

std::string ChatJson::Finish(int choice) const {
  return ChunkJson(id_, model_, choice, true, [](Writer&) {});
}

std::string ChatJson::Usage(int prompt_tokens, int completion_tokens) const {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  PutHead(writer, id_, "chat.completion.chunk", model_);
  writer.Key("choices");
  writer.StartArray();
  writer.EndArray();
  PutUsage(writer, prompt_tokens, completion_tokens);
  writer.EndObject();
  return Finished(buffer);
}

std::string ChatJson::Whole(const ChatCall& call, const std::vector<std::string>& pieces) const {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  PutHead(writer, id_, "chat.completion", model_);
  writer.Key("choices");
  writer.StartArray();
  for (int choice = 0; choice < call.n; ++choice) {
    writer.StartObject();
    PutInt(writer, "index", choice);
    writer.Key("message");
    writer.StartObject();
    Put(writer, "role", "assistant");
    Put(writer, "content", text);
    writer.EndObject();
    Put(writer, "finish_reason", "stop");
    writer.EndObject();
  }
  writer.EndArray();
  PutUsage(writer, call.prompt_tokens, static_cast<int>(pieces.size()) * call.n);
  writer.EndObject();
  return Finished(buffer);
}

std::string ModelsJson(std::string_view model) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  Put(writer, "object", "list");
  writer.Key("data");
  writer.StartArray();
  writer.StartObject();
  Put(writer, "id", model);
  Put(writer, "object", "model");
  Put(writer, "owned_by", "sluice");
  writer.EndObject();
  writer.EndArray();
  writer.EndObject();
  return Finished(buffer);
}

std::string ErrorJson(int status, std::string_view message) {
  std::string_view type = status >= 500 ? "server_error" : "invalid_request_error";
  std::string_view code;
  if (status == 401) code = "invalid_api_key";
  if (status == 404) code = "model_not_found";
  if (status == 429) type = "requests", code = "rate_limit_exceeded";
  if (status == 503 || status == 529) code = "overloaded";
  return ErrorJson(type, code, message);
}

std::string ErrorJson(std::string_view type, std::string_view code, std::string_view message) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("error");
  writer.StartObject();
  Put(writer, "message", message);
  Put(writer, "type", type);
  writer.Key("param");
  writer.Null();
  writer.Key("code");
  code.empty() ? writer.Null() : writer.String(code.data(), static_cast<rapidjson::SizeType>(code.size()));
  writer.EndObject();
  writer.EndObject();
  return Finished(buffer);
}

}  // namespace sluice::simulator
