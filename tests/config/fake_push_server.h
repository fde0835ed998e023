// A control plane that does what a test says: a real gRPC server on loopback.
#ifndef SLUICE_TESTS_CONFIG_FAKE_PUSH_SERVER_H_
#define SLUICE_TESTS_CONFIG_FAKE_PUSH_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "sluice/v1/control.grpc.pb.h"

namespace sluice {

class FakePushServer : private v1::Push::Service {
 public:
  // Port 0 takes a free one.
  explicit FakePushServer(int port = 0);
  ~FakePushServer();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  // Goes to the newest stream, at once or when it comes.
  void Send(v1::SubscribeResponse message);
  void SendUpdate(v1::Update update);
  // Ends the newest stream from the server's side.
  void EndStream();

  // Streams end with this after hello; OK: they are taken again.
  void Refuse(grpc::Status status);
  // A stream lives on when the client has said its last word.
  void IgnoreEnds();

  // The next message of that kind, others skipped; empty after 5 s.
  std::optional<v1::SubscribeRequest> Await(v1::SubscribeRequest::KindCase kind);
  int streams();

 private:
  using Stream = grpc::ServerReaderWriter<v1::SubscribeResponse, v1::SubscribeRequest>;
  grpc::Status Subscribe(grpc::ServerContext* context, Stream* stream) override;
  void FlushLocked();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::SubscribeRequest> received_;
  std::deque<v1::SubscribeResponse> to_send_;
  Stream* stream_ = nullptr;
  grpc::ServerContext* context_ = nullptr;
  grpc::Status refusal_;
  bool ignore_ends_ = false;
  int streams_ = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFIG_FAKE_PUSH_SERVER_H_
