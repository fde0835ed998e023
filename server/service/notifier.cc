#include "server/service/notifier.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

class Errand : public CompletionTag {
 public:
  explicit Errand(std::function<void()> work) : work_(std::move(work)) {}
  void Start(grpc::CompletionQueue* queue) { alarm_.Set(queue, gpr_inf_past(GPR_CLOCK_MONOTONIC), this); }
  void Complete(bool) override {
    work_();
    delete this;
  }

 private:
  const std::function<void()> work_;
  grpc::Alarm alarm_;
};

}  // namespace

Notifier::Notifier(int index, std::unique_ptr<grpc::ServerCompletionQueue> queue) : queue_(std::move(queue)) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), absl::StrCat("sluice-notify-", index).substr(0, 15).c_str());
}

Notifier::~Notifier() = default;

void Notifier::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    static_cast<CompletionTag*>(tag)->Complete(ok);
    if (asked_.load()) StayAside();
  }
}

void Notifier::StayAside() {
  std::unique_lock lock(mutex_);
  if (place_ != Place::kAsked) return;
  place_ = Place::kAside;
  moved_.wait(lock, [this] { return place_ == Place::kReturning; });
  place_ = Place::kWaiting;
}

bool Notifier::StandAside() {
  {
    std::lock_guard lock(mutex_);
    // It has not woken since TakeOver, so it need not.
    if (place_ == Place::kReturning) place_ = Place::kAside;
    if (place_ != Place::kWaiting) return place_ == Place::kAside;
    place_ = Place::kAsked;
    asked_.store(true);
  }
  Wake();
  return false;
}

void Notifier::TakeOver() {
  {
    std::lock_guard lock(mutex_);
    asked_.store(false);
    if (place_ == Place::kAsked) place_ = Place::kWaiting;
    if (place_ != Place::kAside) return;
    place_ = Place::kReturning;
  }
  moved_.notify_one();
}

void Notifier::Wake() {
  // One that was never taken from the queue wakes as well.
  if (wake_tag_.pending.exchange(true)) return;
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &wake_tag_);
}

void Notifier::Post(std::function<void()> work) { (new Errand(std::move(work)))->Start(queue_.get()); }

void Notifier::Poll(int events) {
  const gpr_timespec past = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  for (int i = 0; i < events; ++i) {
    void* tag = nullptr;
    bool ok = false;
    // Without a tag it may still have served a socket, and does not say so.
    if (queue_->AsyncNext(&tag, &ok, past) == grpc::CompletionQueue::GOT_EVENT) {
      static_cast<CompletionTag*>(tag)->Complete(ok);
    }
  }
}

void Notifier::Close() {
  queue_->Shutdown();
  thread_.join();
}

}  // namespace sluice
