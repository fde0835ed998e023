#include "proto/policy/policy_node.h"

#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

#include "proto/policy/wording.h"

namespace sluice {
namespace {

// Builds the tree of one document from the parser's events. Aliases, anchors
// and tags are refused: policies need none, and aliases can blow up.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const NodeLimits& limits) : limits_(limits) {}

  PolicyNode Take() {
    stack_.clear();
    return std::exchange(root_, PolicyNode());
  }

  void OnDocumentStart(const YAML::Mark&) override { Take(); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    if (WantsKey()) throw YAML::ParserException(mark, "a key is missing");
    Place(Make(mark, PolicyNode::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases (*name) are not accepted; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) RefuseTag(mark);
    if (WantsKey()) {
      stack_.back().key = value;
      stack_.back().key_line = mark.line + 1;
      stack_.back().has_key = true;
      return;
    }
    PolicyNode node =
        Make(mark, tag == "!" ? PolicyNode::Kind::kText : PolicyNode::Kind::kPlain);
    node.text = value;
    Place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, PolicyNode::Kind::kList);
  }
  void OnSequenceEnd() override { stack_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, PolicyNode::Kind::kMap);
  }
  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Frame {
    PolicyNode* node = nullptr;
    bool has_key = false;
    std::string key;
    int key_line = 0;
  };

  bool WantsKey() const {
    return !stack_.empty() && stack_.back().node->kind == PolicyNode::Kind::kMap &&
           !stack_.back().has_key;
  }
  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      throw YAML::ParserException(mark, "anchors (&name) are not accepted; write the value out");
    }
  }
  [[noreturn]] void RefuseTag(const YAML::Mark& mark) {
    throw YAML::ParserException(mark, "tags (!name) are not accepted");
  }
  PolicyNode Make(const YAML::Mark& mark, PolicyNode::Kind kind) {
    if (++nodes_ > limits_.nodes) {
      throw YAML::ParserException(mark, absl::StrCat("more than ", limits_.nodes, " values"));
    }
    PolicyNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }
  PolicyNode* Place(PolicyNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return &root_;
    }
    Frame& frame = stack_.back();
    if (frame.node->kind == PolicyNode::Kind::kMap) {
      node.key = std::move(frame.key);
      node.key_line = frame.key_line;
      // The library places a value that is not there behind its line.
      if (node.kind == PolicyNode::Kind::kNull) node.line = node.key_line;
      frame.has_key = false;
    }
    frame.node->items.push_back(std::move(node));
    return &frame.node->items.back();
  }
  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            PolicyNode::Kind kind) {
    RefuseAnchor(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) RefuseTag(mark);
    if (WantsKey()) throw YAML::ParserException(mark, "a key must be a plain text");
    if (static_cast<int>(stack_.size()) >= limits_.depth) {
      throw YAML::ParserException(mark,
                                  absl::StrCat("nested deeper than ", limits_.depth, " levels"));
    }
    Frame frame;
    // Stays valid: the parent's items grow only after this child is closed.
    frame.node = Place(Make(mark, kind));
    stack_.push_back(std::move(frame));
  }

  const NodeLimits limits_;
  PolicyNode root_;
  std::vector<Frame> stack_;
  std::size_t nodes_ = 0;
};

int LineAt(absl::string_view text, std::size_t offset) {
  int line = 1;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) line += text[i] == '\n';
  return line;
}

// What the YAML library would guess at (UTF-16 without a mark, bytes replaced
// in silence, brackets by the million) is refused before it sees it.
bool RefuseText(absl::string_view text, const NodeLimits& limits, ParsedNodes& out) {
  if (text.size() > limits.bytes) {
    out.error = absl::StrCat("too large: ", text.size(), " bytes; at most ", limits.bytes);
    return true;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') continue;
    out.error = absl::StrCat("control character 0x", absl::Hex(c, absl::kZeroPad2),
                             "; write it as an escape in double quotes");
    out.error_line = LineAt(text, i);
    return true;
  }
  const std::size_t valid = ValidUtf8Prefix(text);
  if (valid < text.size()) {
    out.error = "not UTF-8";
    out.error_line = LineAt(text, valid);
    return true;
  }
  return false;
}

// Appends code point `code`, above U+FFFF.
void AppendUtf8(unsigned code, std::string* out) {
  out->push_back(static_cast<char>(0xF0 | code >> 18));
  for (int shift : {12, 6, 0}) out->push_back(static_cast<char>(0x80 | (code >> shift & 0x3F)));
}

// The code point of a pair of escapes ("\ud83d\ude00") at `i`, 0 if there is
// none.
unsigned SurrogatePair(absl::string_view text, std::size_t i) {
  if (text.size() < i + 12) return 0;
  unsigned high = 0, low = 0;
  const auto half = [&](std::size_t at, unsigned* out) {
    return text[at] == '\\' && text[at + 1] == 'u' && absl::SimpleHexAtoi(text.substr(at + 2, 4), out);
  };
  if (!half(i, &high) || !half(i + 6, &low)) return 0;
  if ((high & 0xFC00) != 0xD800 || (low & 0xFC00) != 0xDC00) return 0;
  return 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
}

// JSON writers escape what is above U+FFFF as two halves, which YAML does not
// know. In JSON (strings in double quotes only, no comments) it is plain which
// backslashes are escapes; other text is given back as it is.
std::string JoinSurrogates(absl::string_view text) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!in_string && (c == '\'' || c == '#' || c == '|' || c == '>' || c == '\\')) return std::string(text);
    if (c == '"') in_string = !in_string;
    if (const unsigned code = c == '\\' ? SurrogatePair(text, i) : 0; code != 0) {
      AppendUtf8(code, &out);
      i += 11;
    } else {
      out.push_back(c);
      if (c == '\\' && i + 1 < text.size()) out.push_back(text[++i]);
    }
  }
  return out;
}

bool IsJson(absl::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && (text[first] == '{' || text[first] == '[');
}

std::string ReasonOf(const YAML::Exception& error) {
  if (!absl::StartsWith(error.msg, "invalid unicode")) return error.msg;
  return "an escape is no character by itself (half of a pair like \\ud83d\\ude00); write the character, or "
         "\\U and its eight digits";
}

}  // namespace

const PolicyNode* PolicyNode::Find(absl::string_view wanted) const {
  if (kind != Kind::kMap) return nullptr;
  for (const PolicyNode& item : items) {
    if (item.key == wanted) return &item;
  }
  return nullptr;
}

PolicyNode PolicyNode::Plain(std::string text) {
  PolicyNode node;
  node.kind = Kind::kPlain;
  node.text = std::move(text);
  return node;
}

PolicyNode PolicyNode::Text(std::string text) {
  PolicyNode node;
  node.kind = Kind::kText;
  node.text = std::move(text);
  return node;
}

PolicyNode PolicyNode::Map() {
  PolicyNode node;
  node.kind = Kind::kMap;
  return node;
}

PolicyNode PolicyNode::List() {
  PolicyNode node;
  node.kind = Kind::kList;
  return node;
}

void PolicyNode::Add(std::string name, PolicyNode value) {
  value.key = std::move(name);
  items.push_back(std::move(value));
}

absl::string_view DescribeNode(const PolicyNode& node) {
  switch (node.kind) {
    case PolicyNode::Kind::kNull: return "nothing";
    case PolicyNode::Kind::kPlain: return "a single value";
    case PolicyNode::Kind::kText: return "a text";
    case PolicyNode::Kind::kList: return "a list";
    case PolicyNode::Kind::kMap: return "a map";
  }
  return "?";
}

ParsedNodes ParseNodes(absl::string_view text, const NodeLimits& limits) {
  ParsedNodes out;
  if (RefuseText(text, limits, out)) return out;
  TreeBuilder builder(limits);
  try {
    std::istringstream in{IsJson(text) ? JoinSurrogates(text) : std::string(text)};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
      PolicyNode root = builder.Take();
      if (root.kind != PolicyNode::Kind::kNull) out.documents.push_back(std::move(root));
    }
  } catch (const YAML::Exception& error) {
    out.error = absl::StrCat("not valid YAML: ", ReasonOf(error));
    out.error_line = error.mark.line + 1;
  }
  return out;
}

}  // namespace sluice
