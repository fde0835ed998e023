#include "controlplane/push/command_board.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

// A node's words are shown to people: one line of them.
constexpr size_t kMaxMessage = 1000;

std::string Bounded(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  if (text.size() > kMaxMessage) text.resize(kMaxMessage);
  // Cut or sent as half a character, it would make the whole response unreadable.
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
  return text;
}

}  // namespace

v1::Answer CommandBoard::Refusal(absl::StatusCode code, const std::string& message) {
  v1::Answer answer;
  answer.set_code(static_cast<int>(code));
  answer.set_message(message);
  return answer;
}

size_t CommandBoard::CountOpen(const std::string& node_id) const {
  auto found = open_by_node_.find(node_id);
  return found == open_by_node_.end() ? 0 : found->second;
}

std::string CommandBoard::Begin(absl::Time now, absl::Time deadline, Callback callback) {
  std::string id = absl::StrCat(tag_, "-", ++last_id_);
  Command& command = commands_[id];
  command.started = command.last_answer = now;
  command.deadline = deadline;
  command.callback = std::move(callback);
  return id;
}

void CommandBoard::Ask(const std::string& id, const std::string& node_id) {
  Command& command = commands_.at(id);
  command.answers[node_id] = nullptr;
  ++command.unanswered;
  ++open_by_node_[node_id];
}

void CommandBoard::NoteLost(const std::string& id, v1::NodeStatus status) {
  commands_.at(id).lost.push_back(std::move(status));
}

void CommandBoard::Refuse(const std::string& id, const std::string& node_id, absl::StatusCode code,
                          const std::string& message, absl::Time now) {
  Command& command = commands_.at(id);
  if (!command.answers.contains(node_id)) Ask(id, node_id);
  Settle(command, node_id, Refusal(code, message), now);
}

void CommandBoard::Settle(Command& command, const std::string& node_id, v1::Answer answer, absl::Time now) {
  auto place = command.answers.find(node_id);
  if (place == command.answers.end() || place->second) return;
  answer.clear_id();
  place->second = std::make_unique<v1::Answer>(std::move(answer));
  command.last_answer = now;
  --command.unanswered;
  auto open = open_by_node_.find(node_id);
  if (--open->second == 0) open_by_node_.erase(open);
}

void CommandBoard::OnAnswer(const std::string& node_id, const v1::Answer& answer, absl::Time now) {
  auto found = commands_.find(answer.id());
  if (found == commands_.end()) return;
  Command& command = found->second;
  auto place = command.answers.find(node_id);
  if (place == command.answers.end() || place->second) return;
  size_t bytes = answer.ByteSizeLong();
  if (bytes > limits_.max_answer_bytes) {
    return Settle(command, node_id,
                  Refusal(absl::StatusCode::kResourceExhausted,
                          absl::StrCat("its answer has ", bytes, " bytes; at most ", limits_.max_answer_bytes,
                                       " are taken: ask for one upstream or endpoint")),
                  now);
  }
  if (command.bytes + bytes > limits_.max_response_bytes) {
    return Settle(command, node_id,
                  Refusal(absl::StatusCode::kResourceExhausted,
                          absl::StrCat("left out, for the answers of other nodes fill ", limits_.max_response_bytes,
                                       " bytes already: ask this node alone")),
                  now);
  }
  command.bytes += bytes;
  v1::Answer kept = answer;
  kept.set_message(Bounded(answer.message()));
  Settle(command, node_id, std::move(kept), now);
}

void CommandBoard::OnLost(const std::string& node_id, absl::Time now) {
  if (CountOpen(node_id) == 0) return;
  for (auto& [id, command] : commands_) {
    Settle(command, node_id,
           Refusal(absl::StatusCode::kUnavailable,
                   "its connection was lost before it answered; what was to be done may have been done"),
           now);
  }
}

v1::CommandResponse CommandBoard::Summarise(Command& command, absl::StatusCode code, const std::string& why) {
  v1::CommandResponse response;
  for (auto& [node_id, answer] : command.answers) {
    if (!answer) Settle(command, node_id, Refusal(code, why), command.last_answer);
    v1::NodeAnswer& entry = *response.add_answers();
    entry.set_node_id(node_id);
    *entry.mutable_answer() = std::move(*answer);
  }
  for (v1::NodeStatus& status : command.lost) *response.add_lost() = std::move(status);
  *response.mutable_elapsed() = ToProto(command.last_answer - command.started);
  return response;
}

CommandBoard::Finished CommandBoard::TakeFinished(absl::Time now) {
  Finished finished;
  for (auto it = commands_.begin(); it != commands_.end();) {
    Command& command = it->second;
    if (command.unanswered > 0 && now < command.deadline) {
      ++it;
      continue;
    }
    std::string why = absl::StrCat("no answer within ", FormatDurationText(command.deadline - command.started));
    v1::CommandResponse response = Summarise(command, absl::StatusCode::kDeadlineExceeded, why);
    finished.emplace_back(std::move(command.callback), std::move(response));
    it = commands_.erase(it);
  }
  return finished;
}

CommandBoard::Finished CommandBoard::TakeAll() {
  Finished finished;
  for (auto& [id, command] : commands_) {
    v1::CommandResponse response = Summarise(command, absl::StatusCode::kUnavailable, "the control plane is shutting down");
    finished.emplace_back(std::move(command.callback), std::move(response));
  }
  commands_.clear();
  return finished;
}

absl::Time CommandBoard::due() const {
  absl::Time due = absl::InfiniteFuture();
  for (const auto& [id, command] : commands_) due = std::min(due, command.deadline);
  return due;
}

}  // namespace sluice
