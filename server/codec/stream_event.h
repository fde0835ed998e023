// What a codec makes of an upstream's bytes, in the terms of gateway.proto but
// free of protobuf: views into the codec's buffers, no allocation per chunk.
#ifndef SLUICE_SERVER_CODEC_STREAM_EVENT_H_
#define SLUICE_SERVER_CODEC_STREAM_EVENT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// Same values as sluice.v1.FinishReason.
enum class FinishReason { kUnspecified = 0, kStop, kLength, kToolCalls, kContentFilter, kRefusal, kOther };

// Cumulative; a later one replaces. Not set: not told.
struct UsageCounts {
  std::optional<int32_t> input_tokens;
  std::optional<int32_t> output_tokens;
  std::optional<int32_t> total_tokens;
  std::optional<int32_t> cached_input_tokens;
  std::optional<int32_t> reasoning_tokens;
  // Not told by the upstream: made from the bytes of prompt and answer.
  bool estimated = false;
};

struct TopLogprobValue {
  std::string token;
  std::string raw;
  double logprob = 0;
};

struct TokenLogprobValue {
  std::string token;
  std::string raw;
  double logprob = 0;
  std::vector<TopLogprobValue> top;
};

// Where something in an answer comes from; empty or not set: not told.
struct CitationValue {
  std::string url;
  std::string title;
  std::string cited_text;
  // A piece of the answer, as the provider counts.
  std::optional<int32_t> start;
  std::optional<int32_t> end;
  // A file at the provider, or its name for a document of the caller's.
  std::string file_id;

  size_t bytes() const { return url.size() + title.size() + cited_text.size() + file_id.size(); }
};

struct StreamEvent {
  enum class Kind {
    kModel,          // text: the model as the upstream reports it; not content
    kContent,        // text, logprobs
    kReasoning,      // text
    kRefusal,        // text
    kToolCallStart,  // id, name; complete, once a part
    kToolCallDelta,  // text: more of the arguments
    kPartEnd,        // text: what the provider wants back with the part, or empty; name: its issuer
    kChoiceEnd,      // finish_reason, text: the provider's word
    kUsage,          // usage
    kExtras,         // a provider's own field; name: wire format, id: its key, text: its value as JSON
    kEmbedding,      // choice: index of the input, embedding; the whole vector
    kMedia,          // data, text: more of a sound and of what it says; name: its type, once a part
    kCitation,       // citation: of a part that was begun, which may have ended; not content
  };

  // The `part` of an extra that belongs to no choice.
  static constexpr int kWholeAnswer = -1;

  Kind kind = Kind::kContent;
  int choice = 0;
  // Dense per choice, in order of first content; never the upstream's index.
  int part = 0;
  // Whole UTF-8. Valid until the handler returns.
  std::string_view text;
  std::string_view id;
  std::string_view name;
  FinishReason finish_reason = FinishReason::kUnspecified;
  const UsageCounts* usage = nullptr;                        // kUsage only
  const std::vector<TokenLogprobValue>* logprobs = nullptr;  // kContent, or null
  std::span<const float> embedding;                          // kEmbedding only
  std::string_view data;                                     // kMedia only; any bytes
  const CitationValue* citation = nullptr;                   // kCitation only
  bool shows_content = false;                                // kExtras: content of its own, as an image

  // Content commits a call: what was shown cannot be taken back.
  bool is_content() const {
    return kind == Kind::kContent || kind == Kind::kReasoning || kind == Kind::kRefusal ||
           kind == Kind::kToolCallStart || kind == Kind::kToolCallDelta || kind == Kind::kEmbedding ||
           kind == Kind::kMedia || shows_content;
  }
  // What it holds, roughly; logprobs are left out.
  size_t bytes() const {
    return text.size() + id.size() + name.size() + embedding.size_bytes() + data.size() +
           (citation != nullptr ? citation->bytes() : 0);
  }
};

class StreamEventHandler {
 public:
  virtual ~StreamEventHandler() = default;
  virtual void OnEvent(const StreamEvent& event) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_STREAM_EVENT_H_
