#include "proto/policy/yaml_scalars.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/duration.pb.h"

#include "proto/policy/duration_text.h"
#include "proto/policy/schema.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status Refuse(const std::string& text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Shown(text), " ", why));
}

bool AllDigits(absl::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

// What YAML takes for text must not become a number behind its writer's back.
absl::Status RefuseQuoted(const PolicyNode& node, absl::string_view what) {
  if (node.kind != PolicyNode::Kind::kText) return absl::OkStatus();
  return Refuse(node.text, absl::StrCat("is a text in quotes; write ", what, " without quotes"));
}

std::string RangeText(const FieldDescriptor& field, double low, double high) {
  const v1::FieldRules& rules = RulesOf(field);
  if (rules.has_min()) low = rules.min();
  if (rules.has_max()) high = rules.max();
  return absl::StrCat(FormatNumber(low), " to ", FormatNumber(high));
}

template <typename T>
absl::Status ParseInteger(const PolicyNode& node, const FieldDescriptor& field, T* out) {
  if (auto status = RefuseQuoted(node, "the number"); !status.ok()) return status;
  absl::string_view digits = node.text;
  const bool negative = absl::ConsumePrefix(&digits, "-");
  if (!AllDigits(digits)) return Refuse(node.text, "is not a whole number");
  if (digits.size() > 1 && digits[0] == '0') {
    return Refuse(node.text, "begins with 0, which some readers take for octal; write it without");
  }
  if (absl::SimpleAtoi(node.text, out) && !(negative && *out == 0)) return absl::OkStatus();
  using Limits = std::numeric_limits<T>;
  return absl::InvalidArgumentError(
      absl::StrCat(Shown(node.text), " is out of range; ",
                   RangeText(field, static_cast<double>(Limits::min()),
                             static_cast<double>(Limits::max())),
                   " is accepted"));
}

// As JSON writes numbers: 5, -0.5, 1e-05. A point has digits on both sides, for
// ".5%" may be a 5% that lost something; nothing begins with '+' or with 0 as
// 05 does.
bool IsNumber(absl::string_view text) {
  const auto digits = [&] {
    std::size_t i = 0;
    while (i < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[i]))) ++i;
    text.remove_prefix(i);
    return i;
  };
  absl::ConsumePrefix(&text, "-");
  const bool zero = absl::StartsWith(text, "0");
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (absl::ConsumePrefix(&text, ".") && digits() == 0) return false;
  if (absl::ConsumePrefix(&text, "e") || absl::ConsumePrefix(&text, "E")) {
    if (!absl::ConsumePrefix(&text, "-")) absl::ConsumePrefix(&text, "+");
    if (digits() == 0) return false;
  }
  return text.empty();
}

absl::Status ParseNumber(const PolicyNode& node, bool percent, double* out) {
  absl::string_view text = node.text;
  if (percent && absl::ConsumeSuffix(&text, "%")) {
    text = absl::StripTrailingAsciiWhitespace(text);
  } else if (auto status = RefuseQuoted(node, "the number"); !status.ok()) {
    return status;
  }
  if (IsNumber(text) && absl::SimpleAtod(text, out) && std::isfinite(*out)) return absl::OkStatus();
  return Refuse(node.text, percent ? "is not a percentage; write 50, 50% or 0.5%" : "is not a number; write 2 or 0.5");
}

absl::Status ParseBool(const PolicyNode& node, bool* out) {
  if (auto status = RefuseQuoted(node, "true or false"); !status.ok()) return status;
  *out = absl::EqualsIgnoreCase(node.text, "true");
  if (*out || absl::EqualsIgnoreCase(node.text, "false")) return absl::OkStatus();
  return Refuse(node.text, "is neither true nor false");
}

absl::Status ParseEnum(const PolicyNode& node, const google::protobuf::EnumDescriptor& type,
                       int* out) {
  const auto* value = FindEnumValue(type, node.text);
  if (value != nullptr) {
    *out = value->number();
    return absl::OkStatus();
  }
  const std::vector<std::string> names = ServedEnumNames(type);
  const std::string nearest = Nearest(node.text, names);
  const std::string hint = nearest.empty() ? absl::StrCat("; use ", AnyOf(names))
                                           : absl::StrCat("; did you mean ", nearest, "?");
  return Refuse(node.text, absl::StrCat("is not known", hint));
}

absl::Status SetDuration(const PolicyNode& node, const FieldDescriptor& field, Message& message) {
  const auto duration = ParseDurationText(node.text);
  if (!duration.ok()) return duration.status();
  const Reflection& reflection = *message.GetReflection();
  Message* place = field.is_repeated() ? reflection.AddMessage(&message, &field)
                                       : reflection.MutableMessage(&message, &field);
  place->CopyFrom(ToProto(*duration));
  return absl::OkStatus();
}

// Sets or appends by the two reflection methods of one type.
template <typename T, typename Set, typename Add>
absl::Status Put(absl::Status status, const FieldDescriptor& field, Message& message, T value,
                 Set set, Add add) {
  if (!status.ok()) return status;
  const Reflection* reflection = message.GetReflection();
  (reflection->*(field.is_repeated() ? add : set))(&message, &field, std::move(value));
  return absl::OkStatus();
}

absl::Status SetNumber(const PolicyNode& node, const FieldDescriptor& field, Message& message) {
  const auto integer = [&](auto value, auto set, auto add) {
    absl::Status status = ParseInteger(node, field, &value);
    return Put(std::move(status), field, message, value, set, add);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return integer(std::int32_t{}, &Reflection::SetInt32, &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return integer(std::int64_t{}, &Reflection::SetInt64, &Reflection::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return integer(std::uint32_t{}, &Reflection::SetUInt32, &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return integer(std::uint64_t{}, &Reflection::SetUInt64, &Reflection::AddUInt64);
    default: break;
  }
  double value = 0;
  absl::Status status = ParseNumber(node, IsPercent(field), &value);
  return Put(std::move(status), field, message, value, &Reflection::SetDouble,
             &Reflection::AddDouble);
}

}  // namespace

absl::Status SetScalar(const PolicyNode& node, const FieldDescriptor& field, Message& message) {
  if (node.kind == PolicyNode::Kind::kNull) {
    return absl::InvalidArgumentError("has no value; leave the key out to unset it");
  }
  if (!node.is_scalar()) {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", DescribeNode(node), "; a single value is expected"));
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return Put(absl::OkStatus(), field, message, node.text, &Reflection::SetString,
                 &Reflection::AddString);
    case FieldDescriptor::CPPTYPE_MESSAGE: return SetDuration(node, field, message);
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = false;
      absl::Status status = ParseBool(node, &value);
      return Put(std::move(status), field, message, value, &Reflection::SetBool,
                 &Reflection::AddBool);
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      int value = 0;
      absl::Status status = ParseEnum(node, *field.enum_type(), &value);
      return Put(std::move(status), field, message, value, &Reflection::SetEnumValue,
                 &Reflection::AddEnumValue);
    }
    default: return SetNumber(node, field, message);
  }
}

namespace {

PolicyNode EnumNode(int number, const google::protobuf::EnumDescriptor& type) {
  const auto* value = type.FindValueByNumber(number);
  // An unknown number has no text that reads back: shown as what it is.
  if (value == nullptr) return PolicyNode::Plain(absl::StrCat(number));
  return PolicyNode::Text(ShortEnumName(*value));
}

PolicyNode DurationNode(const Message& value) {
  google::protobuf::Duration duration;
  duration.CopyFrom(value);
  return PolicyNode::Text(FormatDurationText(ToAbsl(duration)));
}

}  // namespace

PolicyNode GetScalar(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& r = *message.GetReflection();
  const bool one = index < 0;
#define SLUICE_VALUE(Type) \
  (one ? r.Get##Type(message, &field) : r.GetRepeated##Type(message, &field, index))
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return PolicyNode::Plain(absl::StrCat(SLUICE_VALUE(Int32)));
    case FieldDescriptor::CPPTYPE_INT64: return PolicyNode::Plain(absl::StrCat(SLUICE_VALUE(Int64)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return PolicyNode::Plain(absl::StrCat(SLUICE_VALUE(UInt32)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return PolicyNode::Plain(absl::StrCat(SLUICE_VALUE(UInt64)));
    case FieldDescriptor::CPPTYPE_DOUBLE: return PolicyNode::Plain(FormatNumber(SLUICE_VALUE(Double)));
    case FieldDescriptor::CPPTYPE_FLOAT: return PolicyNode::Plain(FormatNumber(SLUICE_VALUE(Float)));
    case FieldDescriptor::CPPTYPE_BOOL: return PolicyNode::Plain(SLUICE_VALUE(Bool) ? "true" : "false");
    case FieldDescriptor::CPPTYPE_ENUM: return EnumNode(SLUICE_VALUE(EnumValue), *field.enum_type());
    case FieldDescriptor::CPPTYPE_STRING: return PolicyNode::Text(SLUICE_VALUE(String));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return DurationNode(one ? r.GetMessage(message, &field)
                              : r.GetRepeatedMessage(message, &field, index));
  }
#undef SLUICE_VALUE
  return {};
}

std::string FormatNumber(double number) {
  char buffer[32];
  // Whole numbers of everyday size without an exponent: 1000000, not 1e+06.
  const bool whole = number == std::trunc(number) && std::abs(number) < 1e15;
  const auto end = whole ? std::to_chars(buffer, buffer + sizeof buffer, number,
                                         std::chars_format::fixed)
                         : std::to_chars(buffer, buffer + sizeof buffer, number);
  return std::string(buffer, end.ptr);
}

}  // namespace sluice
