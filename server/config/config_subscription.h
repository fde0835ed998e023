// Follows the control plane: says what this data plane has, takes updates,
// answers each with an ack or a nack, hands on queries and commands, and comes
// back after a loss. Runs on the config worker.
#ifndef SLUICE_SERVER_CONFIG_CONFIG_SUBSCRIPTION_H_
#define SLUICE_SERVER_CONFIG_CONFIG_SUBSCRIPTION_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/config/config_options.h"
#include "server/config/config_worker.h"
#include "server/config/push_channel.h"
#include "server/config/push_stream.h"
#include "server/resilience/random.h"

namespace sluice {

// What the subscription serves. On the config worker.
class ConfigReceiver {
 public:
  virtual ~ConfigReceiver() = default;
  // Fills in what is held: epoch, revision, have, source.
  virtual void DescribeHeld(v1::Hello& hello) = 0;
  virtual v1::Digest MakeDigest() = 0;
  virtual v1::NodeHealth MakeHealth() = 0;
  // A whole update: all or nothing. Empty: in force.
  virtual std::vector<v1::Violation> Receive(const v1::Update& update) = 0;
  virtual void Connected() = 0;
  virtual void Disconnected(const std::string& why) = 0;
};

class ConfigSubscription : public PushStream::Delegate {
 public:
  // All of them outlive the subscription.
  ConfigSubscription(SubscriptionOptions options, grpc::CompletionQueue* queue, ConfigWorker& worker,
                     ConfigReceiver& receiver);

  // On the worker, as all of it.
  void Start();
  // What was refused may be fine now (a secret that was missing): connects anew,
  // so that the control plane sends it again. Else nothing happens.
  void RetryRefused();
  // Says farewell, and calls `stopped` when the queue holds nothing of it any
  // more.
  void Stop(ConfigWorker::Task stopped);
  // Its certificates; any thread.
  std::optional<RenewalFigures> renewal() const { return channels_.figures(); }

 private:
  // The answer to an update, kept to answer the same nonce again without
  // applying it again.
  struct Answered {
    std::string nonce;
    v1::SubscribeRequest answer;
  };

  void OnStarted() override;
  void OnMessage(const v1::SubscribeResponse& message) override;
  void OnClosed(const grpc::Status& status) override;

  void Connect();
  void ScheduleReconnect();
  void SendHello();
  void OnChunk(const v1::Update& chunk);
  void FinishUpdate();
  void Answer(const v1::Update& update, std::vector<v1::Violation> violations);
  void OnQuery(const v1::Query& query);
  void OnCommand(const v1::NodeCommand& command);
  void SendAnswer(const std::string& id, v1::Answer answer);
  void OnDrain(const v1::Drain& drain);
  void SayGoodbye();
  void NoteHeard();
  void HealthTick(uint64_t generation);
  void DigestTick(uint64_t generation);
  absl::Duration RandomUpTo(absl::Duration bound) { return bound * random_.Uniform(); }

  const SubscriptionOptions options_;
  PushChannels channels_{options_};
  // Of this start of the program.
  const std::string instance_id_;
  grpc::CompletionQueue* const queue_;
  ConfigWorker& worker_;
  ConfigReceiver& receiver_;
  Random random_;

  std::unique_ptr<PushStream> stream_;
  // Of the current stream: timers of an older one do nothing.
  uint64_t generation_ = 0;
  std::chrono::steady_clock::time_point opened_;
  int failures_ = 0;  // in a row, without a word of the control plane
  bool draining_ = false;
  // The last stream was refused, for another data plane has our id: whether the
  // next one is taken shows only after hello.
  bool rivalled_ = false;
  bool started_ = false;  // the current stream
  bool stopping_ = false;
  ConfigWorker::Task stopped_;

  // Chunks so far, merged.
  std::optional<v1::Update> pending_;
  size_t pending_bytes_ = 0;
  std::optional<Answered> answered_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CONFIG_SUBSCRIPTION_H_
