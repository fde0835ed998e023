#include "controlplane/ctl/policy_docs.h"

#include <string_view>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

// The assembler takes the file in as it is; no generated source is needed.
asm(R"(
  .section .rodata
  .global sluice_policy_docs_begin
  .global sluice_policy_docs_end
sluice_policy_docs_begin:
  .incbin ")" SLUICE_POLICY_DOCS R"("
sluice_policy_docs_end:
  .byte 0
  .previous
)");
extern "C" const char sluice_policy_docs_begin[];
extern "C" const char sluice_policy_docs_end[];

namespace sluice::ctl {
namespace {

// Null where the set cannot be read: explain then shows types and ranges only.
const google::protobuf::DescriptorPool* Docs() {
  static const google::protobuf::DescriptorPool* const pool = [] {
    google::protobuf::FileDescriptorSet set;
    auto* made = new google::protobuf::DescriptorPool;
    const std::string_view bytes(sluice_policy_docs_begin, sluice_policy_docs_end - sluice_policy_docs_begin);
    if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return made;
    for (const auto& file : set.file()) made->BuildFile(file);
    return made;
  }();
  return pool;
}

std::string Comment(const google::protobuf::SourceLocation& location) {
  std::string text = location.leading_comments.empty() ? location.trailing_comments : location.leading_comments;
  std::string lines;
  for (size_t from = 0; from < text.size();) {
    size_t end = std::min(text.find('\n', from), text.size());
    const size_t begin = text.find_first_not_of(' ', from);
    lines.append(text, std::min(begin, end), end - std::min(begin, end)).append("\n");
    from = end + 1;
  }
  while (!lines.empty() && lines.back() == '\n') lines.pop_back();
  return lines;
}

}  // namespace

std::string CommentOf(const std::string& full_name) {
  google::protobuf::SourceLocation location;
  const auto* pool = Docs();
  if (const auto* message = pool->FindMessageTypeByName(full_name)) {
    return message->GetSourceLocation(&location) ? Comment(location) : "";
  }
  if (const auto* field = pool->FindFieldByName(full_name)) {
    return field->GetSourceLocation(&location) ? Comment(location) : "";
  }
  if (const auto* value = pool->FindEnumValueByName(full_name)) {
    return value->GetSourceLocation(&location) ? Comment(location) : "";
  }
  return "";
}

}  // namespace sluice::ctl
