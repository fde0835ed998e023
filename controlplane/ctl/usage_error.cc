#include "controlplane/ctl/usage_error.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/policy/wording.h"

namespace sluice::ctl {
namespace {

// The command that was given, down to the last word of it; null: none.
const CLI::App* DeepestCommand(const CLI::App& root) {
  const CLI::App* command = nullptr;
  for (std::vector<CLI::App*> chosen = root.get_subcommands(); !chosen.empty(); chosen = command->get_subcommands()) {
    command = chosen.front();
  }
  return command;
}

std::vector<std::string> CommandNames(const CLI::App& root) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    // What only scripts call is not told of.
    if (!absl::StartsWith(command->get_name(), "__")) names.push_back(command->get_name());
  }
  return names;
}

void AddOptionNames(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(absl::StrCat("--", name));
    for (const std::string& name : option->get_snames()) names.push_back(absl::StrCat("-", name));
  }
}

std::string Meant(const std::string& word, const std::vector<std::string>& known) {
  const std::string nearest = Nearest(word, known);
  return nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?");
}

std::string UnknownOption(const CLI::App& root, const CLI::App* command, const std::string& word) {
  std::vector<std::string> known;
  AddOptionNames(root, known);
  if (command != nullptr) AddOptionNames(*command, known);
  const std::string name = word.substr(0, word.find('='));
  return absl::StrCat("unknown option ", name, Meant(name, known));
}

// `group` is the root, or a command of several.
std::string UnknownCommand(const CLI::App& group, const std::string& of, const std::string& word) {
  const std::vector<std::string> names = CommandNames(group);
  const std::string meant = Meant(word, names);
  return absl::StrCat(Shown(word), " is no command", of,
                      meant.empty() ? absl::StrCat("; there are ", absl::StrJoin(names, ", ")) : meant);
}

std::string NoCommand(const CLI::App& group) {
  return absl::StrCat("no command was given; there are ", absl::StrJoin(CommandNames(group), ", "));
}

bool IsOption(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

}  // namespace

std::string UsageErrorText(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* command = DeepestCommand(root);
  const std::vector<std::string> left = root.remaining(true);
  const auto option = std::find_if(left.begin(), left.end(), IsOption);
  if (command == nullptr) {
    const auto word = std::find_if_not(left.begin(), left.end(), IsOption);
    if (option != left.end() && (word == left.end() || option < word)) return UnknownOption(root, nullptr, *option);
    if (word != left.end()) return UnknownCommand(root, "", *word);
    if (error.get_name() != "RequiredError") return error.what();
    return NoCommand(root);
  }
  if (option != left.end()) return UnknownOption(root, command, *option);
  if (!CommandNames(*command).empty()) {
    return left.empty() ? absl::StrCat(command->get_name(), ": ", NoCommand(*command))
                        : UnknownCommand(*command, absl::StrCat(" of ", command->get_name()), left.front());
  }
  if (!left.empty()) return absl::StrCat(command->get_name(), ": ", Shown(left.front()), " is one word too many");
  return absl::StrCat(command->get_name(), ": ", error.what());
}

}  // namespace sluice::ctl
