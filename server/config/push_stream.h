// One Push.Subscribe stream, from its start to its last completion: reads one
// at a time, writes one at a time from a queue. Completions come on the
// notification thread and are handed to the config worker at once; everything
// else here runs on the worker.
#ifndef SLUICE_SERVER_CONFIG_PUSH_STREAM_H_
#define SLUICE_SERVER_CONFIG_PUSH_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>

#include "server/config/config_worker.h"
#include "server/runtime/completion_tag.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice {

class PushStream {
 public:
  // On the config worker.
  class Delegate {
   public:
    virtual ~Delegate() = default;
    // The connection is there.
    virtual void OnStarted() = 0;
    // Valid for the call.
    virtual void OnMessage(const v1::SubscribeResponse& message) = 0;
    // Last; the stream may be destroyed within, and only from here on.
    virtual void OnClosed(const grpc::Status& status) = 0;
  };

  // All of them outlive the stream, and `queue` is drained until OnClosed.
  PushStream(std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue* queue, ConfigWorker& worker,
             Delegate& delegate);

  void Start();
  // In order. While too many answers wait, no more is read, so the queue is
  // bounded by what the delegate says unasked.
  void Write(v1::SubscribeRequest message);
  // As Write, and the peer is told that nothing comes after it: OnClosed follows
  // when the peer ends the stream too.
  void WriteLast(v1::SubscribeRequest message);
  // Messages that wait, the one under way included.
  size_t unwritten() const { return outgoing_.size(); }
  // OnClosed follows. Harmless when it is closing already.
  void Cancel() { context_.TryCancel(); }

 private:
  class Operation : public CompletionTag {
   public:
    using Handler = void (PushStream::*)(bool ok);
    Operation(PushStream& stream, Handler handler) : stream_(stream), handler_(handler) {}
    void Complete(bool ok) override;

   private:
    PushStream& stream_;
    const Handler handler_;
  };

  void OnStart(bool ok);
  void OnRead(bool ok);
  void OnWrite(bool ok);
  void OnFinish(bool ok);
  void Read();
  void WriteNext();
  void Finish();
  void CloseIfDone();

  ConfigWorker& worker_;
  Delegate& delegate_;
  grpc::CompletionQueue* const queue_;
  const std::unique_ptr<v1::Push::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> rpc_;

  Operation start_{*this, &PushStream::OnStart};
  Operation read_{*this, &PushStream::OnRead};
  Operation write_{*this, &PushStream::OnWrite};
  Operation finish_{*this, &PushStream::OnFinish};

  v1::SubscribeResponse incoming_;
  // The first one is being written while writing_.
  std::deque<v1::SubscribeRequest> outgoing_;
  grpc::Status status_;
  int outstanding_ = 0;  // operations that the queue still holds
  bool started_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool last_queued_ = false;
  bool finishing_ = false;
  bool finished_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_PUSH_STREAM_H_
