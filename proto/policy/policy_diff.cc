#include "proto/policy/policy_diff.h"

#include <algorithm>
#include <string>

#include "google/protobuf/stubs/logging.h"

#include "proto/policy/kinds.h"
#include "proto/policy/named_path.h"
#include "proto/policy/policy_node.h"
#include "proto/policy/policy_tree.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

void AddChange(v1::Change& change, const std::string& path, const PolicyNode* before,
               const PolicyNode* after) {
  v1::FieldChange& field = *change.add_fields();
  field.set_path(path);
  if (before != nullptr) field.set_before(FlowText(*before));
  if (after != nullptr) field.set_after(FlowText(*after));
}

void Compare(const PolicyNode* before, const PolicyNode* after, const std::string& path,
             v1::Change& change);

// Labels and the like have keys that a path shows in brackets.
std::string EntryPath(const std::string& path, const std::string& key) {
  const bool field = std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  return field ? FieldPath(path, key) : KeyPath(path, key);
}

void CompareMaps(const PolicyNode& before, const PolicyNode& after, const std::string& path,
                 v1::Change& change) {
  for (const PolicyNode& item : before.items) {
    Compare(&item, after.Find(item.key), EntryPath(path, item.key), change);
  }
  for (const PolicyNode& item : after.items) {
    if (before.Find(item.key) == nullptr) {
      Compare(nullptr, &item, EntryPath(path, item.key), change);
    }
  }
}

void CompareLists(const PolicyNode& before, const PolicyNode& after, const std::string& path,
                  v1::Change& change) {
  const auto at = [](const PolicyNode& list, std::size_t i) {
    return i < list.items.size() ? &list.items[i] : nullptr;
  };
  for (std::size_t i = 0; i < std::max(before.items.size(), after.items.size()); ++i) {
    Compare(at(before, i), at(after, i), IndexPath(path, i), change);
  }
}

void Compare(const PolicyNode* before, const PolicyNode* after, const std::string& path,
             v1::Change& change) {
  using Kind = PolicyNode::Kind;
  const bool both = before != nullptr && after != nullptr;
  if (both && before->kind == Kind::kMap && after->kind == Kind::kMap) {
    CompareMaps(*before, *after, path, change);
  } else if (both && before->kind == Kind::kList && after->kind == Kind::kList) {
    CompareLists(*before, *after, path, change);
  } else if (!both || FlowText(*before) != FlowText(*after)) {
    AddChange(change, path, before, after);
  }
}

// With an entry's name where both have the same one there.
std::string SharedPath(const v1::Resource& before, const v1::Resource& after, const std::string& path) {
  const std::string named = NamedPath(after, path);
  return NamedPath(before, path) == named ? named : path;
}

}  // namespace

v1::Change DiffResources(const v1::Resource* before, const v1::Resource* after) {
  GOOGLE_CHECK(before != nullptr || after != nullptr);
  const v1::Resource& known = after != nullptr ? *after : *before;
  v1::Change change;
  change.mutable_resource()->set_kind(std::string(KindOf(known)));
  change.mutable_resource()->set_name(known.meta().name());
  if (before == nullptr || after == nullptr) {
    change.set_action(before == nullptr ? v1::CHANGE_ACTION_CREATED : v1::CHANGE_ACTION_DELETED);
    return change;
  }
  CompareMaps(ResourceToNode(*before, {}), ResourceToNode(*after, {}), "", change);
  for (v1::FieldChange& field : *change.mutable_fields()) field.set_path(SharedPath(*before, *after, field.path()));
  change.set_action(change.fields().empty() ? v1::CHANGE_ACTION_UNCHANGED
                                            : v1::CHANGE_ACTION_UPDATED);
  return change;
}

}  // namespace sluice
