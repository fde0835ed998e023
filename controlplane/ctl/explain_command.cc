// explain: what can be written in a policy. Needs no control plane.
#include <memory>

#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/explain.h"

namespace sluice::ctl {
namespace {

ExitCode ExplainPath(Session& session, const std::string& path) {
  const absl::StatusOr<std::string> text = Explain(path);
  if (!text.ok()) return session.Fail(ExitCode::kNotFound, std::string(text.status().message()));
  session.out() << *text;
  return ExitCode::kOk;
}

}  // namespace

void AddExplain(CommandSet& commands) {
  auto path = std::make_shared<std::string>();
  CLI::App& app = commands.Add("explain", "Explain a kind or a field: type, default, range, meaning",
                               "sluicectl explain                                    the kinds\n"
                               "sluicectl explain retrypolicy\n"
                               "sluicectl explain retrypolicy.backoff.exponential.max\n"
                               "sluicectl explain endpoints.weight                   of the kinds that have it",
                               [path](Session& session) { return ExplainPath(session, *path); });
  commands.NeedsNoServer(app);
  app.add_option("path", *path, "KIND[.field.path], or a field: retry, endpoints.weight");
}

}  // namespace sluice::ctl
