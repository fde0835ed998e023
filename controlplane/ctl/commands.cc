#include "controlplane/ctl/commands.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/policy/kinds.h"
#include "proto/policy/wording.h"

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
  AddOutputOption(*app, typed_form_);
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
  std::vector<std::string> names, known;
  for (const auto* each : Kinds()) {
    names.push_back(NamesOf(*each).single);
    known.insert(known.end(), {names.back(), NamesOf(*each).plural});
  }
  const std::string nearest = Nearest(text, known);
  session.Fail(ExitCode::kUsage, absl::StrCat(Shown(text), " is no kind; ",
                                              nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "? "),
                                              "there are ", absl::StrJoin(names, ", ")));
  return std::nullopt;
}

std::string KindsHelp() {
  std::vector<std::string> lines;
  for (const auto* kind : Kinds()) {
    const KindNames names = NamesOf(*kind);
    lines.push_back(absl::StrCat(names.single, " (", names.plural, names.shorts.empty() ? "" : ", ",
                                 absl::StrJoin(names.shorts, ", "), ")"));
  }
  return absl::StrJoin(lines, ", ");
}

namespace {

// "route/chat", or a kind alone. Nothing: said what is wrong.
std::optional<v1::ResourceRef> OneRef(const std::string& word, bool kinds_too, const Session& session) {
  const size_t slash = word.find('/');
  const std::string name = slash == std::string::npos ? "" : word.substr(slash + 1);
  const bool kind_alone = slash == std::string::npos && kinds_too;
  if (slash == 0 || word.empty() || (name.empty() && !kind_alone)) {
    session.Fail(ExitCode::kUsage,
                 absl::StrCat(Shown(word), " names no resource; write KIND/NAME, as in route/chat, or KIND NAME"));
    return std::nullopt;
  }
  const std::optional<std::string> kind = ParseKind(word.substr(0, slash), session);
  if (!kind.has_value()) return std::nullopt;
  v1::ResourceRef ref;
  ref.set_kind(*kind);
  ref.set_name(name);
  return ref;
}

bool IsKindAlone(const std::string& word) { return word.find('/') == std::string::npos; }

}  // namespace

std::optional<std::vector<v1::ResourceRef>> ParseRefs(const std::vector<std::string>& words, const Session& session,
                                                      bool kinds_too) {
  std::vector<v1::ResourceRef> refs;
  // KIND NAME…: the first word says of what kind the others are. Words that are
  // all kinds are kinds, though a resource may be called so: KIND/NAME names it.
  const bool kind_first = words.size() > 1 && IsKindAlone(words[0]) && IsKindAlone(words[1]) &&
                          !(kinds_too && std::all_of(words.begin(), words.end(),
                                                     [](const std::string& word) { return FindKind(word) != nullptr; }));
  for (size_t i = kind_first ? 1 : 0; i < words.size(); ++i) {
    if (kind_first && !IsKindAlone(words[i])) {
      session.Fail(ExitCode::kUsage, absl::StrCat(Shown(words[i]), " names its kind, as ", Shown(words[0]),
                                                  " does; write KIND/NAME… or KIND NAME…"));
      return std::nullopt;
    }
    const std::string word = kind_first ? absl::StrCat(words[0], "/", words[i]) : words[i];
    const std::optional<v1::ResourceRef> ref = OneRef(word, kinds_too && !kind_first, session);
    if (!ref.has_value()) return std::nullopt;
    refs.push_back(*ref);
  }
  return refs;
}

std::optional<std::vector<std::string>> NodesIn(const std::vector<std::string>& words) {
  const auto is_kind = [](const std::string& word) { return word == "node" || word == "nodes" || word == "no"; };
  if (words.empty()) return std::nullopt;
  if (is_kind(words[0])) return std::vector<std::string>(words.begin() + 1, words.end());
  std::vector<std::string> ids;
  for (const std::string& word : words) {
    const size_t slash = word.find('/');
    if (slash == std::string::npos || !is_kind(word.substr(0, slash))) return std::nullopt;
    ids.push_back(word.substr(slash + 1));
  }
  return ids;
}

std::optional<v1::ResourceRef> ParseRef(const std::vector<std::string>& words, const Session& session) {
  const std::optional<std::vector<v1::ResourceRef>> refs = ParseRefs(words, session);
  if (!refs.has_value()) return std::nullopt;
  if (refs->size() == 1) return refs->front();
  session.Fail(ExitCode::kUsage, absl::StrCat(Shown(absl::StrJoin(words, " ")),
                                              " must name one resource; write KIND/NAME, as in route/chat"));
  return std::nullopt;
}

}  // namespace sluice::ctl
