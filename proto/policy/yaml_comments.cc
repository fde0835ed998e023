#include "proto/policy/yaml_comments.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include "proto/policy/wording.h"

namespace sluice {
namespace {

constexpr std::size_t kMaxComments = 200;
constexpr std::size_t kMaxBytes = 8 << 10;
constexpr std::size_t kMaxLine = 500;
// Texts that are parsed once for each doubtful comment.
constexpr std::size_t kMaxDoubtful = 64 << 10;

// Where a comment stands to its path: lines above it, or behind it on its line.
constexpr char kAbove = '^';
constexpr char kBehind = '>';

// ---------------------------------------------------------------------------
// Places

// An entry of a list by its name where that is the only one, so that sorting
// the list moves the comment with it.
std::string EntryPath(const std::string& list, const PolicyNode& node, std::size_t index) {
  const PolicyNode* name = node.items[index].Find("name");
  if (name == nullptr || !name->is_scalar() || name->text.empty()) return IndexPath(list, index);
  const auto same = std::count_if(node.items.begin(), node.items.end(), [&](const PolicyNode& other) {
    const PolicyNode* found = other.Find("name");
    return found != nullptr && found->text == name->text;
  });
  return same == 1 ? KeyPath(list, name->text) : IndexPath(list, index);
}

// Labels and the like have keys of any text.
std::string FieldOrKeyPath(const std::string& map, const std::string& key) {
  const bool field = std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  });
  return field ? FieldPath(map, key) : KeyPath(map, key);
}

// Calls `visit(path, node)` for everything below `node`, in order.
template <typename Node, typename Visit>
void Walk(Node& node, const std::string& path, const Visit& visit) {
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const bool map = node.kind == PolicyNode::Kind::kMap;
    const std::string below = map ? FieldOrKeyPath(path, node.items[i].key) : EntryPath(path, node, i);
    visit(below, node.items[i]);
    Walk(node.items[i], below, visit);
  }
}

int FirstLine(const PolicyNode& node) { return node.key.empty() ? node.line : node.key_line; }

// The path that begins on each line; of several the outermost.
std::map<int, std::string> PathsByLine(const PolicyNode& document) {
  std::map<int, std::string> paths;
  Walk(document, "", [&](const std::string& path, const PolicyNode& node) { paths.emplace(FirstLine(node), path); });
  return paths;
}

bool Same(const PolicyNode& a, const PolicyNode& b) {
  return a.kind == b.kind && a.text == b.text && a.key == b.key &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), Same);
}

// ---------------------------------------------------------------------------
// Finding

struct FoundComment {
  int line = 0;
  std::size_t from = 0;  // of the '#', within the line
  bool whole_line = false;
};

// A '#' begins a comment at the start and behind a blank, outside of quotes.
std::size_t CommentStart(absl::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '"' && c == '\\') {
      ++i;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && (i == 0 || std::strchr(" \t[{,:-", line[i - 1]) != nullptr)) {
      quote = c;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return i;
    }
  }
  return line.npos;
}

std::string Without(const std::vector<absl::string_view>& lines, const std::vector<FoundComment>& comments) {
  std::vector<absl::string_view> left = lines;
  for (const FoundComment& comment : comments) left[comment.line - 1] = left[comment.line - 1].substr(0, comment.from);
  return absl::StrJoin(left, "\n");
}

class Finder {
 public:
  Finder(absl::string_view text, const std::vector<PolicyNode>& documents)
      : text_(text), lines_(absl::StrSplit(text, '\n')), documents_(documents) {}

  // Only those without which the text says the same.
  std::vector<FoundComment> Find() const {
    std::vector<FoundComment> found;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const std::size_t from = CommentStart(lines_[i]);
      if (from == lines_[i].npos) continue;
      const bool whole = absl::StripAsciiWhitespace(lines_[i].substr(0, from)).empty();
      found.push_back({static_cast<int>(i) + 1, from, whole});
    }
    if (found.empty() || SaysTheSame(found)) return found;
    if (text_.size() > kMaxDoubtful || found.size() > kMaxComments) return {};
    found.erase(std::remove_if(found.begin(), found.end(),
                               [&](const FoundComment& comment) { return !SaysTheSame({comment}); }),
                found.end());
    return SaysTheSame(found) ? found : std::vector<FoundComment>();
  }

  // Without '#' and the blank behind it.
  std::string TextOf(const FoundComment& comment) const {
    absl::string_view text = lines_[comment.line - 1].substr(comment.from + 1);
    if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
    text = absl::StripTrailingAsciiWhitespace(text).substr(0, kMaxLine);
    std::string kept(text.substr(0, ValidUtf8Prefix(text)));
    for (char& c : kept) {
      if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
    }
    return kept;
  }

  bool IsSeparator(std::size_t index) const {
    return absl::StartsWith(lines_[index], "---") || absl::StartsWith(lines_[index], "...");
  }
  std::size_t line_count() const { return lines_.size(); }

 private:
  bool SaysTheSame(const std::vector<FoundComment>& comments) const {
    const ParsedNodes without = ParseNodes(Without(lines_, comments));
    return without.error.empty() &&
           std::equal(without.documents.begin(), without.documents.end(), documents_.begin(), documents_.end(), Same);
  }

  const absl::string_view text_;
  const std::vector<absl::string_view> lines_;
  const std::vector<PolicyNode>& documents_;
};

// ---------------------------------------------------------------------------
// The annotation: a line for each, "PATH\t^TEXT".

std::string EscapedText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\n", "\\n"}});
}

std::string UnescapedText(absl::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else {
      out += text[++i] == 'n' ? '\n' : text[i];
    }
  }
  return out;
}

class Writer {
 public:
  void Add(const std::string& path, char where, const std::string& text) {
    const std::string line = absl::StrCat(path, "\t", std::string(1, where), EscapedText(text));
    if (count_ == kMaxComments || value_.size() + line.size() + 1 > kMaxBytes) return;
    absl::StrAppend(&value_, count_++ == 0 ? "" : "\n", line);
  }
  const std::string& value() const { return value_; }

 private:
  std::string value_;
  std::size_t count_ = 0;
};

// Those of lines (from, to).
std::string CommentsWithin(const Finder& finder, const std::vector<FoundComment>& all, const PolicyNode& document,
                           int from, int to) {
  const std::map<int, std::string> paths = PathsByLine(document);
  Writer writer;
  std::vector<std::string> block;
  std::string block_path;
  const auto flush = [&] {
    if (!block.empty()) writer.Add(block_path, kAbove, absl::StrJoin(block, "\n"));
    block.clear();
  };
  for (const FoundComment& comment : all) {
    if (comment.line <= from || comment.line >= to) continue;
    if (comment.whole_line) {
      const auto next = paths.upper_bound(comment.line);
      const std::string path = next == paths.end() ? "" : next->second;
      if (path != block_path) flush();
      block_path = path;
      block.push_back(finder.TextOf(comment));
      continue;
    }
    flush();
    // The path of the line, or of what it goes on.
    auto here = paths.upper_bound(comment.line);
    if (here == paths.begin()) continue;
    writer.Add(std::prev(here)->second, kBehind, finder.TextOf(comment));
  }
  flush();
  return writer.value();
}

// ---------------------------------------------------------------------------
// Attaching

void Put(PolicyNode& node, char where, const std::string& text) {
  if (node.comments == nullptr) node.comments = std::make_shared<NodeComments>();
  std::string& to = where == kAbove ? node.comments->above : node.comments->behind;
  if (where == kBehind && !to.empty()) {
    absl::StrAppend(&to, "; ", text);
  } else {
    absl::StrAppend(&to, to.empty() ? "" : "\n", text);
  }
}

// What begins on the line of a list's entry is that entry.
class Attacher {
 public:
  explicit Attacher(PolicyNode& document) : document_(document) {
    Walk(document, "", [&](const std::string& path, PolicyNode& node) { nodes_.emplace(path, &node); });
    Lead(document);
  }

  void Attach(std::string path, char where, const std::string& text) {
    while (!path.empty()) {
      const auto found = nodes_.find(path);
      if (found != nodes_.end()) return Put(*Outermost(found->second), where, text);
      const std::size_t cut = path.find_last_of(".[");
      path = path.substr(0, cut == path.npos ? 0 : cut);
    }
    // At the end.
    Put(document_, kAbove, text);
  }

 private:
  void Lead(PolicyNode& node) {
    for (PolicyNode& item : node.items) {
      if (node.kind == PolicyNode::Kind::kList && !item.items.empty()) leads_[&item.items.front()] = &item;
      Lead(item);
    }
  }
  PolicyNode* Outermost(PolicyNode* node) const {
    for (auto lead = leads_.find(node); lead != leads_.end(); lead = leads_.find(node)) node = lead->second;
    return node;
  }

  PolicyNode& document_;
  std::map<std::string, PolicyNode*> nodes_;
  std::map<const PolicyNode*, PolicyNode*> leads_;
};

}  // namespace

std::vector<std::string> ReadComments(std::string_view text_view, const std::vector<PolicyNode>& documents) {
  const absl::string_view text(text_view.data(), text_view.size());
  std::vector<std::string> values(documents.size());
  if (!absl::StrContains(text, "#")) return values;
  const Finder finder(text, documents);
  const std::vector<FoundComment> comments = finder.Find();
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (documents[i].kind != PolicyNode::Kind::kMap) continue;
    // Between the separators around it.
    int from = documents[i].line - 1;
    while (from > 0 && !finder.IsSeparator(from - 1)) --from;
    int to = documents[i].line;
    while (to <= static_cast<int>(finder.line_count()) && !finder.IsSeparator(to - 1)) ++to;
    values[i] = CommentsWithin(finder, comments, documents[i], from, to);
  }
  return values;
}

void AttachComments(std::string_view annotation, PolicyNode& document) {
  Attacher attacher(document);
  const absl::string_view lines(annotation.data(), annotation.size());
  for (absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    const std::size_t tab = line.find('\t');
    if (tab == line.npos || tab + 1 == line.size()) continue;
    const char where = line[tab + 1];
    if (where != kAbove && where != kBehind) continue;
    std::string text = UnescapedText(line.substr(tab + 2));
    // An annotation may be written by hand.
    for (char& c : text) {
      if (c != '\n' && absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
      if (c == '\n' && where == kBehind) c = ' ';
    }
    attacher.Attach(std::string(line.substr(0, tab)), where, text);
  }
}

std::string DescribeComments(std::string_view annotation) {
  if (annotation.empty()) return "";
  const auto lines = 1 + std::count(annotation.begin(), annotation.end(), '\n');
  return absl::StrCat(lines, lines == 1 ? " comment" : " comments");
}

}  // namespace sluice
