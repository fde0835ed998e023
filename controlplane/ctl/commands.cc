#include "controlplane/ctl/commands.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {

namespace {

std::string Footer(const std::string& examples) {
  std::string indented;
  for (size_t from = 0; from < examples.size();) {
    const size_t end = std::min(examples.find('\n', from), examples.size());
    absl::StrAppend(&indented, "\n  ", examples.substr(from, end - from));
    from = end + 1;
  }
  return absl::StrCat("Examples:", indented);
}

}  // namespace

CLI::App& CommandSet::Add(CLI::App& group, const std::string& name, const std::string& description,
                          const std::string& examples, Run run) {
  CLI::App* app = group.add_subcommand(name, description);
  // Global options may stand after the command too.
  app->fallthrough();
  app->footer(Footer(examples));
  entries_.push_back({app, std::move(run)});
  return *app;
}

CLI::App& CommandSet::AddGroup(const std::string& name, const std::string& description, const std::string& examples) {
  CLI::App* app = root_.add_subcommand(name, description);
  app->fallthrough();
  app->footer(Footer(examples));
  app->require_subcommand(1);
  return *app;
}

void CommandSet::NeedsNoServer(const CLI::App& app) {
  for (Entry& entry : entries_) {
    if (entry.app == &app) entry.needs_server = false;
  }
}

const CommandSet::Entry& CommandSet::ChosenEntry() const {
  return *std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.app->parsed(); });
}

const CommandSet::Run& CommandSet::Chosen() const { return ChosenEntry().run; }

bool CommandSet::ChosenNeedsServer() const { return ChosenEntry().needs_server; }

CLI::Validator IsRevision() {
  return CLI::Validator(
      [](std::string& text) {
        uint64_t revision = 0;
        if (absl::SimpleAtoi(text, &revision) && revision > 0) return std::string();
        return absl::StrCat("\"", text, "\" is no revision; sluicectl history lists them");
      },
      "REVISION");
}

std::optional<std::string> ParseKind(const std::string& text, const Session& session) {
  const auto* kind = FindKind(text);
  if (kind != nullptr) return std::string(kind->message_type()->name());
  std::vector<std::string> names;
  for (const auto* known : Kinds()) names.push_back(absl::AsciiStrToLower(known->message_type()->name()));
  session.Fail(ExitCode::kUsage, absl::StrCat("\"", text, "\" is no kind; there are ", absl::StrJoin(names, ", ")));
  return std::nullopt;
}

std::optional<v1::ResourceRef> ParseRef(const std::vector<std::string>& words, const Session& session) {
  std::string kind;
  std::string name;
  if (words.size() == 2) {
    kind = words[0];
    name = words[1];
  } else if (words.size() == 1) {
    const size_t slash = words[0].find('/');
    kind = words[0].substr(0, slash);
    if (slash != std::string::npos) name = words[0].substr(slash + 1);
  }
  if (kind.empty() || name.empty()) {
    session.Fail(ExitCode::kUsage, absl::StrCat("\"", absl::StrJoin(words, " "),
                                                "\" names no resource; write KIND/NAME, as in route/chat"));
    return std::nullopt;
  }
  const std::optional<std::string> known = ParseKind(kind, session);
  if (!known.has_value()) return std::nullopt;
  v1::ResourceRef ref;
  ref.set_kind(*known);
  ref.set_name(name);
  return ref;
}

}  // namespace sluice::ctl
