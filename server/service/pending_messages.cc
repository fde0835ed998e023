#include "server/service/pending_messages.h"

#include <algorithm>
#include <utility>

#include "proto/status/bounded_text.h"
#include "server/service/event_mapping.h"
#include "server/service/status_mapping.h"

namespace sluice {
namespace {

google::protobuf::ArenaOptions OptionsWith(char* block, size_t size) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = size;
  return options;
}

// Text and bytes of these may be cut into several events: deltas append.
bool IsPlainDelta(const StreamEvent& event) {
  using Kind = StreamEvent::Kind;
  if (event.logprobs != nullptr && !event.logprobs->empty()) return false;
  return event.kind == Kind::kContent || event.kind == Kind::kReasoning || event.kind == Kind::kRefusal ||
         event.kind == Kind::kToolCallDelta || event.kind == Kind::kMedia;
}

}  // namespace

ScratchMessage::ScratchMessage()
    : arena_(OptionsWith(block_, kFirstBlock)),
      message_(google::protobuf::Arena::CreateMessage<v1::StreamChatResponse>(&arena_)) {}

void ScratchMessage::Reset() {
  if (bytes <= kSmall && ++cleared_ <= kMaxCleared) {
    message_->Clear();
  } else {
    arena_.Reset();
    message_ = google::protobuf::Arena::CreateMessage<v1::StreamChatResponse>(&arena_);
    cleared_ = 0;
  }
  bytes = 0;
}

std::unique_ptr<ScratchMessage> MessagePool::Take() {
  if (free_.empty()) return std::make_unique<ScratchMessage>();
  auto message = std::move(free_.back());
  free_.pop_back();
  return message;
}

void MessagePool::GiveBack(std::unique_ptr<ScratchMessage> message) {
  if (free_.size() >= kMaxFree) return;
  message->Reset();
  free_.push_back(std::move(message));
}

void PendingMessages::AddStarted(std::string_view call_id, std::string_view served_by, std::string_view model) {
  v1::Started* started =
      Room(call_id.size() + served_by.size() + model.size()).message().add_events()->mutable_started();
  started->mutable_call_id()->assign(call_id);
  started->mutable_served_by()->assign(served_by);
  started->mutable_model()->assign(model);
}

void PendingMessages::AddRestart(std::string_view served_by) {
  v1::Continuation* restart = Room(served_by.size()).message().add_events()->mutable_continuation();
  restart->set_mode(v1::CONTINUATION_MODE_RESTART);
  restart->mutable_served_by()->assign(served_by);
}

void PendingMessages::Add(const StreamEvent& event) {
  if (event.text.size() + event.data.size() <= max_message_bytes_ || !IsPlainDelta(event)) return AddWhole(event);
  StreamEvent piece = event;
  std::string_view text = event.text;
  std::string_view data = event.data;
  while (!text.empty() || !data.empty()) {
    piece.text = WholeCharacters(text, max_message_bytes_);
    // Text that is not UTF-8 never comes; if it did, it must not stop us.
    if (piece.text.empty()) piece.text = text;
    piece.data = data.substr(0, max_message_bytes_ - std::min(piece.text.size(), max_message_bytes_));
    text.remove_prefix(piece.text.size());
    data.remove_prefix(piece.data.size());
    AddWhole(piece);
    piece.name = {};
  }
}

void PendingMessages::AddWhole(const StreamEvent& event) {
  if (event.kind == StreamEvent::Kind::kModel || event.kind == StreamEvent::Kind::kEmbedding) return;
  if (event.kind == StreamEvent::Kind::kUsage && event.usage == nullptr) return;
  auto* events = Room(WeightOf(event)).message().mutable_events();
  if (!apart_ && !events->empty() && MergeInto(event, events->Mutable(events->size() - 1))) return;
  FillEvent(event, events->Add());
}

void PendingMessages::AddEnd(const CallRecord& record) {
  FillEnd(record, Room(WeightOfEnd(record)).message().add_events()->mutable_end());
}

std::unique_ptr<ScratchMessage> PendingMessages::TakeFirst() {
  auto message = std::move(first_);
  first_ = std::move(message->next);
  --size_;
  bytes_ -= message->bytes;
  return message;
}

void PendingMessages::Clear() {
  while (!empty()) pool_.GiveBack(TakeFirst());
}

ScratchMessage& PendingMessages::Room(size_t weight) {
  if (empty() || (last_->bytes > 0 && last_->bytes + weight > max_message_bytes_)) {
    auto& place = empty() ? first_ : last_->next;
    place = pool_.Take();
    last_ = place.get();
    ++size_;
  }
  last_->bytes += weight;
  bytes_ += weight;
  return *last_;
}

}  // namespace sluice
