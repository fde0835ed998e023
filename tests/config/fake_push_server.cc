#include "tests/config/fake_push_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <utility>

namespace sluice {

FakePushServer::FakePushServer(int port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

FakePushServer::~FakePushServer() {
  EndStream();
  server_->Shutdown(std::chrono::system_clock::now());
}

void FakePushServer::Send(v1::SubscribeResponse message) {
  std::lock_guard lock(mutex_);
  to_send_.push_back(std::move(message));
  FlushLocked();
}

void FakePushServer::SendUpdate(v1::Update update) {
  v1::SubscribeResponse message;
  *message.mutable_update() = std::move(update);
  Send(std::move(message));
}

void FakePushServer::FlushLocked() {
  while (stream_ != nullptr && !to_send_.empty()) {
    stream_->Write(to_send_.front());
    to_send_.pop_front();
  }
}

void FakePushServer::EndStream() {
  std::lock_guard lock(mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

void FakePushServer::Refuse(grpc::Status status) {
  std::lock_guard lock(mutex_);
  refusal_ = std::move(status);
}

void FakePushServer::IgnoreEnds() {
  std::lock_guard lock(mutex_);
  ignore_ends_ = true;
}

std::optional<v1::SubscribeRequest> FakePushServer::Await(v1::SubscribeRequest::KindCase kind) {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (true) {
    while (!received_.empty()) {
      v1::SubscribeRequest message = std::move(received_.front());
      received_.pop_front();
      if (message.kind_case() == kind) return message;
    }
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

int FakePushServer::streams() {
  std::lock_guard lock(mutex_);
  return streams_;
}

grpc::Status FakePushServer::Subscribe(grpc::ServerContext* context, Stream* stream) {
  grpc::Status refusal;
  {
    std::lock_guard lock(mutex_);
    ++streams_;
    refusal = refusal_;
    if (refusal.ok()) {
      stream_ = stream;
      context_ = context;
      FlushLocked();
    }
  }
  v1::SubscribeRequest message;
  while (stream->Read(&message)) {
    std::lock_guard lock(mutex_);
    received_.push_back(std::move(message));
    changed_.notify_all();
    if (!refusal.ok()) return refusal;
  }
  bool ignore_end = false;
  {
    std::lock_guard lock(mutex_);
    ignore_end = ignore_ends_;
  }
  while (ignore_end && !context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::lock_guard lock(mutex_);
  if (stream_ == stream) {
    stream_ = nullptr;
    context_ = nullptr;
  }
  return grpc::Status::OK;
}

}  // namespace sluice
