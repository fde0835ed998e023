#include "proto/metrics_server/http_answer.h"

#include <zlib.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sluice {
namespace {

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Unknown";
  }
}

// "q=0", "q=0.000": not wanted.
bool IsRefused(absl::string_view parameter) {
  parameter = absl::StripAsciiWhitespace(parameter);
  if (!absl::StartsWithIgnoreCase(parameter, "q=")) return false;
  const std::string weight(parameter.substr(2));
  char* end = nullptr;
  const double value = std::strtod(weight.c_str(), &end);
  return end != weight.c_str() && value <= 0;
}

}  // namespace

std::string PathOf(std::string_view target) {
  if (const size_t scheme = target.find("://"); target.substr(0, 1) != "/" && scheme != std::string_view::npos) {
    const size_t path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  return std::string(target.substr(0, target.find_first_of("?#")));
}

bool AcceptsGzip(std::string_view accept_encoding) {
  const absl::string_view codings(accept_encoding.data(), accept_encoding.size());
  for (absl::string_view coding : absl::StrSplit(codings, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(coding, absl::MaxSplits(';', 1));
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts.first), "gzip")) continue;
    return !IsRefused(parts.second);
  }
  return false;
}

std::string HeadOf(const HttpAnswer& answer, bool keep_alive) {
  const auto view = [](std::string_view text) { return absl::string_view(text.data(), text.size()); };
  return absl::StrCat("HTTP/1.1 ", answer.status, " ", view(ReasonOf(answer.status)),
                      "\r\nContent-Type: ", answer.content_type, "\r\nContent-Length: ", answer.body.size(),
                      // Of a proxy between: each answer is about this moment.
                      "\r\nCache-Control: no-store", answer.gzip ? "\r\nContent-Encoding: gzip" : "",
                      answer.status == 405 ? "\r\nAllow: GET, HEAD" : "",
                      keep_alive ? "\r\nConnection: keep-alive" : "\r\nConnection: close", "\r\n\r\n");
}

std::string Gzipped(std::string_view text) {
  z_stream stream{};
  // 16 more than the window's bits: with gzip's head and checksum. The fastest
  // level: a page shrinks to a twentieth with it too.
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return "";
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(whole ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

}  // namespace sluice
