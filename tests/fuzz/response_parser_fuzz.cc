// Any bytes as a response, its body in a coding, split where the first ones say:
// the parser ends, and finds what it finds unsplit.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "server/upstream/content_decoder.h"
#include "server/upstream/response_parser.h"

namespace {

using sluice::ContentDecoder;
using sluice::ResponseParser;

std::string Parse(std::string_view bytes, size_t step) {
  ResponseParser parser(1024, false);
  std::string heads, body, stash;
  for (size_t at = 0; at < bytes.size(); at += step) {
    stash += bytes.substr(at, step);
    std::string_view input = stash;
    for (bool more = true; more;) {
      switch (parser.Next(input)) {
        case ResponseParser::Event::kNeedMore:
          more = false;
          break;
        case ResponseParser::Event::kHead:
          heads += std::to_string(parser.head().status()) + std::string(parser.head().header("x-a")) + ";";
          break;
        case ResponseParser::Event::kBody:
          if (parser.body().empty()) std::abort();
          body += parser.body();
          break;
        case ResponseParser::Event::kEnd:
          return heads + body + (parser.keep_alive() ? "+" : "-");
        case ResponseParser::Event::kError:
          if (parser.error().empty()) std::abort();
          return heads + body + "!";
      }
    }
    stash = std::string(input);
  }
  return heads + body + (parser.Close() == ResponseParser::Event::kEnd ? "." : "!");
}

std::string Decode(std::string_view coding, std::string_view bytes, size_t step) {
  const std::unique_ptr<ContentDecoder> decoder = ContentDecoder::For(coding);
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += step) {
    decoder->Feed(bytes.substr(at, step));
    for (auto result = decoder->Next(); result != ContentDecoder::Result::kMore; result = decoder->Next()) {
      // How much comes before the break depends on the split.
      if (result == ContentDecoder::Result::kBroken) return "!";
      if (decoder->piece().empty()) std::abort();
      if (text.size() < (1 << 20)) text += decoder->piece();
    }
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t step = data[0] % 64 + 1;
  if (Parse(bytes, bytes.size() + 1) != Parse(bytes, step)) std::abort();
  for (const char* coding : {"gzip", "deflate"}) {
    if (Decode(coding, bytes, bytes.size() + 1) != Decode(coding, bytes, step)) std::abort();
  }
  return 0;
}
