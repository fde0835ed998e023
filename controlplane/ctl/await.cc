#include "controlplane/ctl/await.h"

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

// So that the control plane's own answer "not in time" still arrives.
constexpr absl::Duration kAnswerMargin = absl::Seconds(2);
// What the control plane accepts at most.
constexpr absl::Duration kLongestWait = absl::Seconds(60);

std::string Headline(uint64_t revision, const v1::AwaitRevisionResponse& answer, absl::Duration waited) {
  const int all = answer.acked() + answer.nacked() + answer.pending();
  if (all == 0) return absl::StrCat("revision ", revision, " · no data plane is connected");
  std::string line = absl::StrCat("revision ", revision, " · acked by ", answer.acked(), "/", all,
                                  all == 1 ? " data plane" : " data planes");
  if (answer.nacked() > 0) absl::StrAppend(&line, ", refused by ", answer.nacked());
  if (answer.pending() > 0) {
    return absl::StrCat(line, ", no answer from ", answer.pending(), " within ", ElapsedText(waited));
  }
  return absl::StrCat(line, " in ", ElapsedText(ToAbsl(answer.elapsed())));
}

void PrintRefusal(const v1::NodeStatus& node, std::ostream& err) {
  if (node.violations().empty()) err << node.node_id() << ": refused: " << node.last_error() << "\n";
  for (const v1::Violation& violation : node.violations()) {
    err << node.node_id() << ": refused: " << ResourceId(violation.resource().kind(), violation.resource().name())
        << ": " << violation.path() << (violation.path().empty() ? "" : ": ") << violation.message() << "\n";
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
  if (!status.ok()) {
    session.out() << "revision " << revision << " · committed\n";
    return session.Fail(ExitCode::kNotAcked, absl::StrCat("cannot tell whether the data planes have it: ",
                                                          status.error_message(), "; see sluicectl status"));
  }
  session.out() << Headline(revision, answer, wait) << "\n";
  for (const v1::NodeStatus& node : answer.nodes()) {
    if (node.state() == v1::NODE_STATE_NACKED) {
      PrintRefusal(node, session.err());
    } else if (node.state() != v1::NODE_STATE_ACKED) {
      session.err() << node.node_id() << ": has not answered; it runs revision " << node.acked_revision() << "\n";
    }
  }
  if (answer.nacked() > 0) return ExitCode::kNodeRefused;
  return answer.pending() > 0 ? ExitCode::kNotAcked : ExitCode::kOk;
}

}  // namespace sluice::ctl
