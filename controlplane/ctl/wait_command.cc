// wait: for a revision to be in force, or for a data plane to be as it should.
#include <algorithm>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/await.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/message_node.h"
#include "controlplane/ctl/node_text.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

// How soon a change is seen. A look is small.
constexpr absl::Duration kLookEvery = absl::Milliseconds(200);

struct WaitOptions {
  std::vector<std::string> words;
  uint64_t revision = 0;
  std::string what = "acked";
};

enum class Answer { kNotYet, kDone, kRefused };

const v1::NodeStatus* Find(const v1::ListNodesResponse& nodes, const std::string& id) {
  const auto found = std::find_if(nodes.nodes().begin(), nodes.nodes().end(),
                                  [&](const v1::NodeStatus& node) { return node.node_id() == id; });
  return found == nodes.nodes().end() ? nullptr : &*found;
}

bool IsGone(const v1::NodeStatus* node) { return node == nullptr || node->state() == v1::NODE_STATE_GONE; }

Answer Judge(const v1::NodeStatus* node, const WaitOptions& options) {
  if (options.what == "gone") return IsGone(node) ? Answer::kDone : Answer::kNotYet;
  if (node == nullptr) return Answer::kNotYet;
  if (node->state() == v1::NODE_STATE_NACKED) return Answer::kRefused;
  const bool has_it = options.revision == 0 ? node->state() == v1::NODE_STATE_ACKED
                                            : node->acked_revision() >= options.revision;
  return has_it && node->state() != v1::NODE_STATE_LOST && !IsGone(node) ? Answer::kDone : Answer::kNotYet;
}

std::string StandingOf(const std::string& id, const v1::NodeStatus* node) {
  if (node == nullptr) return absl::StrCat(id, " is not known");
  const std::vector<std::string> trouble = TroubleOf(*node);
  return absl::StrCat(id, " is ", NodeStateCell(node->state()).text, ", runs revision ", node->acked_revision(),
                      trouble.empty() ? "" : absl::StrCat(": ", trouble.front()));
}

// Looks until it is so, it can no longer be, or the time is over.
ExitCode WaitForNode(Session& session, const std::string& id, const WaitOptions& options) {
  const absl::Time until = absl::Now() + session.timeout();
  while (true) {
    v1::ListNodesResponse nodes;
    if (const ExitCode code = ListNodes(session, nodes); code != ExitCode::kOk) return code;
    const v1::NodeStatus* node = Find(nodes, id);
    const Answer answer = Judge(node, options);
    const bool over = absl::Now() >= until;
    if (answer == Answer::kNotYet && !over && !session.stopped()) {
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(std::min(kLookEvery, until - absl::Now())));
      continue;
    }
    if (node != nullptr) session.Show("node", MessageNode(*node));
    session.Name(absl::StrCat("node/", id));
    session.out() << StandingOf(id, node) << "\n";
    if (answer == Answer::kDone) return ExitCode::kOk;
    if (answer == Answer::kRefused) {
      return session.Fail(ExitCode::kNodeRefused, absl::StrCat(id, " refused the newest revision"));
    }
    return session.Fail(ExitCode::kNotAcked,
                        absl::StrCat(id, " is not ", options.what, " after ", ElapsedText(session.timeout())));
  }
}

ExitCode WaitForRevision(Session& session, uint64_t revision) {
  if (revision == 0) {
    v1::ListNodesResponse nodes;
    if (const ExitCode code = ListNodes(session, nodes); code != ExitCode::kOk) return code;
    revision = nodes.revision();
  }
  return AwaitRevision(session, revision);
}

// "node edge-1", "node/edge-1"; "" where no node is named. Nothing: said why.
std::optional<std::string> NodeOf(const WaitOptions& options, const Session& session) {
  if (options.words.empty()) return "";
  const std::optional<std::vector<std::string>> nodes = NodesIn(options.words);
  if (nodes.has_value() && nodes->size() == 1 && !nodes->front().empty()) return nodes->front();
  session.Fail(ExitCode::kUsage, "wait: name a data plane as in node/edge-1, or a revision with --revision");
  return std::nullopt;
}

ExitCode Wait(Session& session, const WaitOptions& options) {
  const std::optional<std::string> node = NodeOf(options, session);
  if (!node.has_value()) return ExitCode::kUsage;
  if (!node->empty()) return WaitForNode(session, *node, options);
  if (options.what == "gone") return session.Fail(ExitCode::kUsage, "--for=gone: name a data plane, as in node/edge-1");
  return WaitForRevision(session, options.revision);
}

}  // namespace

void AddWait(CommandSet& commands) {
  auto options = std::make_shared<WaitOptions>();
  CLI::App& app = commands.Add("wait",
                               "Wait until every data plane runs a revision, or one of them is as it should be; --timeout "
                               "bounds it. Ends with 7 when it was refused, 8 when the time is over",
                               "sluicectl wait                            for the newest revision\n"
                               "sluicectl wait --revision 8 --timeout 1m\n"
                               "sluicectl wait node/edge-1                runs the newest revision\n"
                               "sluicectl wait node edge-1 --for=gone     left in peace, or was forgotten",
                               [options](Session& session) { return Wait(session, *options); });
  app.add_option("node", options->words, "node/NAME; left out: every data plane")->expected(0, 2);
  app.add_option("--revision", options->revision, "This revision or a later one; left out: the newest")
      ->check(IsRevision());
  app.add_option("--for", options->what, "acked or gone")
      ->check(CLI::IsMember({"acked", "gone"}))->capture_default_str();
}

}  // namespace sluice::ctl
