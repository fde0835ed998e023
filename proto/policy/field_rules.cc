#include "proto/policy/field_rules.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "google/protobuf/duration.pb.h"

#include "proto/policy/duration_text.h"
#include "proto/policy/forms.h"
#include "proto/policy/policy_node.h"
#include "proto/policy/schema.h"
#include "proto/policy/wording.h"
#include "proto/policy/yaml_scalars.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Longest text in a policy, in bytes. The whole of a set travels in one
// message; a static answer of 64 KiB is about 10,000 words.
constexpr std::size_t kMaxText = 64 << 10;
// The loader reads keys of up to 1024 characters.
constexpr std::size_t kMaxKey = 256;

std::string AtLeastOne(const FieldDescriptor& field) {
  if (field.is_repeated()) return "is required: at least one entry";
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return absl::StrCat("is required; use ", AnyOf(ServedEnumNames(*field.enum_type())));
  }
  return "is required";
}

// One value (of a list, or the only one) at its path.
struct Value {
  const Message& message;
  const FieldDescriptor& field;
  int index;  // -1: singular
  const std::string& path;

  std::string AsText() const { return GetScalar(message, field, index).text; }
};

void CheckText(const Value& value, const KnownNames& names, Violations& out) {
  const v1::FieldRules& rules = RulesOf(value.field);
  const std::string text = value.AsText();
  if (text.size() > kMaxText) {
    out.Add(value.path, "OUT_OF_RANGE",
            absl::StrCat("is ", text.size(), " bytes long; at most ", kMaxText));
    return;
  }
  if (!rules.form().empty()) {
    if (const auto status = CheckForm(rules.form(), text); !status.ok()) {
      out.Add(value.path, "BAD_FORM", std::string(status.message()));
    }
  }
  if (rules.refers_to().empty()) return;
  static const auto& kNone = *new std::vector<std::string>;
  const auto found = names.find(rules.refers_to());
  const std::vector<std::string>& known = found == names.end() ? kNone : found->second;
  if (std::binary_search(known.begin(), known.end(), text)) return;
  const std::string nearest = Nearest(text, known);
  std::string message = absl::StrCat(Shown(text), " does not exist");
  if (nearest.empty()) {
    absl::StrAppend(&message, "; there is no ", rules.refers_to(), " of that name");
  } else {
    absl::StrAppend(&message, "; did you mean ", Shown(nearest), "?");
  }
  out.Add(value.path, "UNKNOWN_REFERENCE", std::move(message), nearest);
}

double NumberOf(const Value& value) {
  // Through the text, for all number types alike; doubles read back exactly.
  const std::string text = value.AsText();
  return std::strtod(text.c_str(), nullptr);
}

void CheckNumber(const Value& value, Violations& out) {
  const v1::FieldRules& rules = RulesOf(value.field);
  const double number = NumberOf(value);
  std::string range;
  if (rules.has_min() && rules.has_max()) {
    range = absl::StrCat(FormatNumber(rules.min()), " to ", FormatNumber(rules.max()));
  } else if (rules.has_min()) {
    range = absl::StrCat(FormatNumber(rules.min()), " or more");
  } else if (rules.has_max()) {
    range = absl::StrCat(FormatNumber(rules.max()), " or less");
  }
  if (!std::isfinite(number)) {
    out.Add(value.path, "OUT_OF_RANGE", "is not a finite number");
  } else if ((rules.has_min() && number < rules.min()) ||
             (rules.has_max() && number > rules.max())) {
    const double nearest = rules.has_min() && number < rules.min() ? rules.min() : rules.max();
    out.Add(value.path, "OUT_OF_RANGE",
            absl::StrCat(value.AsText(), " is out of range; ", range, " is accepted"),
            FormatNumber(nearest));
  }
}

void CheckDuration(const Value& value, Violations& out) {
  const auto* reflection = value.message.GetReflection();
  google::protobuf::Duration duration;
  duration.CopyFrom(value.index < 0
                        ? reflection->GetMessage(value.message, &value.field)
                        : reflection->GetRepeatedMessage(value.message, &value.field, value.index));
  if (duration.seconds() < 0 || duration.nanos() < 0 || duration.nanos() > 999'999'999 ||
      duration.seconds() > 315'576'000'000) {
    out.Add(value.path, "OUT_OF_RANGE", "is negative or not a valid duration");
    return;
  }
  const v1::FieldRules& rules = RulesOf(value.field);
  const absl::Duration given = ToAbsl(duration);
  const auto bound = [](const std::string& text, absl::Duration otherwise) {
    return text.empty() ? otherwise : ParseDurationText(text).value_or(otherwise);
  };
  const absl::Duration low = bound(rules.min_duration(), absl::ZeroDuration());
  const absl::Duration high = bound(rules.max_duration(), absl::InfiniteDuration());
  if (given >= low && given <= high) return;
  const std::string& nearest = given < low ? rules.min_duration() : rules.max_duration();
  const std::string range = rules.max_duration().empty()
                                ? absl::StrCat(rules.min_duration(), " or more")
                                : absl::StrCat(FormatDurationText(low), " to ", rules.max_duration());
  out.Add(value.path, "OUT_OF_RANGE",
          absl::StrCat(FormatDurationText(given), " is out of range; ", range, " is accepted"),
          nearest);
}

void CheckEnum(const Value& value, Violations& out) {
  const auto* reflection = value.message.GetReflection();
  const int number = value.index < 0
                         ? reflection->GetEnumValue(value.message, &value.field)
                         : reflection->GetRepeatedEnumValue(value.message, &value.field, value.index);
  const auto& type = *value.field.enum_type();
  const auto* known = type.FindValueByNumber(number);
  const std::string served = absl::StrCat("; use ", AnyOf(ServedEnumNames(type)));
  if (known == nullptr) {
    out.Add(value.path, "UNKNOWN_ENUM",
            absl::StrCat(number, " is not a value of ", type.name(), " that is known", served));
  } else if (number == 0) {
    out.Add(value.path, "UNKNOWN_ENUM", absl::StrCat("UNSPECIFIED says nothing", served));
  } else if (IsNotServed(*known)) {
    out.Add(value.path, "NOT_SERVED",
            absl::StrCat(ShortEnumName(*known), " is not served by this version of Sluice", served));
  }
}

void CheckValue(const Value& value, const KnownNames& names, Violations& out) {
  switch (value.field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return CheckText(value, names, out);
    case FieldDescriptor::CPPTYPE_ENUM: return CheckEnum(value, out);
    case FieldDescriptor::CPPTYPE_BOOL: return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsDuration(value.field)) CheckDuration(value, out);
      return;
    default: return CheckNumber(value, out);
  }
}

void CheckTextMap(const Message& message, const FieldDescriptor& field, const std::string& path,
                  Violations& out) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, &field, i);
    const auto text = [&](const FieldDescriptor* part) {
      return GetScalar(entry, *part, -1).text;
    };
    const std::string key = text(field.message_type()->map_key());
    if (key.empty() || key.size() > kMaxKey) {
      out.Add(path, "BAD_FORM",
              absl::StrCat("a key has ", key.size(), " bytes; 1 to ", kMaxKey, " are accepted"));
    }
    if (text(field.message_type()->map_value()).size() > kMaxText) {
      out.Add(KeyPath(path, key), "OUT_OF_RANGE",
              absl::StrCat("is longer than ", kMaxText, " bytes"));
    }
  }
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  return field.is_repeated() ? reflection->FieldSize(message, &field) > 0
                             : reflection->HasField(message, &field);
}

void CheckRepeated(const Message& message, const FieldDescriptor& field, const std::string& path,
                   const KnownNames& names, Violations& out) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  const std::uint32_t most = RulesOf(field).max_items();
  if (most > 0 && static_cast<std::uint32_t>(size) > most) {
    out.Add(path, "OUT_OF_RANGE", absl::StrCat("has ", size, " entries; at most ", most));
  }
  if (field.is_map()) return CheckTextMap(message, field, path, out);
  if (IsStructure(field)) return;
  for (int i = 0; i < size; ++i) {
    CheckValue({message, field, i, IndexPath(path, i)}, names, out);
  }
}

}  // namespace

bool CheckField(const Message& message, const FieldDescriptor& field, const std::string& path,
                const KnownNames& names, Violations& out) {
  const v1::FieldRules& rules = RulesOf(field);
  if (!IsSet(message, field)) {
    if (rules.required()) out.Add(path, "REQUIRED", AtLeastOne(field));
    return false;
  }
  if (rules.not_served()) {
    out.Add(path, "NOT_SERVED",
            absl::StrCat(field.name(), " is not served by this version of Sluice; leave it out"));
    return false;
  }
  if (field.is_repeated()) {
    CheckRepeated(message, field, path, names, out);
  } else {
    CheckValue({message, field, -1, path}, names, out);
  }
  return true;
}

}  // namespace sluice
