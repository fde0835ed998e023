// completion: scripts for shells, which ask the hidden __complete.
#include <memory>
#include <string_view>

#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/completion.h"

namespace sluice::ctl {
namespace {

// Bash splits words at = and : too; what stands before the last of these is not
// to be offered again.
constexpr char kBash[] = R"sh(_sluicectl() {
  local line=${COMP_LINE:0:COMP_POINT} word candidate prefix
  word=${line##*[[:space:]]}
  prefix=
  [[ $word == *[=:]* ]] && prefix=${word%"${word##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    if [[ $candidate == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "${word#"$prefix"}")
      return
    fi
    COMPREPLY+=("${candidate#"$prefix"}")
  done < <(sluicectl __complete "$line" 2>/dev/null)
}
complete -F _sluicectl sluicectl
)sh";

constexpr char kZsh[] = R"sh(#compdef sluicectl
_sluicectl() {
  local -a candidates
  candidates=("${(@f)$(sluicectl __complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
  if [[ ${candidates[1]} == :files ]]; then
    _files
  elif [[ -n ${candidates[1]} ]]; then
    compadd -- $candidates
  fi
}
if [[ $funcstack[1] == _sluicectl ]]; then
  _sluicectl
else
  compdef _sluicectl sluicectl
fi
)sh";

constexpr char kFish[] = R"sh(function __sluicectl_complete
  set -l candidates (sluicectl __complete (commandline -cp) 2>/dev/null)
  if test "$candidates[1]" = :files
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $candidates
  end
end
complete -c sluicectl -f -a '(__sluicectl_complete)'
)sh";

const char* ScriptFor(std::string_view shell) {
  if (shell == "zsh") return kZsh;
  return shell == "fish" ? kFish : kBash;
}

}  // namespace

void AddCompletion(CommandSet& commands) {
  auto shell = std::make_shared<std::string>();
  CLI::App* root = &commands.root();
  CLI::App& app = commands.Add("completion", "Print a completion script for a shell",
                               "source <(sluicectl completion bash)\n"
                               "sluicectl completion bash > /etc/bash_completion.d/sluicectl\n"
                               "sluicectl completion zsh > ~/.zfunc/_sluicectl            with ~/.zfunc in $fpath\n"
                               "sluicectl completion fish > ~/.config/fish/completions/sluicectl.fish",
                               [shell](Session& session) {
                                 session.output().raw() << ScriptFor(*shell);
                                 return ExitCode::kOk;
                               });
  commands.NeedsNoServer(app);
  app.add_option("shell", *shell, "The shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  auto line = std::make_shared<std::string>();
  CLI::App& complete = commands.Add("__complete", "What can follow a command line", "", [root, line](Session& session) {
    for (const std::string& word : Complete(*root, *line, session.environment())) session.out() << word << "\n";
    return ExitCode::kOk;
  });
  commands.NeedsNoServer(complete);
  complete.group("");
  complete.add_option("line", *line, "Up to the cursor");
}

}  // namespace sluice::ctl
