#include "proto/policy/named_path.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/policy/forms.h"
#include "proto/policy/kinds.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string TextField(const Message& message, const char* name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  const bool text = field != nullptr && !field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  return text ? message.GetReflection()->GetString(message, field) : "";
}

// As `set` finds it.
std::string EntryName(const Message& entry) {
  if (std::string name = TextField(entry, "name"); !name.empty()) return name;
  if (const auto url = ParseUrl(TextField(entry, "url")); url.ok()) return HostPort(*url);
  return TextField(entry, "upstream");
}

// "endpoints", "1" or "backup", and what follows the bracket.
struct ListPath {
  const FieldDescriptor* list = nullptr;
  std::string entry;
  std::string rest;
};

// Lists of entries with names stand at the top of their kinds.
ListPath SplitListPath(const v1::Resource& resource, const std::string& path) {
  ListPath split;
  const size_t open = path.find('[');
  if (open == std::string::npos || path.find('.') < open || KindOf(resource).empty()) return split;
  const bool quoted = path.compare(open, 2, "[\"") == 0;
  const size_t from = open + (quoted ? 2 : 1);
  const size_t close = path.find(quoted ? "\"]" : "]", from);
  const FieldDescriptor* list = SpecOf(resource).GetDescriptor()->FindFieldByName(path.substr(0, open));
  if (close == std::string::npos || list == nullptr || !list->is_repeated() || list->is_map()) return split;
  if (list->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return split;
  return {list, path.substr(from, close - from), path.substr(close + (quoted ? 2 : 1))};
}

bool ReadsWell(const std::string& name) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(name, &number)) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.' && c != ':') return false;
  }
  return !name.empty();
}

}  // namespace

int FindEntry(const Message& message, const FieldDescriptor& list, std::string_view name) {
  int found = -1;
  const int size = message.GetReflection()->FieldSize(message, &list);
  for (int i = 0; i < size; ++i) {
    if (EntryName(message.GetReflection()->GetRepeatedMessage(message, &list, i)) != name) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

std::vector<std::string> EntryNames(const Message& message, const FieldDescriptor& list) {
  std::vector<std::string> names;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &list); ++i) {
    std::string name = EntryName(message.GetReflection()->GetRepeatedMessage(message, &list, i));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

std::string NamedPath(const v1::Resource& resource, const std::string& path) {
  const ListPath split = SplitListPath(resource, path);
  int index = -1;
  if (split.list == nullptr || !absl::SimpleAtoi(split.entry, &index)) return path;
  const Message& spec = SpecOf(resource);
  if (index < 0 || index >= spec.GetReflection()->FieldSize(spec, split.list)) return path;
  const std::string name = TextField(spec.GetReflection()->GetRepeatedMessage(spec, split.list, index), "name");
  if (name.empty() || FindEntry(spec, *split.list, name) != index) return path;
  if (ReadsWell(name)) return absl::StrCat(split.list->name(), "[", name, "]", split.rest);
  return absl::StrCat(KeyPath(split.list->name(), name), split.rest);
}

std::string IndexedPath(const v1::Resource& resource, const std::string& path) {
  const ListPath split = SplitListPath(resource, path);
  int index = -1;
  if (split.list == nullptr || absl::SimpleAtoi(split.entry, &index)) return path;
  index = FindEntry(SpecOf(resource), *split.list, split.entry);
  return index < 0 ? path : absl::StrCat(IndexPath(split.list->name(), index), split.rest);
}

}  // namespace sluice
