#include "server/config/config_subscription.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/policy/duration_text.h"
#include "server/config/last_known_good.h"
#include "server/config/resource_set.h"

namespace sluice {
namespace {

// Health and digests are left out while so many messages wait: a control plane
// that does not read gets no more on top. Not one, for the two come at
// intervals that are multiples of each other, and one would always lose.
constexpr size_t kMaxUnasked = 4;

v1::Violation Refusal(const char* code, std::string message) {
  v1::Violation violation;
  violation.set_code(code);
  violation.set_message(std::move(message));
  return violation;
}

std::string RandomId() {
  std::random_device device;
  return absl::StrCat(absl::Hex(device(), absl::kZeroPad8), absl::Hex(device(), absl::kZeroPad8));
}

// From a control plane that is newer, or to a program that gave no handler.
v1::Answer NotServed(const char* what, const std::string& version) {
  v1::Answer answer;
  answer.set_code(grpc::StatusCode::UNIMPLEMENTED);
  answer.set_message(absl::StrCat("this data plane (version ", version, ") does not serve such a ", what));
  return answer;
}

}  // namespace

ConfigSubscription::ConfigSubscription(SubscriptionOptions options, grpc::CompletionQueue* queue,
                                       ConfigWorker& worker, ConfigReceiver& receiver)
    : options_(std::move(options)), instance_id_(RandomId()), queue_(queue), worker_(worker), receiver_(receiver),
      random_(std::random_device{}() * uint64_t{0x100000001} ^ std::random_device{}()) {}

void ConfigSubscription::Start() { Connect(); }

void ConfigSubscription::Stop(ConfigWorker::Task stopped) {
  stopping_ = true;
  if (stream_ == nullptr) return stopped();
  stopped_ = std::move(stopped);
  if (started_) return SayGoodbye();
  stream_->Cancel();
}

void ConfigSubscription::SayGoodbye() {
  v1::SubscribeRequest request;
  request.mutable_goodbye()->set_reason("the data plane is shutting down");
  stream_->WriteLast(std::move(request));
  // A control plane that does not read must not hold up the end.
  const uint64_t generation = generation_;
  worker_.PostAfter(options_.goodbye_within, [this, generation] {
    if (generation == generation_ && stream_ != nullptr) stream_->Cancel();
  });
}

void ConfigSubscription::RetryRefused() {
  if (stream_ == nullptr || !answered_ || !answered_->answer.has_nack()) return;
  spdlog::info("asking the control plane again for what was refused");
  draining_ = true;
  stream_->Cancel();
}

void ConfigSubscription::Connect() {
  if (stopping_) return;
  auto channel = channels_.Make();
  if (!channel.ok()) {
    receiver_.Disconnected(std::string(channel.status().message()));
    return ScheduleReconnect();
  }
  ++generation_;
  draining_ = started_ = false;
  pending_.reset();
  answered_.reset();  // nonces belong to a stream
  stream_ = std::make_unique<PushStream>(*std::move(channel), queue_, worker_, *this);
  stream_->Start();
}

void ConfigSubscription::ScheduleReconnect() {
  const double factor = std::ldexp(1.0, std::min(failures_, 30));
  ++failures_;
  const absl::Duration bound = std::min(options_.reconnect_max, options_.reconnect_base * factor);
  worker_.PostAfter(RandomUpTo(bound), [this] { Connect(); });
}

void ConfigSubscription::OnStarted() {
  opened_ = std::chrono::steady_clock::now();
  started_ = true;
  SendHello();
  if (!rivalled_) receiver_.Connected();
  const uint64_t generation = generation_;
  worker_.PostAfter(options_.health_interval, [this, generation] { HealthTick(generation); });
  worker_.PostAfter(options_.digest_interval, [this, generation] { DigestTick(generation); });
}

void ConfigSubscription::SendHello() {
  v1::SubscribeRequest request;
  v1::Hello& hello = *request.mutable_hello();
  hello.set_node_id(options_.node_id);
  hello.set_schema_version(kPolicySchemaVersion);
  hello.set_version(options_.version);
  hello.set_instance_id(instance_id_);
  hello.mutable_labels()->insert(options_.labels.begin(), options_.labels.end());
  receiver_.DescribeHeld(hello);
  stream_->Write(std::move(request));
}

// Our hello was taken.
void ConfigSubscription::NoteHeard() {
  if (!rivalled_) return;
  rivalled_ = false;
  receiver_.Connected();
}

void ConfigSubscription::OnMessage(const v1::SubscribeResponse& message) {
  failures_ = 0;
  NoteHeard();
  switch (message.kind_case()) {
    case v1::SubscribeResponse::kUpdate: return OnChunk(message.update());
    case v1::SubscribeResponse::kDrain: return OnDrain(message.drain());
    case v1::SubscribeResponse::kQuery: return OnQuery(message.query());
    case v1::SubscribeResponse::kCommand: return OnCommand(message.command());
    case v1::SubscribeResponse::KIND_NOT_SET:
      return spdlog::warn("the control plane sent a message that this version does not know");
  }
}

void ConfigSubscription::OnChunk(const v1::Update& chunk) {
  if (answered_ && answered_->nonce == chunk.nonce()) {
    if (chunk.last_chunk()) stream_->Write(answered_->answer);
    return;
  }
  if (pending_ && pending_->nonce() != chunk.nonce()) {
    spdlog::warn("the control plane broke off update {} and began another", pending_->nonce());
    pending_.reset();
  }
  if (!pending_) {
    pending_.emplace();
    pending_bytes_ = 0;
  }
  pending_bytes_ += chunk.ByteSizeLong();
  if (pending_bytes_ <= options_.max_update_bytes) {
    const bool snapshot = pending_->snapshot() || chunk.snapshot();
    pending_->MergeFrom(chunk);
    pending_->set_snapshot(snapshot);
  } else {
    // What was gathered is let go; the rest is only counted.
    pending_->clear_upserts();
    pending_->clear_endpoint_changes();
    pending_->clear_removals();
  }
  if (chunk.last_chunk()) FinishUpdate();
}

void ConfigSubscription::FinishUpdate() {
  const v1::Update update = std::move(*pending_);
  pending_.reset();
  std::vector<v1::Violation> violations;
  if (pending_bytes_ > options_.max_update_bytes) {
    violations.push_back(Refusal("TOO_LARGE", absl::StrCat("the update has ", pending_bytes_,
                                                           " bytes; this data plane takes ",
                                                           options_.max_update_bytes)));
  } else {
    violations = receiver_.Receive(update);
  }
  Answer(update, std::move(violations));
}

void ConfigSubscription::Answer(const v1::Update& update, std::vector<v1::Violation> violations) {
  v1::SubscribeRequest request;
  if (violations.empty()) {
    request.mutable_ack()->set_nonce(update.nonce());
    request.mutable_ack()->set_revision(update.revision());
  } else {
    request.mutable_nack()->set_nonce(update.nonce());
    request.mutable_nack()->set_revision(update.revision());
    for (v1::Violation& violation : violations) *request.mutable_nack()->add_violations() = std::move(violation);
  }
  if (!update.nonce().empty()) answered_ = Answered{update.nonce(), request};
  stream_->Write(std::move(request));
}

void ConfigSubscription::OnQuery(const v1::Query& query) {
  const bool known = query.kind_case() != v1::Query::KIND_NOT_SET && options_.on_query;
  SendAnswer(query.id(), known ? options_.on_query(query) : NotServed("query", options_.version));
}

void ConfigSubscription::OnCommand(const v1::NodeCommand& command) {
  const bool known = command.kind_case() != v1::NodeCommand::KIND_NOT_SET && options_.on_command;
  SendAnswer(command.id(), known ? options_.on_command(command) : NotServed("command", options_.version));
}

void ConfigSubscription::SendAnswer(const std::string& id, v1::Answer answer) {
  if (const size_t bytes = answer.ByteSizeLong(); bytes > options_.max_answer_bytes) {
    answer.Clear();
    answer.set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
    answer.set_message(absl::StrCat("the answer has ", bytes, " bytes; at most ", options_.max_answer_bytes,
                                    " are sent: ask for one upstream or endpoint"));
  }
  v1::SubscribeRequest request;
  *request.mutable_answer() = std::move(answer);
  request.mutable_answer()->set_id(id);
  stream_->Write(std::move(request));
}

void ConfigSubscription::OnDrain(const v1::Drain& drain) {
  const absl::Duration within = std::clamp(ToAbsl(drain.within()), absl::ZeroDuration(), options_.max_drain);
  spdlog::info("the control plane asks to connect anew within {}: {}", absl::FormatDuration(within), drain.reason());
  const uint64_t generation = generation_;
  worker_.PostAfter(RandomUpTo(within), [this, generation] {
    if (generation != generation_ || stream_ == nullptr) return;
    draining_ = true;
    stream_->Cancel();
  });
}

void ConfigSubscription::OnClosed(const grpc::Status& closed) {
  const grpc::Status status = closed;  // it goes with the stream
  stream_.reset();
  if (stopping_) {
    if (stopped_) stopped_();
    return;
  }
  if (draining_) {
    receiver_.Disconnected("");
    return Connect();
  }
  // A stream that lived is no sign of a control plane in trouble, even if it
  // had nothing to say.
  const auto lived = absl::FromChrono(std::chrono::steady_clock::now() - opened_);
  if (opened_ != std::chrono::steady_clock::time_point() && lived > options_.reconnect_max) failures_ = 0;
  opened_ = {};
  const bool refused_again = rivalled_ && status.error_code() == grpc::StatusCode::ALREADY_EXISTS;
  rivalled_ = status.error_code() == grpc::StatusCode::ALREADY_EXISTS;
  // Said once, not at every try.
  if (!refused_again) receiver_.Disconnected(absl::StrCat("control plane ", options_.address, ": ",
                                      status.ok() ? "it ended the stream" : status.error_message()));
  ScheduleReconnect();
}

void ConfigSubscription::HealthTick(uint64_t generation) {
  if (generation != generation_ || stream_ == nullptr || stopping_) return;
  NoteHeard();
  if (stream_->unwritten() < kMaxUnasked) {
    v1::SubscribeRequest request;
    *request.mutable_health() = receiver_.MakeHealth();
    stream_->Write(std::move(request));
  }
  worker_.PostAfter(options_.health_interval, [this, generation] { HealthTick(generation); });
}

void ConfigSubscription::DigestTick(uint64_t generation) {
  if (generation != generation_ || stream_ == nullptr || stopping_) return;
  if (stream_->unwritten() < kMaxUnasked) {
    v1::SubscribeRequest request;
    *request.mutable_digest() = receiver_.MakeDigest();
    stream_->Write(std::move(request));
  }
  worker_.PostAfter(options_.digest_interval, [this, generation] { DigestTick(generation); });
}

}  // namespace sluice
