// Any bytes, split where the first one says: the decoder ends, in peace or cut,
// gives the same events as unsplit, only whole UTF-8, and parts by the contract:
// each delta in an open part, each part ended before its choice.
#include <cstdint>
#include <cstdlib>
#include <set>
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
    Watch(event);
    for (const std::string_view text : {event.text, event.id, event.name}) {
      if (sluice::WholeUtf8(text) != text) std::abort();
      log.append(text).push_back('|');
    }
    if (event.citation != nullptr) {
      const std::string source = event.citation->url + event.citation->title + event.citation->cited_text;
      if (sluice::WholeUtf8(source) != source) std::abort();
      log += source;
    }
    log.append(event.data);
    log += std::to_string(static_cast<int>(event.kind)) + "." + std::to_string(event.choice) + "." +
           std::to_string(event.part) + "\n";
  }

  std::string log;

 private:
  using Kind = StreamEvent::Kind;

  void Watch(const StreamEvent& event) {
    const std::pair<int, int> part(event.choice, event.part);
    if (event.kind == Kind::kCitation) {
      // Of what was begun, and may have ended; never of an answer that has.
      if (!seen_.contains(part) || ended_.contains(event.choice)) std::abort();
    } else if (event.kind == Kind::kPartEnd) {
      if (open_.erase(part) == 0) std::abort();
    } else if (event.kind == Kind::kChoiceEnd) {
      ended_.insert(event.choice);
      for (const auto& open : open_) {
        if (open.first == event.choice) std::abort();
      }
    } else if (event.is_content() && event.kind != Kind::kExtras) {
      const bool opens = seen_.insert(part).second;
      if (opens) open_.insert(part);
      if (!open_.contains(part) || (event.kind == Kind::kToolCallDelta && opens)) std::abort();
    }
  }

  std::set<std::pair<int, int>> seen_;
  std::set<std::pair<int, int>> open_;
  std::set<int> ended_;
};

std::string Decode(std::string_view bytes, size_t step, bool cut) {
  sluice::AnswerOptions limits;
  limits.max_event_bytes = 4096;
  limits.include_extras = cut;
  const auto decoder = sluice::OpenAiFormat().NewDecoder(limits);
  Record record;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::string piece(bytes.substr(at, step));
    decoder->Feed(piece, record);
  }
  const auto state = cut ? decoder->Cut(record) : decoder->End(record);
  const bool done = state == ResponseDecoder::State::kDone;
  return record.log + (done ? "done" : decoder->error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool cut = data[0] >= 128;
  if (Decode(bytes, bytes.size() + 1, cut) != Decode(bytes, data[0] % 64 + 1, cut)) std::abort();
  return 0;
}
