#include "proto/policy/kinds.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "proto/policy/schema.h"

namespace sluice {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

const google::protobuf::OneofDescriptor& SpecOneof() {
  return *v1::Resource::descriptor()->FindOneofByName("spec");
}

const FieldDescriptor* SpecField(const v1::Resource& resource) {
  return resource.GetReflection()->GetOneofFieldDescriptor(resource, &SpecOneof());
}

// Kinds in depth-first order of their references. References may run in a
// circle (Route → Fallback → Route): it is cut where it closes.
class PushOrder {
 public:
  std::vector<const FieldDescriptor*> Run() {
    for (int i = 0; i < SpecOneof().field_count(); ++i) AddKind(*SpecOneof().field(i));
    return std::move(order_);
  }

 private:
  void AddKind(const FieldDescriptor& kind) {
    if (!kinds_.insert(&kind).second) return;
    AddReferred(*kind.message_type());
    order_.push_back(&kind);
  }
  void AddReferred(const Descriptor& message) {
    if (!messages_.insert(&message).second) return;
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      for (int k = 0; k < SpecOneof().field_count(); ++k) {
        const FieldDescriptor& kind = *SpecOneof().field(k);
        if (RulesOf(field).refers_to() == kind.message_type()->name()) AddKind(kind);
      }
      if (IsStructure(field)) AddReferred(*field.message_type());
    }
  }

  std::set<const FieldDescriptor*> kinds_;
  std::set<const Descriptor*> messages_;
  std::vector<const FieldDescriptor*> order_;
};

std::string Folded(std::string_view name) {
  std::string out = absl::AsciiStrToLower(std::string(name));
  out.erase(std::remove_if(out.begin(), out.end(), [](char c) { return c == '_' || c == '-'; }),
            out.end());
  return out;
}

std::string Plural(std::string name) {
  if (name.back() != 'y') return name + "s";
  name.pop_back();
  return name + "ies";
}

// The only place where they are written. A kind that is not here has none.
struct ShortName {
  const char* kind;
  const char* name;
};
constexpr ShortName kShortNames[] = {
    {"Route", "rt"},         {"Upstream", "us"},  {"Upstream", "up"}, {"EndpointList", "ep"}, {"RetryPolicy", "rp"},
    {"CircuitBreaker", "cb"}, {"RateLimit", "rl"}, {"Fallback", "fb"},
};

}  // namespace

const std::vector<const FieldDescriptor*>& Kinds() {
  static const auto& kinds = *new std::vector<const FieldDescriptor*>(PushOrder().Run());
  return kinds;
}

const FieldDescriptor* FindKind(std::string_view name) {
  const std::string wanted = Folded(name);
  for (const FieldDescriptor* kind : Kinds()) {
    const KindNames names = NamesOf(*kind);
    if (wanted == names.single || wanted == names.plural) return kind;
    if (std::find(names.shorts.begin(), names.shorts.end(), wanted) != names.shorts.end()) return kind;
  }
  return nullptr;
}

KindNames NamesOf(const FieldDescriptor& kind) {
  const std::string& type = kind.message_type()->name();
  KindNames names{.single = Folded(type), .plural = Plural(Folded(type)), .shorts = {}};
  for (const ShortName& known : kShortNames) {
    if (type == known.kind) names.shorts.push_back(known.name);
  }
  return names;
}

std::string_view KindOf(const v1::Resource& resource) {
  const FieldDescriptor* field = SpecField(resource);
  return field == nullptr ? std::string_view() : std::string_view(field->message_type()->name());
}

const google::protobuf::Message& SpecOf(const v1::Resource& resource) {
  return resource.GetReflection()->GetMessage(resource, SpecField(resource));
}

google::protobuf::Message& MutableSpecOf(v1::Resource& resource) {
  return *resource.GetReflection()->MutableMessage(&resource, SpecField(resource));
}

std::string ResourceId(std::string_view kind, std::string_view name) {
  return absl::StrCat(absl::AsciiStrToLower(std::string(kind)), "/", std::string(name));
}

std::string ResourceId(const v1::Resource& resource) {
  return ResourceId(KindOf(resource), resource.meta().name());
}

}  // namespace sluice
