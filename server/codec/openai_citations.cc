#include "server/codec/openai_citations.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>

#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

using Json = rapidjson::Value;

const Json* Member(const Json& object, const char* name) {
  const auto it = object.FindMember(name);
  return it == object.MemberEnd() ? nullptr : &it->value;
}

std::string Text(const Json& value) {
  if (value.IsString()) return WholeUtf8(std::string_view(value.GetString(), value.GetStringLength()));
  return value.IsInt64() ? std::to_string(value.GetInt64()) : std::string();
}

// Of the first of these that says something.
std::string TextOf(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Json* const value = Member(object, name);
    std::string text = value != nullptr ? Text(*value) : std::string();
    if (!text.empty()) return text;
  }
  return {};
}

std::optional<int32_t> NumberOf(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Json* const value = Member(object, name);
    if (value != nullptr && value->IsInt() && value->GetInt() >= 0) return value->GetInt();
  }
  return std::nullopt;
}

bool SaysSomething(const CitationValue& value) {
  return !value.url.empty() || !value.file_id.empty() || !value.title.empty() || !value.cited_text.empty();
}

class Reader {
 public:
  std::vector<CitationValue> found;

  void Field(std::string_view key, const Json& value) {
    if (key == "content") return ContentPart(value);
    if (key == "context") {
      const Json* const citations = value.IsObject() ? Member(value, "citations") : nullptr;
      if (citations != nullptr) List(*citations);
      return;
    }
    annotations_ = key == "annotations";
    List(value);
  }

 private:
  void List(const Json& list) {
    if (!list.IsArray()) return;
    for (const Json& element : list.GetArray()) {
      if (element.IsObject()) Object(element);
      if (element.IsString() && !annotations_) Name(Text(element));
    }
  }

  // A URL, or a document of the caller's.
  void Name(std::string name) {
    CitationValue value;
    (name.find("://") != std::string::npos ? value.url : value.file_id) = std::move(name);
    Keep(std::move(value));
  }

  // Its fields stand in it, or in a member that has the name of its type.
  void Object(const Json& object) {
    const std::string type = TextOf(object, {"type"});
    // Other annotations are no sources: files that were made, or read.
    if (annotations_ && !type.empty() && type.find("citation") == std::string::npos) return;
    const Json* const inner = type.empty() ? nullptr : Member(object, type.c_str());
    Source(inner != nullptr && inner->IsObject() ? *inner : object);
  }

  void Source(const Json& source) {
    CitationValue value;
    value.url = TextOf(source, {"url", "link", "uri"});
    value.title = TextOf(source, {"title", "filename"});
    value.cited_text = TextOf(source, {"cited_text", "content", "snippet", "quote", "description", "text"});
    value.start = NumberOf(source, {"start_index", "start"});
    value.end = NumberOf(source, {"end_index", "end"});
    value.file_id = TextOf(source, {"file_id", "filepath", "document_id"});
    Keep(std::move(value));
  }

  // Mistral's: documents of the caller by their names, or what a search found.
  void ContentPart(const Json& part) {
    if (!part.IsObject()) return;
    const Json* const ids = Member(part, "reference_ids");
    if (ids == nullptr) return Source(part);
    if (!ids->IsArray()) return;
    for (const Json& id : ids->GetArray()) {
      CitationValue value;
      value.file_id = Text(id);
      Keep(std::move(value));
    }
  }

  void Keep(CitationValue value) {
    if (SaysSomething(value)) found.push_back(std::move(value));
  }

  bool annotations_ = false;
};

// `later` tells of no source, and no place, that `told` does not.
bool SaysTheSame(const CitationValue& later, const CitationValue& told) {
  const bool other_place = (later.start && later.start != told.start) || (later.end && later.end != told.end);
  const bool other_text = !later.cited_text.empty() && later.cited_text != told.cited_text;
  const bool named = !later.url.empty() || !later.file_id.empty();
  return later.url == told.url && later.file_id == told.file_id && !other_place && !other_text &&
         (named || later.title == told.title);
}

}  // namespace

std::vector<CitationValue> ReadOpenAiCitations(std::string_view key, std::string_view json) {
  rapidjson::Document document;
  // Iterative: a hostile answer must not nest our stack away.
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  Reader reader;
  if (!document.HasParseError()) reader.Field(key, document);
  return std::move(reader.found);
}

void OpenAiCitations::Add(const std::vector<OpenAiMember>& fields) {
  // Perplexity tells the same sources twice: what is only a URL comes last.
  for (const bool urls : {false, true}) {
    for (const OpenAiMember& field : fields) {
      if ((field.key == "citations") == urls && IsNews(field)) AddValues(ReadOpenAiCitations(field.key, field.json));
    }
  }
}

bool OpenAiCitations::IsNews(const OpenAiMember& field) {
  const std::hash<std::string_view> hash;
  const uint64_t key = hash(field.key);
  const uint64_t said = hash(field.json);
  const auto known = std::find_if(said_.begin(), said_.end(), [&](const auto& each) { return each.first == key; });
  if (known != said_.end()) return std::exchange(known->second, said) != said;
  said_.emplace_back(key, said);
  return true;
}

void OpenAiCitations::AddValues(std::vector<CitationValue> values) {
  for (CitationValue& value : values) {
    const auto same = [&](const CitationValue& told) { return SaysTheSame(value, told); };
    if (told_.size() == kMaxTold || std::any_of(told_.begin(), told_.end(), same)) continue;
    bytes_ += value.bytes();
    if (bytes_ > max_bytes_) return;
    told_.push_back(std::move(value));
  }
}

std::vector<CitationValue> OpenAiCitations::Take() {
  std::vector<CitationValue> taken(told_.begin() + static_cast<std::ptrdiff_t>(taken_), told_.end());
  taken_ = told_.size();
  return taken;
}

}  // namespace sluice
