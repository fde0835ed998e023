#include "server/config/push_stream.h"

#include <utility>

namespace sluice {
namespace {

// Answers that may wait for a control plane that sends but does not read.
constexpr size_t kMaxOutgoing = 16;

}  // namespace

void PushStream::Operation::Complete(bool ok) {
  stream_.worker_.Post([stream = &stream_, handler = handler_, ok] {
    --stream->outstanding_;
    (stream->*handler)(ok);
  });
}

PushStream::PushStream(std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue* queue, ConfigWorker& worker,
                       Delegate& delegate)
    : worker_(worker), delegate_(delegate), queue_(queue), stub_(v1::Push::NewStub(std::move(channel))) {}

void PushStream::Start() {
  rpc_ = stub_->PrepareAsyncSubscribe(&context_, queue_);
  ++outstanding_;
  rpc_->StartCall(&start_);
}

void PushStream::Write(v1::SubscribeRequest message) {
  if (last_queued_) return;
  outgoing_.push_back(std::move(message));
  WriteNext();
}

void PushStream::WriteLast(v1::SubscribeRequest message) {
  if (last_queued_) return;
  last_queued_ = true;
  outgoing_.push_back(std::move(message));
  WriteNext();
}

void PushStream::OnStart(bool ok) {
  if (!ok) return Finish();
  started_ = true;
  delegate_.OnStarted();
  WriteNext();
  Read();
}

void PushStream::Read() {
  if (reading_ || finishing_ || outgoing_.size() >= kMaxOutgoing) return;
  reading_ = true;
  ++outstanding_;
  rpc_->Read(&incoming_, &read_);
}

void PushStream::OnRead(bool ok) {
  reading_ = false;
  if (!ok) return Finish();
  delegate_.OnMessage(incoming_);
  Read();
}

void PushStream::WriteNext() {
  if (!started_ || writing_ || finishing_ || outgoing_.empty()) return;
  writing_ = true;
  ++outstanding_;
  grpc::WriteOptions options;
  if (last_queued_ && outgoing_.size() == 1) options.set_last_message();
  rpc_->Write(outgoing_.front(), options, &write_);
}

void PushStream::OnWrite(bool ok) {
  writing_ = false;
  outgoing_.pop_front();
  if (!ok) {
    // A read that is outstanding fails too and ends the stream; without one
    // nobody else would.
    if (!reading_) Finish();
    return CloseIfDone();
  }
  WriteNext();
  Read();
  CloseIfDone();
}

void PushStream::Finish() {
  if (finishing_) return;
  finishing_ = true;
  ++outstanding_;
  rpc_->Finish(&status_, &finish_);
}

void PushStream::OnFinish(bool) {
  finished_ = true;
  CloseIfDone();
}

// The queue must have given every operation back before the stream may go.
void PushStream::CloseIfDone() {
  if (finished_ && outstanding_ == 0) delegate_.OnClosed(status_);
}

}  // namespace sluice
