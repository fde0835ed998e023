#include "controlplane/ctl/explain.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "controlplane/ctl/policy_docs.h"
#include "google/protobuf/descriptor.h"
#include "proto/policy/kinds.h"
#include "sluice/v1/options.pb.h"

namespace sluice::ctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

const v1::FieldRules& RulesOf(const FieldDescriptor& field) { return field.options().GetExtension(v1::rules); }

bool IsChoice(const Descriptor& message) {
  return message.options().GetExtension(v1::message_rules).inline_or_reference();
}

bool IsDuration(const FieldDescriptor& field) {
  return field.type() == FieldDescriptor::TYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

// What a YAML map under this field holds; null: no map of fields. A choice of
// reference or inline is passed through, as in YAML.
const Descriptor* FieldsOf(const FieldDescriptor& field) {
  if (field.type() != FieldDescriptor::TYPE_MESSAGE || IsDuration(field) || field.is_map()) return nullptr;
  const Descriptor* message = field.message_type();
  return IsChoice(*message) ? message->FindFieldByName("inline")->message_type() : message;
}

bool EndsWithPercent(const FieldDescriptor& field) { return absl::EndsWith(field.name(), "_percent"); }

std::string SingleType(const FieldDescriptor& field) {
  if (IsDuration(field)) return "duration";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return RulesOf(field).form().empty() ? "text" : absl::StrReplaceAll(RulesOf(field).form(), {{"_", " "}});
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return EndsWithPercent(field) ? "percent" : "number";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "word";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (!IsChoice(*field.message_type())) return field.message_type()->name();
      return absl::StrCat("name of a ", FieldsOf(field)->name(), ", or one in place");
    default:
      return "integer";
  }
}

std::string TypeText(const FieldDescriptor& field) {
  if (field.is_map()) return "map of text to text";
  return field.is_repeated() ? absl::StrCat("list of ", SingleType(field)) : SingleType(field);
}

std::string NumberText(double number) { return absl::StrFormat("%.15g", number); }

// "JITTER_FULL" → "FULL".
std::string ShortName(const EnumValueDescriptor& value) {
  const std::string zero = value.type()->value(0)->name();
  return value.name().substr(zero.size() - (sizeof("UNSPECIFIED") - 1));
}

std::string RangeText(const v1::FieldRules& rules) {
  const std::string min = rules.has_min() ? NumberText(rules.min()) : rules.min_duration();
  const std::string max = rules.has_max() ? NumberText(rules.max()) : rules.max_duration();
  if (!min.empty() && !max.empty()) return absl::StrCat(min, " to ", max);
  if (!min.empty()) return absl::StrCat("at least ", min);
  return max.empty() ? "" : absl::StrCat("at most ", max);
}

std::string EnumText(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 1; i < type.value_count(); ++i) {
    if (!type.value(i)->options().GetExtension(v1::value_rules).not_served()) names.push_back(ShortName(*type.value(i)));
  }
  return absl::StrJoin(names, " | ");
}

// "integer · default 3 · 1 to 10".
std::string FactsOf(const FieldDescriptor& field) {
  const v1::FieldRules& rules = RulesOf(field);
  std::vector<std::string> facts = {TypeText(field)};
  if (field.type() == FieldDescriptor::TYPE_ENUM) facts.push_back(EnumText(*field.enum_type()));
  if (rules.required()) facts.push_back("required");
  if (!rules.default_().empty()) facts.push_back(absl::StrCat("default ", rules.default_()));
  if (const std::string range = RangeText(rules); !range.empty()) facts.push_back(range);
  if (rules.max_items() > 0) facts.push_back(absl::StrCat("at most ", rules.max_items(), " entries"));
  if (!rules.refers_to().empty()) facts.push_back(absl::StrCat("names a ", rules.refers_to()));
  if (field.real_containing_oneof() != nullptr) facts.push_back("one of several");
  const bool kind_not_served =
      FieldsOf(field) != nullptr && FieldsOf(field)->options().GetExtension(v1::message_rules).not_served();
  if (rules.not_served() || kind_not_served) facts.push_back("not served by this version");
  return absl::StrJoin(facts, " · ");
}

void AppendIndented(const std::string& lines, int indent, std::string& text) {
  if (lines.empty()) return;
  for (absl::string_view line : absl::StrSplit(lines, '\n')) {
    absl::StrAppend(&text, line.empty() ? "" : std::string(indent, ' '), line, "\n");
  }
}

void AppendFields(const Descriptor& message, std::string& text) {
  if (message.field_count() == 0) {
    absl::StrAppend(&text, "\nNo fields: its name alone is enough.\n");
    return;
  }
  absl::StrAppend(&text, "\nFields:\n");
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    absl::StrAppend(&text, "  ", field.name(), "   ", FactsOf(field), "\n");
    AppendIndented(CommentOf(field.full_name()), 6, text);
  }
}

std::string ExplainKinds() {
  std::string text = "Kinds:\n";
  for (const FieldDescriptor* kind : Kinds()) {
    const Descriptor& message = *kind->message_type();
    const bool served = !message.options().GetExtension(v1::message_rules).not_served();
    absl::StrAppend(&text, "  ", absl::AsciiStrToLower(message.name()), served ? "" : "   not served by this version", "\n");
    AppendIndented(CommentOf(message.full_name()), 6, text);
  }
  absl::StrAppend(&text, "\nNext: sluicectl explain route\n");
  return text;
}

std::string ExplainMessage(const std::string& path, const Descriptor& message) {
  std::string text = absl::StrCat(path, "   ", message.name(), "\n");
  AppendIndented(CommentOf(message.full_name()), 2, text);
  AppendFields(message, text);
  return text;
}

void AppendValues(const EnumDescriptor& type, std::string& text) {
  absl::StrAppend(&text, "\nValues:\n");
  for (int i = 1; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    const bool served = !value.options().GetExtension(v1::value_rules).not_served();
    absl::StrAppend(&text, "  ", ShortName(value), served ? "" : "   not served by this version", "\n");
    AppendIndented(CommentOf(value.full_name()), 6, text);
  }
}

std::string ExplainField(const std::string& path, const FieldDescriptor& field) {
  std::string text = absl::StrCat(path, "   ", FactsOf(field), "\n");
  AppendIndented(CommentOf(field.full_name()), 2, text);
  if (field.type() == FieldDescriptor::TYPE_ENUM) AppendValues(*field.enum_type(), text);
  if (IsDuration(field)) absl::StrAppend(&text, "\nDurations carry their unit: 100ms, 2s, 1h30m.\n");
  if (EndsWithPercent(field)) absl::StrAppend(&text, "\nWrite 50 or 50%.\n");
  if (const Descriptor* fields = FieldsOf(field)) {
    if (fields->full_name() != field.message_type()->full_name()) AppendIndented(CommentOf(fields->full_name()), 2, text);
    AppendFields(*fields, text);
  }
  return text;
}

absl::Status NoSuchField(const std::string& name, const std::string& parent, const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  return absl::NotFoundError(absl::StrCat("\"", name, "\" is no field of ", parent, "; there are ", absl::StrJoin(names, ", ")));
}

// "targets[0]" → "targets".
std::string WithoutIndex(absl::string_view part) { return std::string(part.substr(0, part.find('['))); }

}  // namespace

absl::StatusOr<std::string> Explain(const std::string& path) {
  if (path.empty()) return ExplainKinds();
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  // "retrypolicy/default.max_attempts" is what `set` takes; the name adds nothing.
  const FieldDescriptor* kind = FindKind(parts[0].substr(0, parts[0].find('/')));
  if (kind == nullptr) {
    return absl::NotFoundError(absl::StrCat("\"", parts[0], "\" is no kind; sluicectl explain lists them"));
  }
  std::string walked = absl::AsciiStrToLower(kind->message_type()->name());
  const Descriptor* message = kind->message_type();
  const FieldDescriptor* field = nullptr;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (message == nullptr) return absl::NotFoundError(absl::StrCat(walked, " has no fields"));
    const std::string name = WithoutIndex(parts[i]);
    field = message->FindFieldByName(name);
    if (field == nullptr) return NoSuchField(name, walked, *message);
    absl::StrAppend(&walked, ".", name);
    message = FieldsOf(*field);
  }
  return field == nullptr ? ExplainMessage(walked, *message) : ExplainField(walked, *field);
}

}  // namespace sluice::ctl
