#include "tests/bench/answer.h"

#include <cstdio>
#include <string_view>

#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

std::string HttpChunk(std::string_view data) {
  char size[16];
  std::snprintf(size, sizeof(size), "%zx\r\n", data.size());
  return size + std::string(data) + "\r\n";
}

std::string Event(std::string_view delta, std::string_view finish_reason, size_t wanted_bytes) {
  const std::string head =
      R"(data: {"id":"chatcmpl-9f2d7c1b4e6a8053","object":"chat.completion.chunk","created":1700000000,)"
      R"("model":"bench-model-2024-08-06","service_tier":"default","system_fingerprint":"fp_)";
  const std::string tail = R"(","choices":[{"index":0,"delta":)" + std::string(delta) +
                           R"(,"finish_reason":)" + std::string(finish_reason) + "}]}\n\n";
  const size_t bare = head.size() + tail.size();
  return head + std::string(wanted_bytes > bare ? wanted_bytes - bare : 0, '0') + tail;
}

}  // namespace

AnswerText::AnswerText() {
  begin_ =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
      "Transfer-Encoding: chunked\r\n\r\n" +
      HttpChunk(Event(R"({"role":"assistant","content":""})", "null", kChunkBytes));
  end_ = HttpChunk(Event("{}", R"("stop")", 0)) + HttpChunk("data: [DONE]\n\n") + "0\r\n\r\n";
  chunk_ = HttpChunk(Event(R"({"content":")" + std::string(kStampBytes, kStampMark) + R"("})", "null", kChunkBytes));
  stamp_at_ = chunk_.find(kStampMark);
}

void AnswerText::AppendChunk(int64_t now_ns, std::string& out) const {
  const size_t at = out.size();
  out.append(chunk_);
  WriteStamp(out.data() + at + stamp_at_, now_ns);
}

}  // namespace sluice::bench
