// The part of PushHub that carries queries and commands to data planes.
#include "absl/strings/str_cat.h"
#include "controlplane/push/push_hub.h"

namespace sluice {

absl::Status PushHub::Command(const v1::CommandRequest& request, absl::Duration timeout, CommandCallback callback) {
  Completed completed;
  {
    absl::MutexLock lock(&mutex_);
    // Nobody would be left to answer it, and the program waits for its calls.
    if (closing_) return absl::UnavailableError("the control plane is shutting down");
    if (!request.node_id().empty() && !nodes_.contains(request.node_id())) {
      return Unknown(request.node_id());
    }
    if (board_.full()) {
      return absl::ResourceExhaustedError(
          absl::StrCat(board_.limits().max_open, " commands are under way already; come again in a few seconds"));
    }
    absl::Time now = clock_();
    std::string id = board_.Begin(now, now + timeout, std::move(callback));
    auto message = std::make_shared<v1::SubscribeResponse>();
    if (request.has_query()) {
      *message->mutable_query() = request.query();
      message->mutable_query()->set_id(id);
    } else {
      *message->mutable_command() = request.command();
      message->mutable_command()->set_id(id);
    }
    for (auto& [node_id, node] : nodes_) {
      // One that left in peace is missed by nobody.
      const bool all = request.node_id().empty() && !node.gone;
      if (all || request.node_id() == node_id) Ask(node, id, message, now);
    }
    WakeBy(now + timeout);
    completed = TakeCompleted(now);
  }
  completed.Call();
  return absl::OkStatus();
}

void PushHub::Ask(Node& node, const std::string& id, const std::shared_ptr<const v1::SubscribeResponse>& message,
                  absl::Time now) {
  if (!node.connected()) return board_.NoteLost(id, StatusOf(node, now));
  size_t open = board_.CountOpen(node.id);
  if (open >= board_.limits().max_per_node) {
    return board_.Refuse(id, node.id, absl::StatusCode::kResourceExhausted,
                         absl::StrCat("not sent: ", open, " commands wait for its answer already"), now);
  }
  if (!node.stream->SendCommand(message)) {
    return board_.Refuse(id, node.id, absl::StatusCode::kResourceExhausted,
                         "not sent: it does not read what was sent before", now);
  }
  board_.Ask(id, node.id);
}

}  // namespace sluice
