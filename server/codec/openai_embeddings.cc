#include "server/codec/openai_embeddings.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/codec/embedding_reader.h"
#include "server/codec/json_list_splitter.h"
#include "server/codec/openai_error.h"

namespace sluice {
namespace {

// A count in any form: 5, 5.0, "5".
std::optional<int32_t> CountOf(const rapidjson::Value& usage, const char* name) {
  const auto member = usage.FindMember(name);
  if (member == usage.MemberEnd()) return std::nullopt;
  double number = -1;
  if (member->value.IsNumber()) number = member->value.GetDouble();
  if (member->value.IsString() && !absl::SimpleAtod(member->value.GetString(), &number)) return std::nullopt;
  if (!(number >= 0)) return std::nullopt;
  return static_cast<int32_t>(std::min<double>(number, std::numeric_limits<int32_t>::max()));
}

UsageCounts UsageOf(const rapidjson::Value& envelope) {
  UsageCounts counts;
  if (!envelope.IsObject()) return counts;
  // Ollama's own form has it at the top.
  counts.input_tokens = CountOf(envelope, "prompt_eval_count");
  const auto usage = envelope.FindMember("usage");
  if (usage == envelope.MemberEnd() || !usage->value.IsObject()) return counts;
  counts.input_tokens = CountOf(usage->value, "prompt_tokens");
  counts.total_tokens = CountOf(usage->value, "total_tokens");
  return counts;
}

class OpenAiEmbedDecoder final : public ResponseDecoder {
 public:
  OpenAiEmbedDecoder(const AnswerOptions& options, const EmbedShape& shape)
      : options_(options), shape_(shape), splitter_({"data", "embeddings"}, options.max_event_bytes), seen_(shape.count) {}

  State Feed(std::string_view bytes, StreamEventHandler& handler) override;
  State End(StreamEventHandler& handler) override;
  const UpstreamError& error() const override { return error_; }

 private:
  State Fail(FailureKind kind, std::string message);
  State OnElement(StreamEventHandler& handler);
  State OnVector(StreamEventHandler& handler);
  State OnEnvelope(StreamEventHandler& handler);
  // Which input the vector just read is of.
  int64_t Place();
  // Empty if the vector just read belongs to the answer.
  std::string Misfit(int64_t index) const;

  const AnswerOptions options_;
  const EmbedShape shape_;
  State state_ = State::kMore;
  JsonListSplitter splitter_;
  EmbeddingReader reader_;
  std::vector<bool> seen_;
  size_t count_ = 0;
  size_t dimensions_ = 0;  // of the first
  bool all_zero_ = true;   // no index was told but 0
  bool in_order_ = false;  // index 0 was told twice: the order counts
  UpstreamError error_;
};

ResponseDecoder::State OpenAiEmbedDecoder::Fail(FailureKind kind, std::string message) {
  error_.kind = kind;
  error_.message = std::move(message);
  return state_ = State::kFailed;
}

ResponseDecoder::State OpenAiEmbedDecoder::Feed(std::string_view bytes, StreamEventHandler& handler) {
  while (state_ == State::kMore && !bytes.empty()) {
    switch (splitter_.Next(bytes)) {
      case JsonListSplitter::Result::kMore:
        break;
      case JsonListSplitter::Result::kElement:
        OnElement(handler);
        break;
      case JsonListSplitter::Result::kEnd:
        OnEnvelope(handler);
        break;
      case JsonListSplitter::Result::kTooLarge:
        return Fail(FailureKind::kProtocol,
                    absl::StrCat("an embedding is larger than ", options_.max_event_bytes, " bytes"));
      case JsonListSplitter::Result::kMalformed:
        return Fail(FailureKind::kProtocol, "malformed JSON in place of a list of embeddings");
    }
  }
  return state_;
}

// Some servers tell the order by nothing but the order: by no index, or by
// index 0 at every vector. Others leave the index out where it is 0.
int64_t OpenAiEmbedDecoder::Place() {
  const std::optional<int64_t> told = reader_.index();
  const int64_t next = static_cast<int64_t>(count_);
  const bool zero_is_free = !seen_.empty() && !seen_[0];
  if (told.value_or(0) != 0) {
    all_zero_ = false;
    return *told;
  }
  if (!told) return !all_zero_ && zero_is_free ? 0 : next;
  if (zero_is_free || !all_zero_) return 0;
  in_order_ = true;
  return next;
}

std::string OpenAiEmbedDecoder::Misfit(int64_t index) const {
  if (index < 0 || index >= static_cast<int64_t>(shape_.count)) {
    return absl::StrCat("an embedding of index ", index, " for ", shape_.count, " inputs");
  }
  if (in_order_ && !all_zero_) return absl::StrCat("several embeddings of index 0, and one of index ", index);
  if (seen_[index]) return absl::StrCat("two embeddings of index ", index);
  const size_t length = reader_.values().size();
  if (length == 0) return absl::StrCat("an empty embedding of index ", index);
  const size_t wanted = shape_.dimensions != 0 ? shape_.dimensions : dimensions_;
  if (wanted != 0 && length != wanted) {
    return absl::StrCat("an embedding of ", length, " values where ", wanted, " must come");
  }
  return {};
}

ResponseDecoder::State OpenAiEmbedDecoder::OnElement(StreamEventHandler& handler) {
  if (!reader_.Read(splitter_.element())) return Fail(FailureKind::kProtocol, reader_.problem());
  if (reader_.values().empty()) {
    // A list of one error, as Gemini's compatible endpoint has it.
    if (const auto error = ReadOpenAiErrorIn200(splitter_.element())) {
      error_ = *error;
      return state_ = State::kFailed;
    }
  }
  return OnVector(handler);
}

ResponseDecoder::State OpenAiEmbedDecoder::OnVector(StreamEventHandler& handler) {
  const int64_t index = Place();
  if (std::string misfit = Misfit(index); !misfit.empty()) return Fail(FailureKind::kProtocol, std::move(misfit));
  seen_[index] = true;
  ++count_;
  dimensions_ = reader_.values().size();
  StreamEvent event;
  event.kind = StreamEvent::Kind::kEmbedding;
  event.choice = static_cast<int>(index);
  event.embedding = reader_.values();
  handler.OnEvent(event);
  return state_;
}

ResponseDecoder::State OpenAiEmbedDecoder::OnEnvelope(StreamEventHandler& handler) {
  rapidjson::Document envelope;
  envelope.Parse<rapidjson::kParseIterativeFlag>(splitter_.envelope().data(), splitter_.envelope().size());
  if (envelope.HasParseError()) return Fail(FailureKind::kProtocol, "malformed JSON around a list of embeddings");
  if (count_ != shape_.count) {
    if (auto error = ReadOpenAiErrorIn200(splitter_.envelope())) {
      error_ = std::move(*error);
      return state_ = State::kFailed;
    }
  }
  // The one vector without a list, as Ollama had it at first.
  const bool alone = count_ == 0 && shape_.count == 1 && envelope.IsObject() && envelope.HasMember("embedding");
  if (alone) {
    if (!reader_.Read(splitter_.envelope())) return Fail(FailureKind::kProtocol, reader_.problem());
    if (OnVector(handler) != State::kMore) return state_;
  }
  if (count_ != shape_.count) {
    return Fail(FailureKind::kProtocol, absl::StrCat(count_, " embeddings for ", shape_.count, " inputs"));
  }
  const UsageCounts usage = UsageOf(envelope);
  if (usage.input_tokens || usage.total_tokens) {
    StreamEvent event;
    event.kind = StreamEvent::Kind::kUsage;
    event.usage = &usage;
    handler.OnEvent(event);
  }
  return state_ = State::kDone;
}

ResponseDecoder::State OpenAiEmbedDecoder::End(StreamEventHandler& handler) {
  if (state_ != State::kMore) return state_;
  return Fail(FailureKind::kReset, "the body ended before the answer was whole");
}

}  // namespace

std::unique_ptr<ResponseDecoder> NewOpenAiEmbedDecoder(const AnswerOptions& options, const EmbedShape& shape) {
  return std::make_unique<OpenAiEmbedDecoder>(options, shape);
}

}  // namespace sluice
