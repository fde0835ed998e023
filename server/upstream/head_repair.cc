#include "server/upstream/head_repair.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace sluice {
namespace {

constexpr absl::string_view kVersion = "HTTP/1.";
// "HTTP/1.1 200"
constexpr size_t kStatusSize = 12;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string_view WithoutEmptyLines(std::string_view bytes) {
  const size_t first = bytes.find_first_not_of("\r\n");
  return first == std::string_view::npos ? std::string_view() : bytes.substr(first);
}

bool IsTokenCharacter(char c) { return absl::ascii_isalnum(c) || absl::StrContains("!#$%&'*+-.^_`|~", absl::string_view(&c, 1)); }

bool IsToken(absl::string_view text) {
  for (const char c : text) {
    if (!IsTokenCharacter(c)) return false;
  }
  return !text.empty();
}

// Control characters become blanks.
std::string Printable(absl::string_view text) {
  std::string out(absl::StripAsciiWhitespace(text));
  for (char& c : out) {
    if (absl::ascii_iscntrl(c)) c = ' ';
  }
  return out;
}

struct Field {
  std::string name;
  std::string value;
};

// Nothing of a status line but version and code matters.
std::string StatusLine(absl::string_view line) {
  const bool readable = line.size() >= kStatusSize && absl::StartsWith(line, kVersion) && line[8] == ' ' &&
                        absl::ascii_isdigit(line[9]) && absl::ascii_isdigit(line[10]) && absl::ascii_isdigit(line[11]) &&
                        (line.size() == kStatusSize || !absl::ascii_isdigit(line[kStatusSize]));
  if (!readable) return {};
  return absl::StrCat(line.substr(0, kStatusSize), " ", Printable(line.substr(kStatusSize)), "\r\n");
}

std::vector<Field> FieldsOf(const std::vector<absl::string_view>& lines) {
  std::vector<Field> fields;
  for (size_t i = 1; i < lines.size(); ++i) {
    const absl::string_view line = lines[i];
    const bool folded = !line.empty() && (line.front() == ' ' || line.front() == '\t');
    if (folded && !fields.empty()) absl::StrAppend(&fields.back().value, " ", Printable(line));
    const size_t colon = line.find(':');
    if (folded || colon == absl::string_view::npos) continue;
    const absl::string_view name = absl::StripAsciiWhitespace(line.substr(0, colon));
    if (IsToken(name)) fields.push_back({std::string(name), Printable(line.substr(colon + 1))});
  }
  return fields;
}

bool Is(const Field& field, absl::string_view name) { return absl::EqualsIgnoreCase(field.name, name); }

enum class Coding { kNone, kChunked, kUnknown };

// Of all fields together, in their order.
Coding TransferCoding(const std::vector<Field>& fields, std::string& unknown) {
  Coding coding = Coding::kNone;
  for (const Field& field : fields) {
    if (!Is(field, "transfer-encoding")) continue;
    for (const absl::string_view piece : absl::StrSplit(field.value, ',')) {
      const absl::string_view token = absl::StripAsciiWhitespace(piece);
      if (token.empty() || absl::EqualsIgnoreCase(token, "identity")) continue;
      if (!absl::EqualsIgnoreCase(token, "chunked")) {
        unknown = std::string(token);
        return Coding::kUnknown;
      }
      coding = Coding::kChunked;
    }
  }
  return coding;
}

}  // namespace

bool BeginsLikeHead(std::string_view bytes) {
  const absl::string_view begin = View(WithoutEmptyLines(bytes));
  return begin.substr(0, kVersion.size()) == kVersion.substr(0, begin.size());
}

size_t FindHeadEnd(std::string_view bytes) {
  const std::string_view head = WithoutEmptyLines(bytes);
  const size_t skipped = bytes.size() - head.size();
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    const std::string_view next = head.substr(at + 1);
    if (next.starts_with('\n')) return skipped + at + 2;
    if (next.starts_with("\r\n")) return skipped + at + 3;
  }
  return std::string_view::npos;
}

RepairedHead RepairHead(std::string_view head) {
  std::vector<absl::string_view> lines = absl::StrSplit(View(WithoutEmptyLines(head)), '\n');
  for (absl::string_view& line : lines) {
    while (absl::ConsumeSuffix(&line, "\r")) {
    }
  }
  RepairedHead repaired;
  const std::string status_line = StatusLine(lines.front());
  if (status_line.empty()) return repaired;
  const std::vector<Field> fields = FieldsOf(lines);
  std::string unknown;
  const Coding coding = TransferCoding(fields, unknown);
  if (coding == Coding::kUnknown) {
    repaired.problem = absl::StrCat("the response has a transfer coding that was not asked for: ", unknown.substr(0, 32));
    return repaired;
  }
  repaired.bytes = status_line;
  for (const Field& field : fields) {
    // The connection closes, whatever the server would like.
    const bool dropped = Is(field, "transfer-encoding") || Is(field, "connection") || Is(field, "proxy-connection") ||
                         Is(field, "upgrade") || (coding == Coding::kChunked && Is(field, "content-length"));
    if (!dropped) absl::StrAppend(&repaired.bytes, field.name, ": ", field.value, "\r\n");
  }
  absl::StrAppend(&repaired.bytes, coding == Coding::kChunked ? "Transfer-Encoding: chunked\r\n" : "", "\r\n");
  return repaired;
}

}  // namespace sluice
