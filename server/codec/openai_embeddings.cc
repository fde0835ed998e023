#include "server/codec/openai_embeddings.h"

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/json_list_splitter.h"
#include "server/codec/openai_chunk.h"
#include "server/codec/openai_error.h"

namespace sluice {
namespace {

namespace ondemand = simdjson::ondemand;

// One object of "data".
class EmbeddingReader {
 public:
  // False: see problem().
  bool Read(std::string_view json);

  // -1: not told.
  std::optional<int64_t> index() const { return index_; }
  const std::vector<float>& values() const { return values_; }
  const std::string& problem() const { return problem_; }

 private:
  simdjson::error_code ReadObject();
  simdjson::error_code ReadValues(ondemand::value value);

  ondemand::parser parser_;
  ondemand::document document_;
  std::string padded_;
  std::optional<int64_t> index_;  // not every server tells it
  std::vector<float> values_;
  std::string problem_;
};

bool EmbeddingReader::Read(std::string_view json) {
  index_.reset();
  values_.clear();
  problem_.clear();
  padded_.resize(json.size() + simdjson::SIMDJSON_PADDING);
  json.copy(padded_.data(), json.size());
  simdjson::error_code error = parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document_);
  if (!error) error = ReadObject();
  const char* rest = nullptr;
  if (!error && document_.current_location().get(rest) == simdjson::SUCCESS) error = simdjson::TRAILING_CONTENT;
  if (error && problem_.empty()) problem_ = absl::StrCat("malformed embedding: ", simdjson::error_message(error));
  return problem_.empty();
}

simdjson::error_code EmbeddingReader::ReadObject() {
  ondemand::object object;
  if (auto error = document_.get_object().get(object)) return error;
  for (auto member : object) {
    ondemand::field field;
    if (auto error = std::move(member).get(field)) return error;
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    if (key == "index") {
      if (auto error = field.value().get_int64().get(index_.emplace())) return error;
    } else if (key == "embedding") {
      if (auto error = ReadValues(field.value())) return error;
    }
  }
  return simdjson::SUCCESS;
}

simdjson::error_code EmbeddingReader::ReadValues(ondemand::value value) {
  ondemand::array array;
  if (auto error = value.get_array().get(array)) {
    problem_ = "an embedding that is no array of numbers, as encoding_format float asks for";
    return error;
  }
  values_.clear();
  for (auto element : array) {
    double number = 0;
    if (auto error = element.get_double().get(number)) return error;
    values_.push_back(static_cast<float>(number));
    if (!std::isfinite(values_.back())) return simdjson::NUMBER_OUT_OF_RANGE;
  }
  return simdjson::SUCCESS;
}

class OpenAiEmbedDecoder final : public ResponseDecoder {
 public:
  OpenAiEmbedDecoder(const AnswerOptions& options, const EmbedShape& shape)
      : options_(options), shape_(shape), splitter_("data", options.max_event_bytes), seen_(shape.count) {}

  State Feed(std::string_view bytes, StreamEventHandler& handler) override;
  State End(StreamEventHandler& handler) override;
  const UpstreamError& error() const override { return error_; }

 private:
  State Fail(FailureKind kind, std::string message);
  State OnElement(StreamEventHandler& handler);
  State OnEnvelope(StreamEventHandler& handler);
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

std::string OpenAiEmbedDecoder::Misfit(int64_t index) const {
  if (index < 0 || index >= static_cast<int64_t>(shape_.count)) {
    return absl::StrCat("an embedding of index ", index, " for ", shape_.count, " inputs");
  }
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
  // Some servers tell the order by nothing but the order.
  const int64_t index = reader_.index().value_or(static_cast<int64_t>(count_));
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
  OpenAiChunk envelope;
  if (!envelope.Parse(splitter_.envelope())) return Fail(FailureKind::kProtocol, envelope.problem());
  if (envelope.error().present) {
    error_ = ClassifyOpenAiStreamError(envelope.error());
    return state_ = State::kFailed;
  }
  if (count_ != shape_.count) {
    return Fail(FailureKind::kProtocol, absl::StrCat(count_, " embeddings for ", shape_.count, " inputs"));
  }
  if (envelope.has_usage()) {
    StreamEvent event;
    event.kind = StreamEvent::Kind::kUsage;
    event.usage = &envelope.usage();
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
