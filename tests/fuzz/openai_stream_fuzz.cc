// Any bytes, split where the first one says: the decoder ends, gives the same
// events as unsplit, and only whole UTF-8.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/codec/utf8_joiner.h"
#include "server/codec/wire_format.h"

namespace {

using sluice::ResponseDecoder;
using sluice::StreamEvent;

class Record : public sluice::StreamEventHandler {
 public:
  void OnEvent(const StreamEvent& event) override {
    for (const std::string_view text : {event.text, event.id, event.name}) {
      if (sluice::WholeUtf8(text) != text) std::abort();
      log.append(text).push_back('|');
    }
    log += std::to_string(static_cast<int>(event.kind)) + "." + std::to_string(event.choice) + "." +
           std::to_string(event.part) + "\n";
  }

  std::string log;
};

std::string Decode(std::string_view bytes, size_t step) {
  sluice::AnswerOptions limits;
  limits.max_event_bytes = 4096;
  const auto decoder = sluice::OpenAiFormat().NewDecoder(limits);
  Record record;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::string piece(bytes.substr(at, step));
    decoder->Feed(piece, record);
  }
  const bool done = decoder->End(record) == ResponseDecoder::State::kDone;
  return record.log + (done ? "done" : decoder->error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (Decode(bytes, bytes.size() + 1) != Decode(bytes, data[0] % 64 + 1)) std::abort();
  return 0;
}
