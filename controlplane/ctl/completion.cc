#include "controlplane/ctl/completion.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/output.h"
#include "proto/connection/context_file.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

// A person waits with a finger on Tab.
constexpr char kPatience[] = "1s";
constexpr size_t kMostNames = 1000;

using Words = std::vector<std::string>;

// As a shell splits it, nearly: quotes keep blanks, and are left out. The last
// word is the one at the cursor, perhaps empty.
Words SplitLine(const std::string& line) {
  Words words(1);
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0 ? c == quote : c == '\'' || c == '"') {
      quote = quote == 0 ? c : 0;
    } else if (quote == 0 && c == '\\' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else if (quote == 0 && (c == ' ' || c == '\t')) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  std::vector<const CLI::App*> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!absl::StartsWith(command->get_name(), "__")) commands.push_back(command);
  }
  return commands;
}

const CLI::Option* FindOption(const CLI::App* app, const std::string& word) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->check_name(word)) return option;
    }
  }
  return nullptr;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// The words of IsMember, which describes itself as "{a,b}".
Words ChoicesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return absl::StrSplit(type.substr(open + 1, close - open - 1), ',');
}

// Names that only the control plane knows, asked for with the options that the
// line has.
class Names {
 public:
  Names(const GlobalOptions& options, const Environment& environment) : environment_(environment) {
    CtlIo io{nothing_, nothing_};
    io.environment = environment;
    GlobalOptions quick = options;
    quick.connection.timeout = kPatience;
    output_.emplace(nothing_, nothing_, "");
    session_ = std::make_unique<Session>(std::move(io), *output_, quick);
    open_ = session_->Open() == ExitCode::kOk;
  }

  // "route/chat"; of one kind "chat".
  Words Resources(const std::string& kind) {
    v1::ListRequest request;
    request.set_kind(kind);
    request.set_page_size(kMostNames);
    v1::ListResponse response;
    Words names;
    if (!open_ || !session_->Call(&v1::Admin::Stub::List, request, &response).ok()) return names;
    for (const v1::Resource& resource : response.resources()) {
      names.push_back(kind.empty() ? ResourceId(resource) : resource.meta().name());
    }
    return names;
  }

  Words Nodes() {
    v1::ListNodesResponse response;
    Words names;
    if (!open_ || !session_->Call(&v1::Admin::Stub::ListNodes, v1::ListNodesRequest(), &response).ok()) return names;
    for (const v1::NodeStatus& node : response.nodes()) names.push_back(node.node_id());
    return names;
  }

  // "openai" and "openai/primary", as the breakers of the data planes are called.
  Words Breakers() {
    v1::CommandRequest request;
    request.mutable_query()->mutable_breakers();
    v1::CommandResponse response;
    std::set<std::string> names;
    if (!open_ || !session_->Call(&v1::Admin::Stub::Command, request, &response).ok()) return {};
    for (const v1::NodeAnswer& answer : response.answers()) {
      for (const v1::BreakerStatus& breaker : answer.answer().breakers().breakers()) {
        names.insert(breaker.upstream());
        if (!breaker.endpoint().empty()) names.insert(absl::StrCat(breaker.upstream(), "/", breaker.endpoint()));
      }
    }
    return {names.begin(), names.end()};
  }

  Words Revisions() {
    v1::HistoryRequest request;
    request.set_limit(20);
    v1::HistoryResponse response;
    Words names;
    if (!open_ || !session_->Call(&v1::Admin::Stub::History, request, &response).ok()) return names;
    for (const v1::Revision& revision : response.revisions()) names.push_back(absl::StrCat(revision.revision()));
    return names;
  }

  Words Contexts() const {
    const absl::StatusOr<ContextFile> file = ContextFile::Load(ContextFilePath(environment_));
    Words names;
    if (!file.ok()) return names;
    for (const Context& context : file->contexts()) names.push_back(context.name);
    return names;
  }

 private:
  const Environment& environment_;
  // Nobody is told of errors.
  std::ostringstream nothing_;
  std::optional<Output> output_;
  std::unique_ptr<Session> session_;
  bool open_ = false;
};

Words KindNames() {
  Words names;
  for (const auto* kind : Kinds()) names.push_back(absl::AsciiStrToLower(kind->message_type()->name()));
  return names;
}

class Completer {
 public:
  Completer(const CLI::App& root, const Environment& environment) : environment_(environment), app_(&root) {}

  Words Run(const std::string& line) {
    Words words = SplitLine(line);
    const std::string current = words.back();
    words.pop_back();
    for (size_t i = 1; i < words.size(); ++i) Read(words[i]);
    Words offered = Offer(current);
    std::sort(offered.begin(), offered.end());
    offered.erase(std::unique(offered.begin(), offered.end()), offered.end());
    return offered;
  }

 private:
  void Read(const std::string& word) {
    if (pending_ != nullptr) return TakeValue(*std::exchange(pending_, nullptr), word);
    if (word.size() > 1 && word[0] == '-') {
      const size_t equals = word.find('=');
      const CLI::Option* option = FindOption(app_, word.substr(0, equals));
      if (option == nullptr || !TakesValue(*option)) return;
      if (equals == std::string::npos) {
        pending_ = option;
      } else {
        TakeValue(*option, word.substr(equals + 1));
      }
      return;
    }
    for (const CLI::App* command : CommandsOf(*app_)) {
      if (!command->check_name(word)) continue;
      app_ = command;
      path_ = absl::StrCat(path_, path_.empty() ? "" : " ", command->get_name());
      return;
    }
    positionals_.push_back(word);
  }

  // Where the control plane is, as this line says.
  void TakeValue(const CLI::Option& option, const std::string& value) {
    ConnectionFlags& flags = options_.connection;
    const std::pair<const char*, std::optional<std::string>*> known[] = {
        {"--server", &flags.server}, {"--ca", &flags.ca},       {"--cert", &flags.cert},
        {"--key", &flags.key},       {"--token", &flags.token}, {"--context", &flags.context}};
    for (const auto& [name, to] : known) {
      if (option.check_name(name)) *to = value;
    }
  }

  Words Offer(const std::string& current) {
    if (pending_ != nullptr) return WithPrefix(ValuesOf(*pending_), current);
    const size_t equals = current.find('=');
    if (absl::StartsWith(current, "--") && equals != std::string::npos) {
      const std::string name = current.substr(0, equals);
      const CLI::Option* option = FindOption(app_, name);
      if (option == nullptr) return {};
      Words values = ValuesOf(*option);
      if (values == Words{kCompleteFiles}) return values;
      for (std::string& value : values) value = absl::StrCat(name, "=", value);
      return WithPrefix(std::move(values), current);
    }
    if (absl::StartsWith(current, "-")) return WithPrefix(Options(), current);
    Words commands;
    for (const CLI::App* command : CommandsOf(*app_)) commands.push_back(command->get_name());
    return WithPrefix(commands.empty() ? Positionals(current) : commands, current);
  }

  static Words WithPrefix(Words words, const std::string& prefix) {
    if (words == Words{kCompleteFiles}) return words;
    words.erase(std::remove_if(words.begin(), words.end(),
                               [&](const std::string& word) { return !absl::StartsWith(word, prefix); }),
                words.end());
    return words;
  }

  Words Options() const {
    Words names;
    for (const CLI::App* app = app_; app != nullptr; app = app->get_parent()) {
      for (const CLI::Option* option : app->get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back(absl::StrCat("--", name));
      }
    }
    return names;
  }

  Words ValuesOf(const CLI::Option& option) {
    if (Words choices = ChoicesOf(option); !choices.empty()) return choices;
    for (const char* file : {"--file", "--ca", "--cert", "--key"}) {
      if (option.check_name(file)) return {kCompleteFiles};
    }
    if (option.check_name("--output")) return {"table", "wide", "json", "yaml", "name"};
    if (option.check_name("--context")) return names().Contexts();
    if (option.check_name("--node")) return names().Nodes();
    if (option.check_name("--prune-kind")) return KindNames();
    for (const char* revision : {"--to", "--from", "--revision", "--before"}) {
      if (option.check_name(revision)) return names().Revisions();
    }
    return {};
  }

  Words Positionals(const std::string& current) {
    if (path_ == "completion") return {"bash", "fish", "zsh"};
    if (path_ == "backup") return {kCompleteFiles};
    if (path_ == "explain") return KindNames();
    if (absl::StartsWith(path_, "context ")) return names().Contexts();
    if (path_ == "node forget") return names().Nodes();
    if (absl::StartsWith(path_, "breaker ") || path_ == "top") return names().Breakers();
    if (path_ == "set" && !positionals_.empty()) return {};
    return ResourceWords(current);
  }

  // "KIND/NAME", or "KIND" and then its names.
  Words ResourceWords(const std::string& current) {
    static const Words kOfResources = {"get", "list", "describe", "edit", "set", "delete", "history", "wait"};
    if (std::find(kOfResources.begin(), kOfResources.end(), path_) == kOfResources.end()) return {};
    const auto* kind = positionals_.empty() ? nullptr : FindKind(positionals_[0]);
    if (kind != nullptr) return names().Resources(kind->message_type()->name());
    Words words = names().Resources("");
    const size_t slash = current.find('/');
    if (slash == std::string::npos) {
      for (const std::string& name : KindNames()) words.push_back(name);
      return words;
    }
    // "routes/ch" goes on as it was begun.
    const auto* begun = FindKind(current.substr(0, slash));
    if (begun == nullptr) return {};
    for (const std::string& name : names().Resources(begun->message_type()->name())) {
      words.push_back(absl::StrCat(current.substr(0, slash), "/", name));
    }
    return words;
  }

  Names& names() {
    if (names_ == nullptr) names_ = std::make_unique<Names>(options_, environment_);
    return *names_;
  }

  const Environment& environment_;
  const CLI::App* app_;
  // "node forget".
  std::string path_;
  Words positionals_;
  // The option whose value comes next.
  const CLI::Option* pending_ = nullptr;
  GlobalOptions options_;
  std::unique_ptr<Names> names_;
};

}  // namespace

std::vector<std::string> Complete(const CLI::App& root, const std::string& line, const Environment& environment) {
  return Completer(root, environment).Run(line);
}

}  // namespace sluice::ctl
