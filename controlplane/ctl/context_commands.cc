// context: named servers, and how they are spoken to, in a file of the user's.
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/table.h"
#include "proto/connection/context_file.h"
#include "proto/listen/listen_address.h"
#include "proto/policy/wording.h"

namespace sluice::ctl {
namespace {

struct SetContextOptions {
  std::string name;
  std::optional<std::string> gateway;
};

// Nothing: said what is wrong.
std::optional<ContextFile> Load(const Session& session) {
  absl::StatusOr<ContextFile> file = ContextFile::Load(ContextFilePath(session.environment()));
  if (!file.ok()) {
    session.Fail(ExitCode::kUsage, std::string(file.status().message()));
    return std::nullopt;
  }
  if (const std::string warning = file->Warning(); !warning.empty()) {
    session.err() << "sluicectl: warning: " << warning << "\n";
  }
  return *std::move(file);
}

ExitCode Save(Session& session, const ContextFile& file, const std::string& what) {
  if (const absl::Status saved = file.Save(); !saved.ok()) {
    return session.Fail(ExitCode::kUnexpected, std::string(saved.message()));
  }
  session.out() << what << " (" << file.path() << ")\n";
  return ExitCode::kOk;
}

// What a token is, without it.
std::string TokenText(const std::string& token) {
  return token.empty() ? "" : absl::StrCat("set (", token.size(), " characters)");
}

std::string SecurityText(const Context& context) {
  std::vector<std::string> parts;
  if (!context.ca.empty() || context.tls) parts.push_back("TLS");
  if (!context.cert.empty()) parts.push_back("certificate");
  if (!context.token.empty()) parts.push_back("token");
  return parts.empty() ? "plain text" : absl::StrJoin(parts, ", ");
}

PolicyNode NodeOf(const Context& context, bool current) {
  PolicyNode map = PolicyNode::Map();
  map.Add("name", PolicyNode::Text(context.name));
  map.Add("current", PolicyNode::Plain(current ? "true" : "false"));
  for (const ContextField& field : ContextFields()) {
    const std::string& value = context.*field.member;
    if (value.empty()) continue;
    map.Add(field.name, PolicyNode::Text(field.member == &Context::token ? TokenText(value) : value));
  }
  if (context.tls) map.Add("tls", PolicyNode::Plain("true"));
  return map;
}

ExitCode List(Session& session) {
  const std::optional<ContextFile> file = Load(session);
  if (!file.has_value()) return ExitCode::kUsage;
  PolicyNode list = PolicyNode::List();
  Table table({"CURRENT", "NAME", "SERVER", "GATEWAY", "HOW"});
  for (const Context& context : file->contexts()) {
    const bool current = context.name == file->current();
    table.AddRow({current ? "*" : "", context.name, context.server.empty() ? "–" : context.server,
                  context.gateway.empty() ? "–" : context.gateway, SecurityText(context)});
    list.items.push_back(NodeOf(context, current));
    session.Name(context.name);
  }
  session.Show("contexts", std::move(list));
  if (file->contexts().empty()) {
    session.err() << "no contexts in " << file->path() << "; sluicectl context set NAME --server HOST:PORT makes one\n";
  } else {
    table.Print(session);
  }
  return ExitCode::kOk;
}

// Null: said that there is none.
const Context* FindOrSay(const Session& session, const ContextFile& file, const std::string& name) {
  const Context* context = file.Find(name);
  if (context == nullptr) session.Fail(ExitCode::kNotFound, std::string(file.NoContext(name).message()));
  return context;
}

ExitCode Show(Session& session, const std::string& typed) {
  const std::optional<ContextFile> file = Load(session);
  if (!file.has_value()) return ExitCode::kUsage;
  const std::string name = typed.empty() ? file->current() : typed;
  if (name.empty()) {
    return session.Fail(ExitCode::kNotFound, absl::StrCat("no context is in use (", file->path(), "); sluicectl context list"));
  }
  const Context* context = FindOrSay(session, *file, name);
  if (context == nullptr) return ExitCode::kNotFound;
  const PolicyNode node = NodeOf(*context, name == file->current());
  for (const PolicyNode& entry : node.items) {
    session.out() << entry.key << ": " << entry.text << "\n";
    session.Show(entry.key, entry);
  }
  session.Name(context->name);
  return ExitCode::kOk;
}

ExitCode Use(Session& session, const std::string& name) {
  std::optional<ContextFile> file = Load(session);
  if (!file.has_value()) return ExitCode::kUsage;
  if (FindOrSay(session, *file, name) == nullptr) return ExitCode::kNotFound;
  file->set_current(name);
  return Save(session, *file, absl::StrCat("context ", name, " is in use"));
}

ExitCode Remove(Session& session, const std::string& name) {
  std::optional<ContextFile> file = Load(session);
  if (!file.has_value()) return ExitCode::kUsage;
  if (FindOrSay(session, *file, name) == nullptr) return ExitCode::kNotFound;
  file->Remove(name);
  return Save(session, *file, absl::StrCat("context ", name, " deleted"));
}

// "" or what is wrong with HOST:PORT.
std::string AddressTrouble(const char* flag, const std::optional<std::string>& text) {
  if (!text.has_value() || text->empty()) return "";
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(*text);
  if (address.ok() && address->port > 0) return "";
  return absl::StrCat(flag, ": ", Shown(*text), " is no address; write host:port, as in cp.example.net:8444");
}

std::string FileTrouble(const char* flag, const std::optional<std::string>& path) {
  std::error_code error;
  if (!path.has_value() || path->empty() || std::filesystem::is_regular_file(*path, error)) return "";
  return absl::StrCat(flag, ": there is no file ", *path);
}

// The file may be used from any folder.
void PutFile(const std::optional<std::string>& path, std::string& to) {
  if (path.has_value()) to = path->empty() ? "" : std::filesystem::absolute(*path).lexically_normal().string();
}

void PutText(const std::optional<std::string>& text, std::string& to) {
  if (text.has_value()) to = *text;
}

ExitCode Set(Session& session, const SetContextOptions& options) {
  const ConnectionFlags& flags = session.options().connection;
  for (const std::string& trouble :
       {AddressTrouble("--server", flags.server), AddressTrouble("--gateway", options.gateway), FileTrouble("--ca", flags.ca),
        FileTrouble("--cert", flags.cert), FileTrouble("--key", flags.key)}) {
    if (!trouble.empty()) return session.Fail(ExitCode::kUsage, trouble);
  }
  if (const absl::Status named = CheckContextName(options.name); !named.ok()) {
    return session.Fail(ExitCode::kUsage, std::string(named.message()));
  }
  std::optional<ContextFile> file = Load(session);
  if (!file.has_value()) return ExitCode::kUsage;
  const Context* known = file->Find(options.name);
  const bool made = known == nullptr;
  Context context = made ? Context() : *known;
  context.name = options.name;
  PutText(flags.server, context.server);
  PutText(options.gateway, context.gateway);
  PutFile(flags.ca, context.ca);
  PutFile(flags.cert, context.cert);
  PutFile(flags.key, context.key);
  PutText(flags.token, context.token);
  if (flags.tls) context.tls = true;
  if (context.server.empty() && context.gateway.empty()) {
    return session.Fail(ExitCode::kUsage, "context set: name a server with --server, --gateway or both");
  }
  file->Put(context);
  // The first one is what is meant from then on.
  const bool first = file->contexts().size() == 1 && file->current().empty();
  if (first) file->set_current(context.name);
  return Save(session, *file, absl::StrCat("context ", context.name, made ? " made" : " changed", first ? " and in use" : ""));
}

}  // namespace

void AddContext(CommandSet& commands) {
  CLI::App& group = commands.AddGroup("context", "Named servers for sluicectl and sluice-chat: which there are, which is in use",
                                      "sluicectl context set prod --server cp.example.net:8444 --ca prod-ca.pem\n"
                                      "sluicectl context use prod\n"
                                      "sluicectl --context test status");
  CLI::App& list = commands.Add(group, "list", "List the contexts", "sluicectl context list", List);
  auto shown = std::make_shared<std::string>();
  CLI::App& show = commands.Add(group, "show", "Show one context, without its token",
                                "sluicectl context show\nsluicectl context show prod",
                                [shown](Session& session) { return Show(session, *shown); });
  show.add_option("name", *shown, "Name of the context; left out: the one in use");
  auto used = std::make_shared<std::string>();
  CLI::App& use = commands.Add(group, "use", "Take a context from now on", "sluicectl context use prod",
                               [used](Session& session) { return Use(session, *used); });
  use.add_option("name", *used, "Name of the context")->required();
  auto options = std::make_shared<SetContextOptions>();
  CLI::App& set = commands.Add(group, "set", "Make a context, or change what is named of it; an empty value unsets",
                               "sluicectl context set prod --server cp.example.net:8444 --ca prod-ca.pem --token \"$TOKEN\"\n"
                               "sluicectl context set prod --gateway llm.example.net:8443     for sluice-chat",
                               [options](Session& session) { return Set(session, *options); });
  set.add_option("name", options->name, "Name of the context")->required();
  set.add_option("--gateway", options->gateway, "A data plane, host:port, for sluice-chat");
  auto removed = std::make_shared<std::string>();
  CLI::App& remove = commands.Add(group, "delete", "Delete a context", "sluicectl context delete old",
                                  [removed](Session& session) { return Remove(session, *removed); });
  remove.add_option("name", *removed, "Name of the context")->required();
  for (const CLI::App* app : {&list, &show, &use, &set, &remove}) commands.NeedsNoServer(*app);
}

}  // namespace sluice::ctl
