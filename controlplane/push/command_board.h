// Queries and commands under way: which data planes were asked, which have
// answered, and the one response that is made of it. Pure: time is an argument.
// Owned by the hub and touched under its mutex; the hub does the sending.
#ifndef SLUICE_CONTROLPLANE_PUSH_COMMAND_BOARD_H_
#define SLUICE_CONTROLPLANE_PUSH_COMMAND_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

struct CommandLimits {
  // Under way at a time; each holds the answers of a fleet.
  size_t max_open = 64;
  // Unanswered by one node: one that does not answer must not hold more.
  size_t max_per_node = 16;
  // Of one answer. Data planes keep to it by themselves.
  size_t max_answer_bytes = 1 << 20;
  // Of all answers to one command: thousands of nodes may have much to say.
  size_t max_response_bytes = 16 << 20;
};

class CommandBoard {
 public:
  using Callback = std::function<void(v1::CommandResponse)>;
  // The callbacks are called without locks held.
  using Finished = std::vector<std::pair<Callback, v1::CommandResponse>>;

  // Ids begin with `tag`, so that an answer to a former program is none to us.
  CommandBoard(CommandLimits limits, std::string tag) : limits_(limits), tag_(std::move(tag)) {}

  const CommandLimits& limits() const { return limits_; }
  bool full() const { return commands_.size() >= limits_.max_open; }
  // Unanswered by this node.
  size_t CountOpen(const std::string& node_id) const;

  // Returns the id. Whoever is to be asked is named by Ask before TakeFinished.
  std::string Begin(absl::Time now, absl::Time deadline, Callback callback);
  void Ask(const std::string& id, const std::string& node_id);
  // Was not connected, so it is not asked.
  void NoteLost(const std::string& id, v1::NodeStatus status);
  // In the place of an answer that will not come.
  void Refuse(const std::string& id, const std::string& node_id, absl::StatusCode code, const std::string& message,
              absl::Time now);
  // What was not asked of this node, or answered before, is ignored.
  void OnAnswer(const std::string& node_id, const v1::Answer& answer, absl::Time now);
  // Whatever it has not answered, it never will.
  void OnLost(const std::string& node_id, absl::Time now);

  // Those that have all answers, or no time left.
  Finished TakeFinished(absl::Time now);
  // All of them, as they are.
  Finished TakeAll();
  // When the next one runs out of time; InfiniteFuture: none is under way.
  absl::Time due() const;

 private:
  struct Command {
    absl::Time started;
    absl::Time deadline;
    absl::Time last_answer;
    Callback callback;
    // By node; null until it answers.
    std::map<std::string, std::unique_ptr<v1::Answer>> answers;
    size_t unanswered = 0;
    size_t bytes = 0;
    std::vector<v1::NodeStatus> lost;
  };

  void Settle(Command& command, const std::string& node_id, v1::Answer answer, absl::Time now);
  v1::CommandResponse Summarise(Command& command, absl::StatusCode code, const std::string& why);
  static v1::Answer Refusal(absl::StatusCode code, const std::string& message);

  const CommandLimits limits_;
  const std::string tag_;
  uint64_t last_id_ = 0;
  std::map<std::string, Command> commands_;
  std::map<std::string, size_t> open_by_node_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_COMMAND_BOARD_H_
