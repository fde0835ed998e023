#include "proto/policy/yaml_printer.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/policy/policy_node.h"
#include "proto/policy/policy_tree.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

// Words that some YAML reader takes for a boolean or for nothing.
bool IsReserved(absl::string_view text) {
  for (absl::string_view word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (absl::EqualsIgnoreCase(text, word)) return true;
  }
  return false;
}

// Anything that some YAML reader could take for a number, "12:30" included.
bool LooksLikeNumber(absl::string_view text) {
  if (!absl::ascii_isdigit(static_cast<unsigned char>(text[0])) && text[0] != '.') return false;
  return text.find_first_not_of("0123456789abcdefABCDEFxXoO_.:+-") == text.npos;
}

bool IsPlainSafe(absl::string_view text) {
  if (text.empty() || text.size() > 512 || IsReserved(text) || LooksLikeNumber(text)) return false;
  const auto plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/';
  };
  if (!plain(text[0]) || text.back() == ':') return false;
  // "..." alone ends a document.
  if (absl::StartsWith(text, "...")) return false;
  for (char c : text) {
    if (!plain(c) && c != '-' && c != ':' && c != '@' && c != '+') return false;
  }
  return true;
}

std::string ScalarText(const PolicyNode& node) {
  if (node.kind == PolicyNode::Kind::kNull) return "null";
  if (node.kind == PolicyNode::Kind::kPlain || IsPlainSafe(node.text)) return node.text;
  return EscapedQuoted(node.text);
}

std::string KeyText(absl::string_view key) {
  const bool plain = IsPlainSafe(key) && key.find(':') == key.npos;
  return plain ? std::string(key) : EscapedQuoted(key);
}

// A list of scalars fits on a line; so does what is empty.
bool PrintsInline(const PolicyNode& node) {
  if (node.is_scalar() || node.items.empty()) return true;
  if (node.kind != PolicyNode::Kind::kList) return false;
  for (const PolicyNode& item : node.items) {
    if (!item.is_scalar()) return false;
  }
  return true;
}

void AppendBlock(const PolicyNode& node, int indent, std::string& out);

void AppendEntry(const PolicyNode& entry, int indent, std::string& out) {
  absl::StrAppend(&out, KeyText(entry.key), ":");
  if (PrintsInline(entry)) {
    absl::StrAppend(&out, " ", FlowText(entry), "\n");
    return;
  }
  out += "\n";
  // Entries of a list stand under their key, those of a map two further in.
  AppendBlock(entry, entry.kind == PolicyNode::Kind::kMap ? indent + 2 : indent, out);
}

void AppendBlock(const PolicyNode& node, int indent, std::string& out) {
  const std::string margin(indent, ' ');
  for (const PolicyNode& item : node.items) {
    if (node.kind == PolicyNode::Kind::kMap) {
      out += margin;
      AppendEntry(item, indent, out);
    } else if (PrintsInline(item)) {
      absl::StrAppend(&out, margin, "- ", FlowText(item), "\n");
    } else {
      std::string block;
      AppendBlock(item, indent + 2, block);
      // The first line of the block stands behind the dash.
      absl::StrAppend(&out, margin, "- ", absl::string_view(block).substr(indent + 2));
    }
  }
}

void AppendJson(const PolicyNode& node, int indent, std::string& out) {
  if (node.kind == PolicyNode::Kind::kNull) {
    out += "null";
    return;
  }
  if (node.is_scalar()) {
    out += node.kind == PolicyNode::Kind::kPlain ? node.text : EscapedQuoted(node.text);
    return;
  }
  const bool map = node.kind == PolicyNode::Kind::kMap;
  if (node.items.empty()) {
    out += map ? "{}" : "[]";
    return;
  }
  const std::string margin(indent + 2, ' ');
  out += map ? "{\n" : "[\n";
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    out += margin;
    if (map) absl::StrAppend(&out, EscapedQuoted(node.items[i].key), ": ");
    AppendJson(node.items[i], indent + 2, out);
    out += i + 1 < node.items.size() ? ",\n" : "\n";
  }
  absl::StrAppend(&out, std::string(indent, ' '), map ? "}" : "]");
}

}  // namespace

std::string FlowText(const PolicyNode& node) {
  if (node.kind != PolicyNode::Kind::kList && node.kind != PolicyNode::Kind::kMap) {
    return ScalarText(node);
  }
  const bool map = node.kind == PolicyNode::Kind::kMap;
  std::string out = map ? "{" : "[";
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0) out += ", ";
    if (map) absl::StrAppend(&out, KeyText(node.items[i].key), ": ");
    out += FlowText(node.items[i]);
  }
  return out + (map ? "}" : "]");
}

std::string YamlText(const PolicyNode& node) {
  if (PrintsInline(node)) return absl::StrCat(FlowText(node), "\n");
  std::string out;
  AppendBlock(node, 0, out);
  return out;
}

std::string JsonText(const PolicyNode& node) {
  std::string out;
  AppendJson(node, 0, out);
  return out + "\n";
}

std::string PrintPolicyYaml(const v1::Resource& resource, const PrintOptions& options) {
  return YamlText(ResourceToNode(resource, options));
}

std::string PrintPolicyJson(const v1::Resource& resource, const PrintOptions& options) {
  return JsonText(ResourceToNode(resource, options));
}

}  // namespace sluice
