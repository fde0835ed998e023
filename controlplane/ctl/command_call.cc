#include "controlplane/ctl/command_call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

// What the control plane accepts at most.
constexpr absl::Duration kLongestWait = absl::Seconds(60);
// So that its own answer "not in time" still arrives.
constexpr absl::Duration kAnswerMargin = absl::Seconds(2);

bool Failed(const v1::NodeAnswer& answer) { return answer.answer().code() != 0; }

// The control plane says these in a node's place: it may answer next time.
bool IsNoAnswer(int code) {
  return code == grpc::StatusCode::DEADLINE_EXCEEDED || code == grpc::StatusCode::UNAVAILABLE ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

// All nodes refused, and in the same words.
bool AllSayTheSame(const v1::CommandResponse& response) {
  const auto& answers = response.answers();
  return !answers.empty() && std::all_of(answers.begin(), answers.end(), [&](const v1::NodeAnswer& answer) {
    return Failed(answer) && answer.answer().code() == answers[0].answer().code() &&
           answer.answer().message() == answers[0].answer().message();
  });
}

std::string LostText(const v1::NodeStatus& node, absl::Time now) {
  return absl::StrCat(node.node_id(), ": not connected",
                      node.has_since() ? absl::StrCat(" since ", AgeText(now - ToAbsl(node.since()))) : "",
                      ", so it was not asked");
}

}  // namespace

ExitCode CallNodes(Session& session, v1::CommandRequest request, v1::CommandResponse& response) {
  *request.mutable_timeout() = ToProto(std::min(session.timeout(), kLongestWait));
  const grpc::Status status = session.Call(&v1::Admin::Stub::Command, request, &response, kAnswerMargin);
  return status.ok() ? ExitCode::kOk : session.Fail(status);
}

std::vector<const v1::NodeAnswer*> Done(const v1::CommandResponse& response) {
  std::vector<const v1::NodeAnswer*> done;
  for (const v1::NodeAnswer& answer : response.answers()) {
    if (!Failed(answer)) done.push_back(&answer);
  }
  return done;
}

ExitCode TellFailures(Session& session, const v1::CommandRequest& request, const v1::CommandResponse& response) {
  for (const v1::NodeStatus& node : response.lost()) session.err() << SafeLine(LostText(node, session.now())) << "\n";
  if (response.answers().empty()) {
    // A node that was asked for by name, or a command that nobody did.
    if (!request.node_id().empty()) return ExitCode::kNotAcked;
    return session.Fail(ExitCode::kNotAcked, "no data plane is connected");
  }
  if (AllSayTheSame(response)) {
    const v1::Answer& answer = response.answers(0).answer();
    if (!IsNoAnswer(answer.code())) {
      return session.Fail(ExitCodeOf(static_cast<grpc::StatusCode>(answer.code())), answer.message());
    }
  }
  // What a look shows is whole without them; what is to be done was not done there.
  const bool missed = request.has_command() && !response.lost().empty();
  ExitCode code = missed ? ExitCode::kNotAcked : ExitCode::kOk;
  for (const v1::NodeAnswer& answer : response.answers()) {
    if (!Failed(answer)) continue;
    session.output().Add({.file = "", .line = 0, .resource = "", .path = "", .message = answer.answer().message(),
                          .node = answer.node_id()});
    const bool silent = IsNoAnswer(answer.answer().code());
    if (!silent) code = ExitCode::kNodeRefused;
    if (silent && code == ExitCode::kOk) code = ExitCode::kNotAcked;
  }
  return code;
}

}  // namespace sluice::ctl
