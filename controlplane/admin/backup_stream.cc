#include "controlplane/admin/backup_stream.h"

#include <openssl/evp.h>

#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/admin/rpc_status.h"
#include "grpcpp/server_context.h"
#include "proto/policy/duration_text.h"
#include "spdlog/spdlog.h"

namespace sluice {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void Add(const std::string& bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string Finish() {
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), &size);
    digest.resize(size);
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

v1::BackupResponse HeaderOf(const StoreCopy& copy) {
  v1::BackupResponse response;
  v1::BackupHeader& header = *response.mutable_header();
  header.set_epoch(copy.epoch());
  header.set_revision(copy.revision());
  header.set_size_bytes(copy.size_bytes());
  *header.mutable_created() = ToProto(absl::Now());
  return response;
}

// Turns one away that was never begun.
class Refused : public Backups::Reactor {
 public:
  explicit Refused(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

// The call itself: gRPC's threads tell what became of a write, the backup's
// thread waits for it. Deletes itself after Finish.
class Backups::Stream : public Backups::Reactor {
 public:
  Stream(grpc::CallbackServerContext* context, absl::Duration patience) : context_(context), patience_(patience) {}

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    gone_ = gone_ || !ok;
  }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

  bool cancelled() const { return cancelled_; }

  // Returns when gRPC took it. Not OK: the call is over, its status is given.
  grpc::Status Write(v1::BackupResponse response) {
    response_ = std::move(response);
    {
      absl::MutexLock lock(&mutex_);
      writing_ = true;
    }
    StartWrite(&response_);
    absl::MutexLock lock(&mutex_);
    const auto written = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !writing_; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&written), patience_)) {
      context_->TryCancel();
      mutex_.Await(absl::Condition(&written));
      return MakeStatus(grpc::StatusCode::DEADLINE_EXCEEDED,
                        absl::StrCat("its reader took nothing for ", FormatDurationText(patience_)));
    }
    return gone_ ? MakeStatus(grpc::StatusCode::CANCELLED, "its reader has gone") : grpc::Status::OK;
  }

 private:
  grpc::CallbackServerContext* const context_;
  const absl::Duration patience_;
  std::atomic<bool> cancelled_ = false;
  // Of the thread, until it is written.
  v1::BackupResponse response_;
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

namespace {

// Whatever writes one response: Stream::Write.
template <typename Write>
grpc::Status SendCopy(StoreCopy& copy, const Write& write) {
  if (grpc::Status status = write(HeaderOf(copy)); !status.ok()) return status;
  Sha256 digest;
  uint64_t sent = 0;
  for (;;) {
    absl::StatusOr<std::string> part = copy.Read(kBackupPartBytes);
    if (!part.ok()) return ToGrpcStatus(part.status());
    if (part->empty()) break;
    digest.Add(*part);
    sent += part->size();
    v1::BackupResponse response;
    response.set_data(*std::move(part));
    if (grpc::Status status = write(std::move(response)); !status.ok()) return status;
  }
  v1::BackupResponse response;
  response.mutable_trailer()->set_size_bytes(sent);
  response.mutable_trailer()->set_sha256(digest.Finish());
  return write(std::move(response));
}

}  // namespace

Backups::~Backups() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

Backups::Reactor* Backups::Begin(grpc::CallbackServerContext* context) {
  absl::MutexLock lock(&mutex_);
  if (running_) {
    if (observer_ != nullptr) observer_->OnRequest("Backup", grpc::StatusCode::RESOURCE_EXHAUSTED);
    return new Refused(
        MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED, "a backup is under way, one at a time; try again"));
  }
  // The one before has nothing left to do.
  if (thread_.joinable()) thread_.join();
  running_ = true;
  auto* stream = new Stream(context, patience_);
  thread_ = std::thread([this, stream] { Run(stream); });
  return stream;
}

void Backups::Run(Stream* stream) {
  const absl::Time began = absl::Now();
  spdlog::info("backup begun");
  grpc::Status status;
  absl::StatusOr<std::unique_ptr<StoreCopy>> copy = store_.Copy([stream] { return stream->cancelled(); });
  if (!copy.ok()) {
    status = ToGrpcStatus(copy.status());
  } else {
    status = SendCopy(**copy, [stream](v1::BackupResponse response) { return stream->Write(std::move(response)); });
  }
  const std::string took = FormatDurationText(absl::Trunc(absl::Now() - began, absl::Milliseconds(1)));
  if (status.ok()) {
    spdlog::info("backup of revision {} done: {} bytes in {}", (*copy)->revision(), (*copy)->size_bytes(), took);
  } else {
    spdlog::warn("backup failed after {}: {}", took, status.error_message());
  }
  if (observer_ != nullptr) observer_->OnRequest("Backup", status.error_code());
  // Its room is free before its reader knows that it is done.
  copy = absl::CancelledError("done");
  {
    absl::MutexLock lock(&mutex_);
    running_ = false;
  }
  // Last: the stream is gone any time after it.
  stream->Finish(status);
}

}  // namespace sluice
