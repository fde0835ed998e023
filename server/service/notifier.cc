#include "server/service/notifier.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/runtime/completion_tag.h"

namespace sluice {

Notifier::Notifier(int index, std::unique_ptr<grpc::ServerCompletionQueue> queue) : queue_(std::move(queue)) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), absl::StrCat("sluice-notify-", index).substr(0, 15).c_str());
}

Notifier::~Notifier() = default;

void Notifier::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<CompletionTag*>(tag)->Complete(ok);
}

void Notifier::Close() {
  queue_->Shutdown();
  thread_.join();
}

}  // namespace sluice
