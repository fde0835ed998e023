#include "tests/proto/random_policy.h"

#include <cmath>
#include <cstring>
#include <iterator>
#include <set>
#include <string>

#include "google/protobuf/duration.pb.h"

#include "proto/policy/kinds.h"
#include "proto/policy/schema.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Generator {
 public:
  explicit Generator(std::mt19937_64& random) : random_(random) {}

  std::uint64_t Below(std::uint64_t n) { return random_() % n; }

  void Fill(Message& message) {
    const auto& type = *message.GetDescriptor();
    const Reflection& r = *message.GetReflection();
    if (IsDuration(type)) return FillDuration(message);
    const bool choice = RulesOf(type).inline_or_reference();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.real_containing_oneof() == nullptr && Below(2) == 0) FillField(message, field);
    }
    for (int i = 0; i < type.real_oneof_decl_count(); ++i) {
      const auto& oneof = *type.oneof_decl(i);
      if (!choice && Below(4) == 0) continue;
      FillField(message, *oneof.field(static_cast<int>(Below(oneof.field_count()))));
      if (choice && !r.HasOneof(message, &oneof)) Fill(message);
    }
  }

 private:
  void FillField(Message& message, const FieldDescriptor& field) {
    if (field.is_map()) return FillMap(message, field);
    const int count = field.is_repeated() ? static_cast<int>(Below(4)) : 1;
    for (int i = 0; i < count; ++i) FillValue(message, field);
  }

  void FillMap(Message& message, const FieldDescriptor& field) {
    std::set<std::string> keys;
    for (std::uint64_t i = Below(4); i > 0; --i) keys.insert(Text());
    for (const std::string& key : keys) {
      Message* entry = message.GetReflection()->AddMessage(&message, &field);
      entry->GetReflection()->SetString(entry, field.message_type()->map_key(), key);
      entry->GetReflection()->SetString(entry, field.message_type()->map_value(), Text());
    }
  }

  template <typename T, typename Set, typename Add>
  void Put(Message& message, const FieldDescriptor& field, T value, Set set, Add add) {
    const Reflection* r = message.GetReflection();
    (r->*(field.is_repeated() ? add : set))(&message, &field, std::move(value));
  }

  void FillValue(Message& m, const FieldDescriptor& f) {
    using R = Reflection;
    switch (f.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL: return Put(m, f, Below(2) == 0, &R::SetBool, &R::AddBool);
      case FieldDescriptor::CPPTYPE_UINT32:
        return Put(m, f, static_cast<std::uint32_t>(Number()), &R::SetUInt32, &R::AddUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return Put(m, f, Number(), &R::SetUInt64, &R::AddUInt64);
      case FieldDescriptor::CPPTYPE_INT32:
        return Put(m, f, static_cast<std::int32_t>(Number()), &R::SetInt32, &R::AddInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return Put(m, f, static_cast<std::int64_t>(Number()), &R::SetInt64, &R::AddInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE: return Put(m, f, Real(), &R::SetDouble, &R::AddDouble);
      case FieldDescriptor::CPPTYPE_FLOAT: return;
      case FieldDescriptor::CPPTYPE_STRING: return Put(m, f, Text(), &R::SetString, &R::AddString);
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto& type = *f.enum_type();
        const int number = type.value(1 + static_cast<int>(Below(type.value_count() - 1)))->number();
        return Put(m, f, number, &R::SetEnumValue, &R::AddEnumValue);
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(f.is_repeated() ? *m.GetReflection()->AddMessage(&m, &f)
                                    : *m.GetReflection()->MutableMessage(&m, &f));
    }
  }

  std::uint64_t Number() { return Below(2) == 0 ? Below(20) : random_() >> Below(64); }

  double Real() {
    if (Below(2) == 0) return static_cast<double>(Below(200)) / 2;
    for (;;) {
      const std::uint64_t bits = random_();
      double out;
      std::memcpy(&out, &bits, sizeof out);
      if (std::isfinite(out)) return out;
    }
  }

  void FillDuration(Message& message) {
    google::protobuf::Duration duration;
    duration.set_seconds(static_cast<std::int64_t>(random_() >> (28 + Below(36))) % 315'576'000'000);
    constexpr int kGrains[] = {1, 1000, 1'000'000, 1'000'000'000};
    const int grain = kGrains[Below(4)];
    duration.set_nanos(static_cast<int>(Below(1'000'000'000 / grain)) * grain);
    message.CopyFrom(duration);
  }

  // Words that YAML readers trip over, and characters of every kind.
  std::string Text() {
    static const char* const kWords[] = {
        "null", "~", "true", "No", "on", "123", "1e3", "0x1f", "12:30", "-", "- a", "? b", "a: b",
        "a #b", "#a", "[x]", "{y}", "*z", "&w", "!t", "%d", "@at", "`q", "'", "\"", "\\", "a,b",
        " lead", "trail ", "line\nbreak", "tab\there", "\r\n", "---", "...", "<<", "=", "env:A_B",
        "https://h:1/x?y#z", "gpt-4o", ".5", ".inf", "2001-01-01", "key:", ":key", "|", ">", "\x7f",
        "\xc2\x85", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xf0\x9f\x98\x80", "caf\xc3\xa9", "\\u0041"};
    if (Below(2) == 0) return kWords[Below(std::size(kWords))];
    std::string out;
    for (std::uint64_t i = Below(12); i > 0; --i) {
      out += Below(8) == 0 ? kWords[Below(std::size(kWords))]
                           : std::string(1, static_cast<char>(Below(128)));
    }
    return out;
  }

  std::mt19937_64& random_;
};

}  // namespace

v1::Resource RandomResource(std::mt19937_64& random) {
  Generator generator(random);
  v1::Resource resource;
  generator.Fill(*resource.mutable_meta());
  resource.mutable_meta()->set_name("n" + resource.meta().name());
  const FieldDescriptor* kind = Kinds()[generator.Below(Kinds().size())];
  generator.Fill(*resource.GetReflection()->MutableMessage(&resource, kind));
  return resource;
}

}  // namespace sluice
