#include "controlplane/ctl/ctl.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/help_text.h"
#include "controlplane/ctl/usage_error.h"

namespace sluice::ctl {
namespace {

constexpr char kExamples[] = R"(Examples:
  sluicectl apply -f policy.yaml                        put policies in place
  sluicectl get                                         what is in force
  sluicectl status                                      what each data plane runs
  sluicectl top; sluicectl breaker explain openai       how the upstreams do, and why
  sluicectl set retrypolicy/default max_attempts=4      change one field, live
  sluicectl diff -f policy.yaml                         what apply would change
  sluicectl history; sluicectl rollback --to 7          go back
  sluicectl explain retrypolicy                         what can be written
  sluicectl get upstreams -o json | jq                  -o table, wide, json, yaml or name, with every command
  sluicectl help COMMAND                                more examples

)";

// Services and containers often run without $USER.
std::string UserName() {
  if (const char* user = std::getenv("USER"); user != nullptr && *user != '\0') return user;
  const passwd* entry = getpwuid(geteuid());
  return entry == nullptr ? "" : entry->pw_name;
}

void AddGlobals(CLI::App& root, GlobalOptions& globals) {
  globals.author = UserName();
  // The last one counts, so that an alias can be overruled.
  root.option_defaults()->take_last();
  ConnectionFlags& connection = globals.connection;
  root.add_option("--server", connection.server,
                  "Control plane, host:port; else SLUICE_SERVER, the context's, 127.0.0.1:8444");
  root.add_option("--context", connection.context, "Server and files of this context (sluicectl context); else SLUICE_CONTEXT");
  root.add_option("--timeout", connection.timeout,
                  "For every request, and for the data planes' answer; else SLUICE_TIMEOUT, 10s");
  root.add_option("--ca", connection.ca, "Speak TLS, trusting the authorities of this PEM file; else SLUICE_CA");
  root.add_flag("--tls", connection.tls, "Speak TLS, trusting the system's authorities; else SLUICE_TLS");
  root.add_option("--cert", connection.cert,
                  "Show this certificate (PEM chain) to the control plane; with --key; else SLUICE_CERT");
  root.add_option("--key", connection.key, "PEM key of --cert; else SLUICE_KEY");
  root.add_option("--token", connection.token,
                  "Sent as a bearer token, over TLS or to this machine only; better SLUICE_TOKEN, which ps does not show");
  root.add_option("--reason", globals.reason, "Why, for the history (with breaker trip: beside the breaker)");
  root.add_option("--author", globals.author, "Who, for the history; left out: $USER");
  root.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  root.add_flag("--no-wait", globals.no_wait, "After a change, do not wait for the data planes");
}

void AddCommands(CommandSet& commands) {
  AddApply(commands);
  AddGet(commands);
  AddDescribe(commands);
  AddDiff(commands);
  AddSet(commands);
  AddDelete(commands);
  AddHistory(commands);
  AddRollback(commands);
  AddStatus(commands);
  AddWait(commands);
  AddTop(commands);
  AddBreaker(commands);
  AddConfig(commands);
  AddNode(commands);
  AddBackup(commands);
  AddAnalyze(commands);
  AddExplain(commands);
  AddValidate(commands);
  AddContext(commands);
  AddCompletion(commands);
  AddVersion(commands, SLUICE_VERSION);
  AddHelp(commands);
}

}  // namespace

ExitCode RunCtl(const std::vector<std::string>& args, CtlIo io) {
  CLI::App root("Reads and changes the policies of a Sluice control plane, and looks after its data planes.", "sluicectl");
  GlobalOptions globals;
  AddGlobals(root, globals);
  root.set_version_flag("--version", absl::StrCat("sluicectl ", SLUICE_VERSION));
  root.footer(absl::StrCat(kExamples, kExitCodeHelp));
  root.require_subcommand(1);
  CommandSet commands(root);
  AddCommands(commands);
  try {
    // CLI11 takes its arguments from the back.
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    root.parse(reversed);
  } catch (const CLI::ParseError& error) {
    Output output(io.out, io.err, TypedForm(args));
    // Help and version.
    if (error.get_exit_code() == 0) {
      std::ostringstream text;
      root.exit(error, text, text);
      output.raw() << Wrapped(text.str(), io.width);
      return output.Finish(ExitCode::kOk);
    }
    output.Error(absl::StrCat(UsageErrorText(root, error), " (--help tells more)"));
    return output.Finish(ExitCode::kUsage);
  }
  Output output(io.out, io.err, commands.typed_form());
  Session session(std::move(io), output, globals);
  if (commands.ChosenNeedsServer()) {
    if (const ExitCode code = session.Open(); code != ExitCode::kOk) return output.Finish(code);
  }
  return output.Finish(commands.Chosen()(session));
}

}  // namespace sluice::ctl
