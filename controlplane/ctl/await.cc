#include "controlplane/ctl/await.h"

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/message_node.h"
#include "controlplane/ctl/node_text.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

// So that the control plane's own answer "not in time" still arrives.
constexpr absl::Duration kAnswerMargin = absl::Seconds(2);
// What the control plane accepts at most.
constexpr absl::Duration kLongestWait = absl::Seconds(60);

std::string Headline(uint64_t revision, const v1::AwaitRevisionResponse& answer, absl::Duration waited) {
  const int all = answer.acked() + answer.nacked() + answer.pending() + answer.lost() + answer.mismatched();
  if (all == 0) return absl::StrCat("revision ", revision, " · no data plane is connected");
  std::string line = absl::StrCat("revision ", revision, " · acked by ", answer.acked(), "/", all,
                                  all == 1 ? " data plane" : " data planes");
  if (answer.nacked() > 0) absl::StrAppend(&line, ", refused by ", answer.nacked());
  if (answer.lost() > 0) absl::StrAppend(&line, ", ", answer.lost(), " LOST");
  if (answer.mismatched() > 0) absl::StrAppend(&line, ", ", answer.mismatched(), " EPOCH MISMATCH");
  if (answer.pending() > 0) {
    return absl::StrCat(line, ", no answer from ", answer.pending(), " within ", ElapsedText(waited));
  }
  return absl::StrCat(line, " in ", ElapsedText(ToAbsl(answer.elapsed())));
}

void PrintRefusal(const v1::NodeStatus& node, std::ostream& err) {
  const std::string begin = absl::StrCat(node.node_id(), ": refused: ");
  if (node.violations().empty()) err << SafeLine(absl::StrCat(begin, node.last_error())) << "\n";
  for (const v1::Violation& violation : node.violations()) {
    err << SafeLine(absl::StrCat(begin, ViolationText(violation))) << "\n";
  }
}

std::string RunsText(const v1::NodeStatus& node) {
  if (node.acked_revision() == 0) return "it runs no revision yet";
  return absl::StrCat("it runs revision ", node.acked_revision());
}

std::string LostText(const v1::NodeStatus& node, absl::Time now) {
  const std::string since = node.has_since() ? absl::StrCat(" since ", AgeText(now - ToAbsl(node.since()))) : "";
  return absl::StrCat("LOST", since, "; ", RunsText(node), ". Gone for good? sluicectl node forget ", node.node_id());
}

// What keeps one node from running the revision.
void PrintNode(const v1::NodeStatus& node, Session& session) {
  switch (node.state()) {
    case v1::NODE_STATE_ACKED:
    case v1::NODE_STATE_GONE:
      return;
    case v1::NODE_STATE_NACKED:
      PrintRefusal(node, session.err());
      return;
    case v1::NODE_STATE_LOST:
      session.err() << node.node_id() << ": " << LostText(node, session.now()) << "\n";
      return;
    case v1::NODE_STATE_EPOCH_MISMATCH:
      session.err() << node.node_id() << ": EPOCH MISMATCH: " << node.last_error() << "\n";
      return;
    default:
      session.err() << node.node_id() << ": has not answered; " << RunsText(node) << "\n";
  }
}

}  // namespace

ExitCode AwaitRevision(Session& session, uint64_t revision) {
  if (session.options().no_wait) {
    session.out() << "revision " << revision << " · not waited for\n";
    return ExitCode::kOk;
  }
  const absl::Duration wait = std::min(session.timeout(), kLongestWait);
  v1::AwaitRevisionRequest request;
  request.set_revision(revision);
  *request.mutable_timeout() = ToProto(wait);
  v1::AwaitRevisionResponse answer;
  const grpc::Status status = session.Call(&v1::Admin::Stub::AwaitRevision, request, &answer, kAnswerMargin);
  // Of one that was only asked for.
  if (status.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
    return session.Fail(ExitCode::kNotFound, status.error_message());
  }
  if (!status.ok()) {
    session.out() << "revision " << revision << " · committed\n";
    return session.Fail(ExitCode::kNotAcked, absl::StrCat("cannot tell whether the data planes have it: ",
                                                          status.error_message(), "; see sluicectl status"));
  }
  session.Show("await", MessageNode(answer));
  session.out() << Headline(revision, answer, wait) << "\n";
  for (const v1::NodeStatus& node : answer.nodes()) PrintNode(node, session);
  if (answer.nacked() > 0) return ExitCode::kNodeRefused;
  const bool missed = answer.pending() > 0 || answer.lost() > 0 || answer.mismatched() > 0;
  return missed ? ExitCode::kNotAcked : ExitCode::kOk;
}

}  // namespace sluice::ctl
