// The commands of sluicectl. Each Add… puts one into the command line, with its
// help and examples; RunCtl runs the one that was asked for.
#ifndef SLUICE_CONTROLPLANE_CTL_COMMANDS_H_
#define SLUICE_CONTROLPLANE_CTL_COMMANDS_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "controlplane/ctl/session.h"

namespace sluice::ctl {

class CommandSet {
 public:
  using Run = std::function<ExitCode(Session&)>;

  explicit CommandSet(CLI::App& root) : root_(root) {}

  // `examples` are lines of a shell. The caller adds options to the result.
  CLI::App& Add(const std::string& name, const std::string& description, const std::string& examples, Run run) {
    return Add(root_, name, description, examples, std::move(run));
  }
  // Below a group.
  CLI::App& Add(CLI::App& group, const std::string& name, const std::string& description, const std::string& examples,
                Run run);
  // Commands that belong together: "breaker list", "breaker trip".
  CLI::App& AddGroup(const std::string& name, const std::string& description, const std::string& examples);
  // What works without a control plane, and without knowing where one is.
  void NeedsNoServer(const CLI::App& app);
  // -o of the command that was parsed: every one has it.
  const std::string& typed_form() const { return typed_form_; }
  // The command that was parsed. Requires that one was.
  const Run& Chosen() const;
  bool ChosenNeedsServer() const;
  CLI::App& root() const { return root_; }

 private:
  struct Entry {
    CLI::App* app;
    Run run;
    bool needs_server = true;
  };
  const Entry& ChosenEntry() const;

  CLI::App& root_;
  std::vector<Entry> entries_;
  std::string typed_form_;
};

void AddAnalyze(CommandSet& commands);
void AddApply(CommandSet& commands);
void AddBackup(CommandSet& commands);
void AddBreaker(CommandSet& commands);
void AddCompletion(CommandSet& commands);
void AddConfig(CommandSet& commands);
void AddContext(CommandSet& commands);
void AddDelete(CommandSet& commands);
void AddDescribe(CommandSet& commands);
void AddDiff(CommandSet& commands);
void AddEdit(CommandSet& commands);
void AddExplain(CommandSet& commands);
void AddGet(CommandSet& commands);
void AddHelp(CommandSet& commands);
void AddHistory(CommandSet& commands);
void AddNode(CommandSet& commands);
void AddRollback(CommandSet& commands);
void AddSet(CommandSet& commands);
void AddStatus(CommandSet& commands);
// The same under another name: `node list`.
void AddStatusAs(CommandSet& commands, CLI::App& group, const std::string& name);
void AddTop(CommandSet& commands);
void AddValidate(CommandSet& commands);
void AddVersion(CommandSet& commands, const std::string& version);
void AddWait(CommandSet& commands);

// The data planes that the control plane knows, in order of their ids. Not kOk:
// said why.
ExitCode ListNodes(Session& session, v1::ListNodesResponse& response);
// What `status` shows, of these data planes; of all where none is named.
ExitCode ShowNodes(Session& session, const std::vector<std::string>& ids);
// All that a list request finds.
grpc::Status ListAll(Session& session, v1::ListRequest request, std::vector<v1::Resource>& resources);

// "retrypolicy/default" or the two words of it. Nothing: said what is wrong
// (exit 2).
std::optional<v1::ResourceRef> ParseRef(const std::vector<std::string>& words, const Session& session);
// "KIND/NAME…" or "KIND NAME…"; with `kinds_too` also "KIND…", each a reference
// without a name. Nothing: said what is wrong (exit 2).
std::optional<std::vector<v1::ResourceRef>> ParseRefs(const std::vector<std::string>& words, const Session& session,
                                                      bool kinds_too = false);
// The data planes that words like those of ParseRefs name ("node/edge-1", "node
// edge-1"); none: all of them ("nodes"). Nothing: they name something else.
std::optional<std::vector<std::string>> NodesIn(const std::vector<std::string>& words);
// "route (routes, rt), …" for help.
std::string KindsHelp();
// Refuses 0, which no revision has.
CLI::Validator IsRevision();
// The kind as the API names it; nothing: said which there are.
std::optional<std::string> ParseKind(const std::string& text, const Session& session);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_COMMANDS_H_
