// explain and completion: what needs no control plane.
#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/explain.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

constexpr char kBashTemplate[] = R"sh(_sluicectl() {
  local word=${COMP_WORDS[COMP_CWORD]} command= options= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case " @COMMANDS@ " in *" ${COMP_WORDS[i]} "*) command=${COMP_WORDS[i]}; break ;; esac
  done
  case $command in
@CASES@  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options @GLOBALS@" -- "$word"))
  elif [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$word"))
  elif [[ ${COMP_WORDS[COMP_CWORD-1]} == -f || ${COMP_WORDS[COMP_CWORD-1]} == --file ]]; then
    COMPREPLY=($(compgen -f -- "$word"))
  else
    case $command in
      get|set|delete|history) COMPREPLY=($(compgen -W "$(sluicectl --timeout 1s list -o name 2>/dev/null)" -- "$word")) ;;
      breaker) COMPREPLY=($(compgen -W "list explain trip reset $(sluicectl --timeout 1s breaker list -o name 2>/dev/null)" -- "$word")) ;;
      top) COMPREPLY=($(compgen -W "$(sluicectl --timeout 1s breaker list -o name 2>/dev/null)" -- "$word")) ;;
      list|explain) COMPREPLY=($(compgen -W "@KINDS@" -- "$word")) ;;
    esac
  fi
}
complete -F _sluicectl sluicectl
)sh";

ExitCode ExplainPath(Session& session, const std::string& path) {
  const absl::StatusOr<std::string> text = Explain(path);
  if (!text.ok()) return session.Fail(ExitCode::kNotFound, std::string(text.status().message()));
  session.out() << *text;
  return ExitCode::kOk;
}

std::string OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  const auto add = [&names](const CLI::App& of) {
    for (const CLI::Option* option : of.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        const std::string word = absl::StrCat("--", name);
        if (std::find(names.begin(), names.end(), word) == names.end()) names.push_back(word);
      }
    }
  };
  add(app);
  if (app.get_parent() != nullptr) {
    for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) add(*below);
  }
  return absl::StrJoin(names, " ");
}

// Words come from the command line's own description, so that none is
// forgotten; names of resources from the control plane, when there is one.
std::string BashScript(const CLI::App& root) {
  std::vector<std::string> names;
  std::string cases;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
    absl::StrAppend(&cases, "    ", command->get_name(), ") options=\"", OptionsOf(*command), "\" ;;\n");
  }
  std::vector<std::string> kinds;
  for (const auto* kind : Kinds()) kinds.push_back(absl::AsciiStrToLower(kind->message_type()->name()));
  return absl::StrReplaceAll(kBashTemplate, {{"@COMMANDS@", absl::StrJoin(names, " ")},
                                             {"@CASES@", cases},
                                             {"@GLOBALS@", OptionsOf(root)},
                                             {"@KINDS@", absl::StrJoin(kinds, " ")}});
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

void AddCompletion(CommandSet& commands) {
  auto shell = std::make_shared<std::string>();
  CLI::App* root = &commands.root();
  CLI::App& app = commands.Add("completion", "Print a completion script for a shell",
                               "source <(sluicectl completion bash)\n"
                               "sluicectl completion bash > /etc/bash_completion.d/sluicectl",
                               [root](Session& session) {
                                 session.out() << BashScript(*root);
                                 return ExitCode::kOk;
                               });
  commands.NeedsNoServer(app);
  app.add_option("shell", *shell, "The shell")->required()->check(CLI::IsMember({"bash"}));
  // `shell` is only checked; it must outlive the parse.
  app.callback([shell] {});
}

}  // namespace sluice::ctl
