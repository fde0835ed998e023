#include "proto/policy/yaml_loader.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/policy/duplicate_resources.h"
#include "proto/policy/kinds.h"
#include "proto/policy/named_path.h"
#include "proto/policy/policy_node.h"
#include "proto/policy/schema.h"
#include "proto/policy/wording.h"
#include "proto/policy/yaml_fields.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;

std::vector<std::string> KindNames() {
  std::vector<std::string> names;
  for (const FieldDescriptor* kind : Kinds()) names.push_back(kind->message_type()->name());
  return names;
}

class DocumentReader {
 public:
  DocumentReader(std::string_view file, LoadResult* result) : file_(file), result_(result) {}

  void Read(const PolicyNode& document) {
    if (document.kind == PolicyNode::Kind::kList) {  // how JSON has many documents
      for (const PolicyNode& item : document.items) ReadResource(item);
    } else {
      ReadResource(document);
    }
  }

 private:
  void ReadResource(const PolicyNode& node) {
    if (node.kind != PolicyNode::Kind::kMap) {
      Error(node.line, "", "", absl::StrCat("a document must be a map with kind and name, not ",
                                            DescribeNode(node)));
      result_->lost.emplace_back();
      return;
    }
    const PolicyNode* name = node.Find("name");
    const std::string shown_name = name != nullptr && name->is_scalar() ? name->text : "";
    const FieldDescriptor* kind = ReadKind(node, shown_name);
    if (kind == nullptr) {
      result_->lost.push_back({"", shown_name});
      return;
    }
    const std::string id = ResourceId(kind->message_type()->name(), shown_name);
    if (name == nullptr) Error(node.line, id, "name", "is missing");

    LoadedResource loaded;
    loaded.file = file_;
    loaded.line = node.line;
    v1::Resource& resource = loaded.resource;
    auto* spec = resource.GetReflection()->MutableMessage(&resource, kind);
    FieldReader reader(file_, id, &result_->errors, &loaded.lines);
    reader.ReadEntries(node, {resource.mutable_meta(), spec}, {"kind"}, "");
    loaded.sound = name != nullptr && !reader.failed();
    result_->resources.push_back(std::move(loaded));
  }

  const FieldDescriptor* ReadKind(const PolicyNode& node, const std::string& name) {
    const PolicyNode* kind = node.Find("kind");
    const std::string called = name.empty() ? "" : absl::StrCat(" in ", Shown(name));
    if (kind == nullptr) {
      Error(node.line, "", "kind", absl::StrCat("is missing", called, "; use ", AnyOf(KindNames())));
      return nullptr;
    }
    if (!kind->is_scalar()) {
      Error(kind->line, "", "kind",
            absl::StrCat("is ", DescribeNode(*kind), called, "; use ", AnyOf(KindNames())));
      return nullptr;
    }
    const FieldDescriptor* field = FindKind(kind->text);
    if (field == nullptr) {
      Error(kind->line, "", "kind",
            absl::StrCat(Shown(kind->text), " is not known", DidYouMean(kind->text, KindNames())));
    }
    return field;
  }

  void Error(int line, std::string resource, std::string path, std::string message) {
    if (result_->errors.size() >= kMaxPolicyErrors) return;
    result_->errors.push_back(
        {file_, line, std::move(resource), std::move(path), std::move(message)});
  }

  const std::string file_;
  LoadResult* const result_;
};

}  // namespace

std::string PolicyError::ToString() const {
  std::string out = file;
  if (line > 0) absl::StrAppend(&out, ":", line);
  for (const std::string* part : {&resource, &path, &message}) {
    if (!part->empty()) absl::StrAppend(&out, out.empty() ? "" : ": ", *part);
  }
  return out;
}

int LoadedResource::LineOf(std::string_view named_path) const {
  const std::string indexed = IndexedPath(resource, std::string(named_path));
  std::string_view path = indexed;
  while (!path.empty()) {
    if (const auto found = lines.find(std::string(path)); found != lines.end()) {
      return found->second;
    }
    const std::size_t cut = path.find_last_of(".[");
    path = path.substr(0, cut == path.npos ? 0 : cut);
  }
  return line;
}

void LoadResult::Append(LoadResult other) {
  std::move(other.resources.begin(), other.resources.end(), std::back_inserter(resources));
  std::move(other.errors.begin(), other.errors.end(), std::back_inserter(errors));
  std::move(other.lost.begin(), other.lost.end(), std::back_inserter(lost));
}

LoadResult LoadPolicyText(std::string_view text, std::string_view file) {
  LoadResult result;
  const ParsedNodes parsed = ParseNodes(absl::string_view(text.data(), text.size()));
  DocumentReader reader(file, &result);
  for (const PolicyNode& document : parsed.documents) reader.Read(document);
  if (!parsed.error.empty()) {
    result.errors.push_back({std::string(file), parsed.error_line, "", "", parsed.error});
    result.lost.emplace_back();
  }
  RefuseDuplicateResources(result);
  return result;
}

}  // namespace sluice
