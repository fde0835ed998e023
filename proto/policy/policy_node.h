// A policy document as a tree of texts, free of protobuf and of yaml-cpp. The
// loader makes it from text and fills messages from it; the printer and the
// diff make it from messages. Used inside proto/policy, and by sluicectl for all
// that it prints as JSON or YAML; any thread.
#ifndef SLUICE_PROTO_POLICY_POLICY_NODE_H_
#define SLUICE_PROTO_POLICY_POLICY_NODE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice {

struct PolicyNode {
  // kText was quoted, or is text by its field: it is never a number, and its
  // JSON form has quotes. kPlain was written without quotes.
  enum class Kind { kNull, kPlain, kText, kList, kMap };

  Kind kind = Kind::kNull;
  int line = 0;      // 1-based, of the value
  std::string text;  // of kPlain and kText
  // Of kList; of kMap with `key` set in each.
  std::vector<PolicyNode> items;
  std::string key;
  int key_line = 0;

  bool is_scalar() const { return kind == Kind::kPlain || kind == Kind::kText; }
  const PolicyNode* Find(absl::string_view wanted) const;

  static PolicyNode Plain(std::string text);
  static PolicyNode Text(std::string text);
  static PolicyNode Map();
  static PolicyNode List();
  // Appends to a map.
  void Add(std::string name, PolicyNode value);
};

// "a map", "a list", … : what a node is, towards people.
absl::string_view DescribeNode(const PolicyNode& node);

struct NodeLimits {
  std::size_t bytes = 16u << 20;  // more than 10,000 endpoints take 2 MiB
  int depth = 64;                 // the deepest policy has 8 levels
  // An unpacked value takes about 150 bytes: bounds the memory of one load.
  std::size_t nodes = 500'000;
};

struct ParsedNodes {
  std::vector<PolicyNode> documents;  // without the empty ones
  std::string error;                  // "" or why reading ended
  int error_line = 0;
};

// Every document up to the first one that is not YAML.
ParsedNodes ParseNodes(absl::string_view text, const NodeLimits& limits = {});

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_POLICY_NODE_H_
