#include "controlplane/ctl/explain.h"

#include <set>
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
#include "proto/policy/wording.h"
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
  const std::string nearest = Nearest(name, names);
  return absl::NotFoundError(absl::StrCat(Shown(name), " is no field of ", parent,
                                          nearest.empty() ? absl::StrCat("; there are ", absl::StrJoin(names, ", "))
                                                          : absl::StrCat("; did you mean ", nearest, "?")));
}

// "targets[0]" → "targets".
std::string WithoutIndex(absl::string_view part) { return std::string(part.substr(0, part.find('['))); }

// What a path leads to from a kind on; `field` null: the kind itself.
struct Place {
  std::string path;
  const Descriptor* message = nullptr;
  const FieldDescriptor* field = nullptr;
};

std::string KindName(const FieldDescriptor& kind) { return absl::AsciiStrToLower(kind.message_type()->name()); }

// Walks parts[from…].
absl::StatusOr<Place> Walk(const FieldDescriptor& kind, const std::vector<std::string>& parts, size_t from) {
  Place place{KindName(kind), kind.message_type(), nullptr};
  for (size_t i = from; i < parts.size(); ++i) {
    if (place.message == nullptr) return absl::NotFoundError(absl::StrCat(place.path, " has no fields"));
    const std::string name = WithoutIndex(parts[i]);
    place.field = place.message->FindFieldByName(name);
    if (place.field == nullptr) return NoSuchField(name, place.path, *place.message);
    absl::StrAppend(&place.path, ".", name);
    place.message = FieldsOf(*place.field);
  }
  return place;
}

std::string TextOf(const Place& place) {
  return place.field == nullptr ? ExplainMessage(place.path, *place.message) : ExplainField(place.path, *place.field);
}

// Fields of this name anywhere below a message, as paths. A message is entered
// once: some hold themselves.
void FindFields(const Descriptor& message, const std::string& path, const std::string& name,
                std::set<const Descriptor*>& entered, std::vector<std::string>& paths) {
  if (!entered.insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string below = absl::StrCat(path, ".", field.name());
    if (field.name() == name) paths.push_back(below);
    if (const Descriptor* fields = FieldsOf(field)) FindFields(*fields, below, name, entered, paths);
  }
}

void CollectNames(const Descriptor& message, std::set<const Descriptor*>& entered, std::set<std::string>& names) {
  if (!entered.insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    names.insert(message.field(i)->name());
    if (const Descriptor* fields = FieldsOf(*message.field(i))) CollectNames(*fields, entered, names);
  }
}

// Of a first word that is no kind and no field at the top of one.
absl::Status NoSuchWord(const std::string& word) {
  std::vector<std::string> paths;
  std::set<std::string> names;
  for (const FieldDescriptor* kind : Kinds()) {
    std::set<const Descriptor*> searched;
    FindFields(*kind->message_type(), KindName(*kind), word, searched, paths);
    std::set<const Descriptor*> collected;
    CollectNames(*kind->message_type(), collected, names);
    names.insert(KindName(*kind));
  }
  constexpr size_t kShown = 6;
  if (!paths.empty()) {
    const size_t more = paths.size() > kShown ? paths.size() - kShown : 0;
    paths.resize(paths.size() - more);
    return absl::NotFoundError(absl::StrCat(Shown(word), " is a field of several things: ", absl::StrJoin(paths, ", "),
                                            more > 0 ? absl::StrCat(" and ", more, " more") : ""));
  }
  const std::string nearest = Nearest(word, {names.begin(), names.end()});
  return absl::NotFoundError(absl::StrCat(Shown(word), " is neither a kind nor a field",
                                          nearest.empty() ? "; sluicectl explain lists the kinds"
                                                          : absl::StrCat("; did you mean ", nearest, "?")));
}

// "retry", "endpoints.weight": a path that begins with a field, of the first
// kind that has it; the others are named.
absl::StatusOr<std::string> ExplainFieldOfSomeKind(const std::vector<std::string>& parts) {
  std::vector<Place> places;
  absl::Status nearly;
  for (const FieldDescriptor* kind : Kinds()) {
    if (kind->message_type()->FindFieldByName(WithoutIndex(parts[0])) == nullptr) continue;
    absl::StatusOr<Place> place = Walk(*kind, parts, 0);
    if (place.ok()) {
      places.push_back(*std::move(place));
    } else {
      nearly = place.status();
    }
  }
  if (places.empty()) return nearly.ok() ? NoSuchWord(WithoutIndex(parts[0])) : nearly;
  std::string text = TextOf(places[0]);
  for (size_t i = 1; i < places.size(); ++i) absl::StrAppend(&text, i == 1 ? "\nSee also: " : ", ", places[i].path);
  return places.size() > 1 ? text + "\n" : text;
}

}  // namespace

absl::StatusOr<std::string> Explain(const std::string& path) {
  if (path.empty()) return ExplainKinds();
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  // "retrypolicy/default.max_attempts" is what `set` takes; the name adds nothing.
  const FieldDescriptor* kind = FindKind(parts[0].substr(0, parts[0].find('/')));
  if (kind == nullptr) return ExplainFieldOfSomeKind(parts);
  const absl::StatusOr<Place> place = Walk(*kind, parts, 1);
  if (!place.ok()) return place.status();
  return TextOf(*place);
}

}  // namespace sluice::ctl
