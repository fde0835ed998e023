// Any bytes as an answer of embeddings, split where the first one says: the
// decoder ends, gives the same vectors as unsplit, and is done only with as
// many of one length as were asked for.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "server/codec/wire_format.h"

namespace {

using sluice::ResponseDecoder;
using sluice::StreamEvent;

constexpr size_t kInputs = 3;

class Record : public sluice::StreamEventHandler {
 public:
  void OnEvent(const StreamEvent& event) override {
    log += std::to_string(static_cast<int>(event.kind)) + "." + std::to_string(event.choice) + ":";
    if (event.kind != StreamEvent::Kind::kEmbedding) return;
    if (event.choice < 0 || static_cast<size_t>(event.choice) >= kInputs || event.embedding.empty()) std::abort();
    if (count > 0 && event.embedding.size() != length) std::abort();
    length = event.embedding.size();
    ++count;
    for (const float value : event.embedding) {
      if (!std::isfinite(value)) std::abort();
      char bytes[sizeof(value)];
      std::memcpy(bytes, &value, sizeof(value));
      log.append(bytes, sizeof(bytes));
    }
  }

  std::string log;
  size_t count = 0;
  size_t length = 0;
};

std::string Decode(std::string_view bytes, size_t step) {
  sluice::AnswerOptions limits;
  limits.max_event_bytes = 4096;
  const auto decoder = sluice::OpenAiFormat().NewEmbedDecoder(limits, {kInputs, 0});
  Record record;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::string piece(bytes.substr(at, step));
    decoder->Feed(piece, record);
  }
  const bool done = decoder->End(record) == ResponseDecoder::State::kDone;
  if (done && record.count != kInputs) std::abort();
  return record.log + (done ? "done" : decoder->error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (Decode(bytes, bytes.size() + 1) != Decode(bytes, data[0] % 64 + 1)) std::abort();
  return 0;
}
