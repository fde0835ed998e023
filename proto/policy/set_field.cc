// SetPolicyField: one field by its path, as `sluicectl set` names it.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/policy/kinds.h"
#include "proto/policy/named_path.h"
#include "proto/policy/schema.h"
#include "proto/policy/wording.h"
#include "proto/policy/yaml_fields.h"
#include "proto/policy/yaml_loader.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A step of a path: "name", then perhaps "[3]" or ["key"].
struct Step {
  std::string text;
  bool bracket = false;
};

constexpr std::size_t kMaxSteps = 32;

absl::Status Refuse(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

// Reads "[…]" from path[i] on; false when it does not end.
bool ReadBracket(absl::string_view path, std::size_t& i, Step* step) {
  step->bracket = true;
  const bool quoted = i + 1 < path.size() && path[i + 1] == '"';
  const absl::string_view close = quoted ? "\"]" : "]";
  const std::size_t from = i + (quoted ? 2 : 1);
  const std::size_t end = path.find(close, from);
  if (end == path.npos) return false;
  step->text = std::string(path.substr(from, end - from));
  i = end + close.size();
  return true;
}

absl::StatusOr<std::vector<Step>> SplitPath(absl::string_view path) {
  std::vector<Step> steps;
  std::size_t i = 0;
  while (i < path.size()) {
    Step step;
    if (path[i] == '[') {
      if (!ReadBracket(path, i, &step)) return Refuse(path, "a ] is missing");
    } else {
      const std::size_t from = i;
      while (i < path.size() && path[i] != '.' && path[i] != '[') ++i;
      step.text = std::string(path.substr(from, i - from));
    }
    if (step.text.empty()) return Refuse(path, "is not a path; write it like backoff.fixed.delay");
    steps.push_back(std::move(step));
    if (steps.size() > kMaxSteps) return Refuse(path.substr(0, 64), "is too long for a path");
    if (i < path.size() && path[i] == '.' && ++i == path.size()) {
      return Refuse(path, "ends in a point");
    }
  }
  if (steps.empty()) return absl::InvalidArgumentError("the path is empty");
  return steps;
}

class FieldSetter {
 public:
  // `value` null: unset.
  FieldSetter(const std::vector<Step>& steps, const PolicyNode& value)
      : steps_(steps), value_(value), unset_(value.kind == PolicyNode::Kind::kNull) {}

  // Unsetting a field of a message that is not there must not make it.
  bool changes_nothing() const { return unset_ && made_message_; }

  absl::Status Set(v1::Resource& resource) {
    const std::string& first = steps_[0].text;
    if (first == "labels" || first == "annotations") {
      return SetIn(*resource.mutable_meta(), 0, "");
    }
    if (first == "kind" || v1::Meta::descriptor()->FindFieldByName(first) != nullptr) {
      return Refuse(first, "cannot be set; it tells which resource this is");
    }
    return SetIn(MutableSpecOf(resource), 0, "");
  }

 private:
  // `path` is that of `message`; steps_[at] is within it.
  absl::Status SetIn(Message& message, std::size_t at, const std::string& path) {
    if (RulesOf(*message.GetDescriptor()).inline_or_reference()) return EnterChoice(message, at, path);
    const Step& step = steps_[at];
    const FieldDescriptor* field =
        step.bracket ? nullptr : message.GetDescriptor()->FindFieldByName(step.text);
    if (field == nullptr) {
      const std::string where = path.empty() ? "" : absl::StrCat(path, ": ");
      return absl::InvalidArgumentError(
          absl::StrCat(where, "unknown field ", Shown(step.text),
                       DidYouMean(step.text, FieldNames(*message.GetDescriptor()))));
    }
    const std::string field_path = FieldPath(path, field->name());
    if (at + 1 == steps_.size()) return SetWhole(message, *field, field_path);
    if (field->is_map()) return SetEntry(message, *field, at + 1, field_path);
    if (field->is_repeated()) return SetElement(message, *field, at + 1, field_path);
    if (!IsStructure(*field)) {
      return Refuse(field_path, absl::StrCat("is a single value; it has no ",
                                             Shown(steps_[at + 1].text)));
    }
    return SetIn(Enter(message, *field), at + 1, field_path);
  }

  absl::Status EnterChoice(Message& message, std::size_t at, const std::string& path) {
    const ChoiceFields choice = ChoiceOf(*message.GetDescriptor());
    const Reflection& reflection = *message.GetReflection();
    if (reflection.HasField(message, choice.reference)) {
      const std::string& kind = choice.in_place->message_type()->name();
      const std::string name = reflection.GetString(message, choice.reference);
      return Refuse(path, absl::StrCat("refers to the ", kind, " ", Shown(name),
                                       "; set the field in ", ResourceId(kind, name),
                                       ", or write it in place with ", path, "={…}"));
    }
    return SetIn(Enter(message, *choice.in_place), at, path);
  }

  Message& Enter(Message& message, const FieldDescriptor& field) {
    const Reflection& reflection = *message.GetReflection();
    if (!reflection.HasField(message, &field)) made_message_ = true;
    return *reflection.MutableMessage(&message, &field);
  }

  absl::Status SetWhole(Message& message, const FieldDescriptor& field, const std::string& path) {
    message.GetReflection()->ClearField(&message, &field);
    if (unset_) return absl::OkStatus();
    return Read(path, [&](FieldReader& reader) { reader.ReadField(value_, field, message, path); });
  }

  absl::Status SetEntry(Message& message, const FieldDescriptor& field, std::size_t at,
                        const std::string& path) {
    // A key may have points: what is left of the path is the key.
    std::vector<std::string> rest;
    for (std::size_t i = at; i < steps_.size(); ++i) rest.push_back(steps_[i].text);
    const std::string key = absl::StrJoin(rest, ".");
    PolicyNode map = PolicyNode::Map();
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      const auto text = [&](const FieldDescriptor* part) {
        return entry.GetReflection()->GetString(entry, part);
      };
      const std::string name = text(field.message_type()->map_key());
      if (name != key) map.Add(name, PolicyNode::Text(text(field.message_type()->map_value())));
    }
    if (!unset_) map.Add(key, value_);
    reflection.ClearField(&message, &field);
    return Read(path, [&](FieldReader& reader) { reader.ReadField(map, field, message, path); });
  }

  absl::Status SetElement(Message& message, const FieldDescriptor& field, std::size_t at,
                          const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    int index = -1;
    if (!steps_[at].bracket) return Refuse(path, absl::StrCat("is a list; name an entry like ", path, "[0]"));
    if (!absl::SimpleAtoi(steps_[at].text, &index) || index < 0) {
      index = IsStructure(field) ? FindEntry(message, field, steps_[at].text) : -1;
      if (index < 0) return NoEntry(message, field, steps_[at].text, path);
    }
    const std::string element = IndexPath(path, index);
    const bool last = at + 1 == steps_.size();
    const bool append = last && !unset_ && index == size;
    if (index >= size && !append) {
      return Refuse(element, absl::StrCat("does not exist; ", path, " has ", size, " entries",
                                          size == 0 ? "" : ", counted from 0"));
    }
    if (last) return PlaceElement(message, field, index, element);
    if (!IsStructure(field)) return Refuse(element, "is a single value; it has no fields");
    return SetIn(*reflection.MutableRepeatedMessage(&message, &field, index), at + 1, element);
  }

  static absl::Status NoEntry(const Message& message, const FieldDescriptor& field, const std::string& name,
                              const std::string& path) {
    const std::vector<std::string> names = IsStructure(field) ? EntryNames(message, field) : std::vector<std::string>();
    if (names.empty()) return Refuse(path, absl::StrCat("is a list; name an entry like ", path, "[0]"));
    if (std::count(names.begin(), names.end(), name) > 1) {
      return Refuse(path, absl::StrCat("has several entries called ", Shown(name), "; name one like ", path, "[0]"));
    }
    return Refuse(path, absl::StrCat("has no entry called ", Shown(name), DidYouMean(name, names)));
  }

  // Replaces, appends or removes entry `index`.
  absl::Status PlaceElement(Message& message, const FieldDescriptor& field, int index,
                            const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    if (unset_) {
      for (int i = index; i + 1 < size; ++i) reflection.SwapElements(&message, &field, i, i + 1);
      reflection.RemoveLast(&message, &field);
      return absl::OkStatus();
    }
    absl::Status status = Read(
        path, [&](FieldReader& reader) { reader.ReadElement(value_, field, message, path); });
    if (!status.ok() || index == size) return status;
    reflection.SwapElements(&message, &field, index, size);
    reflection.RemoveLast(&message, &field);
    return status;
  }

  template <typename Body>
  absl::Status Read(const std::string& path, Body body) {
    std::vector<PolicyError> errors;
    std::map<std::string, int> lines;
    FieldReader reader("", "", &errors, &lines);
    body(reader);
    if (errors.empty()) return absl::OkStatus();
    std::vector<std::string> texts;
    for (PolicyError& error : errors) {
      error.line = 0;  // of a value on a command line: noise
      texts.push_back(error.ToString());
    }
    return absl::InvalidArgumentError(absl::StrJoin(texts, "; "));
  }

  const std::vector<Step>& steps_;
  const PolicyNode& value_;
  const bool unset_;
  bool made_message_ = false;
};

}  // namespace

absl::Status SetPolicyField(v1::Resource& resource, std::string_view path_text,
                            std::string_view yaml_text) {
  const absl::string_view path(path_text.data(), path_text.size());
  const absl::string_view yaml(yaml_text.data(), yaml_text.size());
  if (KindOf(resource).empty()) return absl::InvalidArgumentError("the resource has no kind");
  const auto steps = SplitPath(path);
  if (!steps.ok()) return steps.status();
  const ParsedNodes parsed = ParseNodes(yaml);
  if (!parsed.error.empty()) return Refuse(path, parsed.error);
  if (parsed.documents.size() > 1) return Refuse(path, "one value is expected");
  const bool unset = parsed.documents.empty();
  if (unset && yaml.find_first_not_of(" \t\r\n") == yaml.npos) {
    return Refuse(path, "has no value; null unsets it");
  }
  v1::Resource changed = resource;
  const PolicyNode value = unset ? PolicyNode() : parsed.documents[0];
  FieldSetter setter(*steps, value);
  const absl::Status status = setter.Set(changed);
  if (status.ok() && !setter.changes_nothing()) resource.Swap(&changed);
  return status;
}

}  // namespace sluice
