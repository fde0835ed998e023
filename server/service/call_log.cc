#include "server/service/call_log.h"

#include <optional>
#include <utility>

namespace sluice {

// What few steps have.
struct CallStep::Rest {
  std::string id;
  std::string name;
  FinishReason finish_reason = FinishReason::kUnspecified;
  std::optional<UsageCounts> usage;
  std::vector<TokenLogprobValue> logprobs;
  std::vector<float> embedding;
  std::string data;
  std::optional<CitationValue> citation;
  std::string model;
  CallRecord record;
};

namespace {

size_t BytesOf(const std::vector<TokenLogprobValue>& logprobs) {
  size_t bytes = 0;
  for (const TokenLogprobValue& value : logprobs) {
    bytes += sizeof(value) + value.token.size() + value.raw.size();
    for (const TopLogprobValue& top : value.top) bytes += sizeof(top) + top.token.size() + top.raw.size();
  }
  return bytes;
}

size_t BytesOf(const CallRecord& record) {
  size_t bytes = sizeof(record) + record.error.message.size();
  for (const AttemptRecord& attempt : record.attempts) bytes += sizeof(attempt) + attempt.message.size();
  return bytes;
}

bool IsPlain(const StreamEvent& event) {
  return event.id.empty() && event.name.empty() && event.finish_reason == FinishReason::kUnspecified &&
         event.usage == nullptr && event.logprobs == nullptr && event.embedding.empty() && event.data.empty() &&
         event.citation == nullptr;
}

}  // namespace

CallStep CallStep::Started(std::string_view served_by, std::string_view model) {
  CallStep step(Word::kStarted);
  step.text_ = served_by;
  auto rest = std::make_shared<Rest>();
  rest->model = model;
  step.bytes_ = static_cast<uint32_t>(sizeof(CallStep) + sizeof(Rest) + served_by.size() + model.size());
  step.rest_ = std::move(rest);
  return step;
}

CallStep CallStep::Written(const StreamEvent& event) {
  CallStep step(Word::kWritten);
  step.kind_ = event.kind;
  step.choice_ = event.choice;
  step.part_ = event.part;
  step.text_ = event.text;
  size_t bytes = sizeof(CallStep) + event.text.size();
  if (!IsPlain(event)) {
    auto rest = std::make_shared<Rest>();
    rest->id = event.id;
    rest->name = event.name;
    rest->finish_reason = event.finish_reason;
    if (event.usage) rest->usage = *event.usage;
    if (event.logprobs) rest->logprobs = *event.logprobs;
    rest->embedding.assign(event.embedding.begin(), event.embedding.end());
    rest->data = event.data;
    if (event.citation) rest->citation = *event.citation;
    bytes += sizeof(Rest) + event.bytes() - event.text.size() + BytesOf(rest->logprobs);
    step.rest_ = std::move(rest);
  }
  step.bytes_ = static_cast<uint32_t>(bytes);
  return step;
}

CallStep CallStep::Discarded() {
  CallStep step(Word::kDiscarded);
  step.bytes_ = sizeof(CallStep);
  return step;
}

CallStep CallStep::Restarted() {
  CallStep step(Word::kRestarted);
  step.bytes_ = sizeof(CallStep);
  return step;
}

CallStep CallStep::Finished(const CallRecord& record) {
  CallStep step(Word::kFinished);
  auto rest = std::make_shared<Rest>();
  rest->record = record;
  step.bytes_ = static_cast<uint32_t>(sizeof(CallStep) + sizeof(Rest) + BytesOf(record));
  step.rest_ = std::move(rest);
  return step;
}

void CallStep::TellTo(StreamSink& sink) const {
  switch (word_) {
    case Word::kStarted:
      return sink.Started(text_, rest_->model);
    case Word::kWritten:
      return TellEvent(sink);
    case Word::kDiscarded:
      return sink.Discard();
    case Word::kRestarted:
      return sink.Restart();
    case Word::kFinished:
      return sink.Finish(rest_->record);
  }
}

void CallStep::TellEvent(StreamSink& sink) const {
  StreamEvent event;
  event.kind = kind_;
  event.choice = choice_;
  event.part = part_;
  event.text = text_;
  if (rest_) {
    event.id = rest_->id;
    event.name = rest_->name;
    event.finish_reason = rest_->finish_reason;
    if (rest_->usage) event.usage = &*rest_->usage;
    if (!rest_->logprobs.empty()) event.logprobs = &rest_->logprobs;
    event.embedding = rest_->embedding;
    event.data = rest_->data;
    if (rest_->citation) event.citation = &*rest_->citation;
  }
  sink.Write(event);
}

void CallLog::Add(CallStep step) {
  bytes_ += step.bytes();
  steps_.push_back(std::move(step));
}

void CallLog::Clear() { TrimTo(end()); }

void CallLog::TrimTo(uint64_t position) {
  while (begin_ < position && !steps_.empty()) {
    bytes_ -= steps_.front().bytes();
    steps_.pop_front();
    ++begin_;
  }
}

}  // namespace sluice
