// Events as text, one a line, for expectations that people can read.
#ifndef SLUICE_TESTS_CODEC_EVENT_TEXT_H_
#define SLUICE_TESTS_CODEC_EVENT_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

#include "server/codec/wire_format.h"

namespace sluice {

class EventText : public StreamEventHandler {
 public:
  void OnEvent(const StreamEvent& event) override;
  const std::string& text() const { return text_; }
  // Appends the end: "DONE", or the failure.
  void OnEnd(ResponseDecoder::State state, const UpstreamError& error);
  bool only_whole_utf8() const { return only_whole_utf8_; }

 private:
  std::string text_;
  bool only_whole_utf8_ = true;
};

// Decodes `pieces` with the OpenAI decoder: all events and the end.
std::string DecodeToText(const std::vector<std::string_view>& pieces, size_t max_event_bytes = 1 << 20);

std::string ReadTestFile(const std::string& path);

}  // namespace sluice

#endif  // SLUICE_TESTS_CODEC_EVENT_TEXT_H_
