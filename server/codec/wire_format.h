// The seam between the engine and a provider's wire format: a request becomes
// an HTTP request, bytes become events, an error answer becomes a kind of
// failure. Functions without I/O, clock or thread; a decoder belongs to one
// attempt, everything else is const and shared by all threads.
#ifndef SLUICE_SERVER_CODEC_WIRE_FORMAT_H_
#define SLUICE_SERVER_CODEC_WIRE_FORMAT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/codec/dialect.h"
#include "server/codec/stream_event.h"
#include "server/resilience/failure.h"
#include "server/resilience/time.h"

namespace sluice::v1 {
class ChatRequest;
class EmbedRequest;
}

namespace sluice {

// An HTTP request less what belongs to the endpoint (host, credential).
struct EncodedRequest {
  std::string path;  // appended to the endpoint's base: "/chat/completions"
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// A failure as the upstream told it.
struct UpstreamError {
  FailureKind kind = FailureKind::kNone;
  // One line for people: the provider's own message, bounded to 512 bytes, of
  // whole UTF-8, without control characters.
  std::string message;
  // The provider's code or type ("insufficient_quota"), or empty.
  std::string code;
  // The field of the caller's request that is wrong, or empty.
  std::string field;
  // The prompt is longer than the model's context: a larger one would do.
  bool context_exceeded = false;
  // What it refuses of the request's form, and could have otherwise.
  FormParts refused;
  // A time to wait that the body tells ("try again in 5.3s").
  std::optional<Duration> retry_after;
};

// What a decoder must know of the request that it reads the answer of.
struct AnswerOptions {
  size_t max_event_bytes = 1 << 20;
  // How many answers were asked for (n): so many finish reasons make it whole.
  int choices = 1;
  // The provider's own fields are wanted.
  bool include_extras = false;
  // The provider's word for the format of a sound that was asked for; empty: none
  // was. WireFormat::AudioFormat.
  std::string audio_format;
  // Dialect::ends_without_finish.
  bool ends_without_finish = false;
  // Of this attempt alone: makes ids up where the upstream tells none. Letters,
  // digits and '_'.
  std::string answer_id = "0";
};

// What an answer to an EmbedRequest must be made of.
struct EmbedShape {
  size_t count = 0;       // vectors, one for each input
  size_t dimensions = 0;  // of each; 0: whatever the model has
};

// Bytes of one successful response → events.
class ResponseDecoder {
 public:
  enum class State {
    kMore,    // wants more bytes
    kDone,    // the answer is whole; further bytes are ignored
    kFailed,  // see error()
  };

  virtual ~ResponseDecoder() = default;

  // Feeds bytes in any split; events come before it returns, in order.
  virtual State Feed(std::string_view bytes, StreamEventHandler& handler) = 0;

  // The body ended by its own framing. kDone if the answer is whole, else
  // kFailed with kReset: a clean end of the transport does not make a cut answer
  // whole.
  virtual State End(StreamEventHandler& handler) = 0;

  // Nothing more will come though the body did not end: the connection broke, or
  // it is silent and whole(). kDone if the answer is whole; else kFailed.
  virtual State Cut(StreamEventHandler& handler) { return End(handler); }

  // Everything that was asked for has come, and only the stream's end is
  // missing: no further content need come, though it may.
  virtual bool whole() const { return false; }

  // Set after kFailed.
  virtual const UpstreamError& error() const = 0;
};

class WireFormat {
 public:
  virtual ~WireFormat() = default;

  // "openai": the key of extras_json, and gen_ai_provider_name in metrics.
  virtual std::string_view name() const = 0;

  // `model` is the model at the upstream, `dialect` its servers'.
  // INVALID_ARGUMENT names the field of the request that this format cannot
  // carry or that is malformed.
  virtual absl::StatusOr<EncodedRequest> EncodeChat(const v1::ChatRequest& request, std::string_view model,
                                                    const Dialect& dialect) const = 0;

  // The provider's word for the format of the sound that `request` asks for, in a
  // field or in extras; empty: it asks for none.
  virtual std::string AudioFormat(const v1::ChatRequest& request) const;

  // The headers that carry the credential ("Authorization: Bearer …").
  virtual std::vector<std::pair<std::string, std::string>> AuthHeaders(std::string_view secret) const = 0;

  // Of a 2xx response, whatever its content type: the bytes tell what they are.
  virtual std::unique_ptr<ResponseDecoder> NewDecoder(const AnswerOptions& options) const = 0;

  // The same for embeddings. A format without them refuses every request, and
  // then no decoder is asked for. The decoder gives one kEmbedding for
  // each input, in any order; an answer that is not of this shape is kProtocol.
  virtual absl::StatusOr<EncodedRequest> EncodeEmbed(const v1::EmbedRequest& request, std::string_view model,
                                                     const Dialect& dialect) const;
  virtual std::unique_ptr<ResponseDecoder> NewEmbedDecoder(const AnswerOptions& options, const EmbedShape& shape) const {
    return nullptr;
  }

  // Reads a response outside 2xx; `body` may be cut at some bound.
  virtual UpstreamError ReadError(int http_status, std::string_view body) const = 0;
};

// OpenAI chat completions and what speaks it: stream=true,
// stream_options.include_usage. Static lifetime.
const WireFormat& OpenAiFormat();

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_WIRE_FORMAT_H_
