#include "proto/connection/context_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/connection/whole_file.h"
#include "proto/policy/policy_node.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxContexts = 1000;
constexpr char kCurrent[] = "current-context";

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  absl::Status Read(const PolicyNode& document, std::string& current, std::vector<Context>& contexts) {
    if (document.kind != PolicyNode::Kind::kMap) return Refuse(document.line, "is no map of current-context and contexts");
    for (const PolicyNode& entry : document.items) {
      if (entry.key == kCurrent) {
        if (!entry.is_scalar()) return Refuse(entry.line, "current-context is no name");
        current = entry.text;
      } else if (entry.key == "contexts") {
        if (const absl::Status status = ReadContexts(entry, contexts); !status.ok()) return status;
      } else {
        return Unknown(entry, {kCurrent, "contexts"});
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Refuse(int line, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line, ": ", what));
  }

  absl::Status Unknown(const PolicyNode& entry, const std::vector<std::string>& known) const {
    return Refuse(entry.key_line, absl::StrCat("unknown key ", Shown(entry.key), DidYouMean(entry.key, known)));
  }

  absl::Status ReadContexts(const PolicyNode& list, std::vector<Context>& contexts) {
    if (list.kind == PolicyNode::Kind::kNull) return absl::OkStatus();
    if (list.kind != PolicyNode::Kind::kList) return Refuse(list.line, "contexts is no list");
    if (list.items.size() > kMaxContexts) return Refuse(list.line, absl::StrCat("more than ", kMaxContexts, " contexts"));
    for (const PolicyNode& item : list.items) {
      Context context;
      if (const absl::Status status = ReadContext(item, context); !status.ok()) return status;
      const bool twice = std::any_of(contexts.begin(), contexts.end(),
                                     [&](const Context& other) { return other.name == context.name; });
      if (twice) return Refuse(item.line, absl::StrCat("context ", Shown(context.name), " is there twice"));
      contexts.push_back(std::move(context));
    }
    return absl::OkStatus();
  }

  absl::Status ReadContext(const PolicyNode& map, Context& context) {
    if (map.kind != PolicyNode::Kind::kMap) return Refuse(map.line, "a context is a map with name and server");
    std::vector<std::string> known = {"name", "tls"};
    for (const ContextField& field : ContextFields()) known.push_back(field.name);
    for (const PolicyNode& entry : map.items) {
      if (!entry.is_scalar() && entry.kind != PolicyNode::Kind::kNull) {
        return Refuse(entry.line, absl::StrCat(entry.key, " is ", std::string(DescribeNode(entry)), ", not a text"));
      }
      const auto field = std::find_if(ContextFields().begin(), ContextFields().end(),
                                      [&](const ContextField& each) { return entry.key == each.name; });
      if (field != ContextFields().end()) {
        context.*field->member = entry.text;
      } else if (entry.key == "name") {
        context.name = entry.text;
      } else if (entry.key == "tls" && (entry.text == "true" || entry.text == "false")) {
        context.tls = entry.text == "true";
      } else if (entry.key == "tls") {
        return Refuse(entry.line, absl::StrCat("tls is ", Shown(entry.text), "; write true or false"));
      } else {
        return Unknown(entry, known);
      }
    }
    const absl::Status named = CheckContextName(context.name);
    return named.ok() ? named : Refuse(map.line, std::string(named.message()));
  }

  const std::string& path_;
};

std::string FileText(const std::string& current, const std::vector<Context>& contexts) {
  std::string text = "# Where sluicectl and sluice-chat find their servers: sluicectl context --help\n";
  if (!current.empty()) absl::StrAppend(&text, kCurrent, ": ", EscapedQuoted(current), "\n");
  absl::StrAppend(&text, "contexts:", contexts.empty() ? " []\n" : "\n");
  for (const Context& context : contexts) {
    absl::StrAppend(&text, "- name: ", EscapedQuoted(context.name), "\n");
    for (const ContextField& field : ContextFields()) {
      const std::string& value = context.*field.member;
      if (!value.empty()) absl::StrAppend(&text, "  ", field.name, ": ", EscapedQuoted(value), "\n");
    }
    if (context.tls) text += "  tls: true\n";
  }
  return text;
}

}  // namespace

const std::vector<ContextField>& ContextFields() {
  static const auto& fields = *new std::vector<ContextField>{
      {"server", &Context::server}, {"gateway", &Context::gateway}, {"ca", &Context::ca},
      {"cert", &Context::cert},     {"key", &Context::key},         {"token", &Context::token}};
  return fields;
}

std::string ContextFilePath(const Environment& environment) {
  const auto value = [&](const char* name) {
    const char* text = environment(name);
    return text == nullptr ? std::string() : std::string(text);
  };
  if (const std::string file = value("SLUICE_CONFIG"); !file.empty()) return file;
  if (const std::string folder = value("XDG_CONFIG_HOME"); !folder.empty()) return folder + "/sluice/config.yaml";
  const std::string home = value("HOME");
  return home.empty() ? "" : home + "/.config/sluice/config.yaml";
}

absl::StatusOr<ContextFile> ContextFile::Load(const std::string& path) {
  ContextFile file;
  file.path_ = path;
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error)) return file;
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (stream.bad() || !stream.is_open() || std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  if (text.size() > kMaxFileBytes) return absl::InvalidArgumentError(absl::StrCat(path, " is larger than 1 MiB"));
  const ParsedNodes parsed = ParseNodes(text);
  if (!parsed.error.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", parsed.error_line, ": ", parsed.error));
  }
  if (parsed.documents.size() > 1) return absl::InvalidArgumentError(absl::StrCat(path, " holds more than one document"));
  if (parsed.documents.empty()) return file;
  const absl::Status status = Reader(path).Read(parsed.documents[0], file.current_, file.contexts_);
  if (!status.ok()) return status;
  return file;
}

const Context* ContextFile::Find(const std::string& name) const {
  const auto found = std::find_if(contexts_.begin(), contexts_.end(),
                                  [&](const Context& context) { return context.name == name; });
  return found == contexts_.end() ? nullptr : &*found;
}

void ContextFile::Put(const Context& context) {
  const auto found = std::find_if(contexts_.begin(), contexts_.end(),
                                  [&](const Context& other) { return other.name == context.name; });
  if (found == contexts_.end()) {
    contexts_.push_back(context);
  } else {
    *found = context;
  }
}

void ContextFile::Remove(const std::string& name) {
  contexts_.erase(std::remove_if(contexts_.begin(), contexts_.end(),
                                 [&](const Context& context) { return context.name == name; }),
                  contexts_.end());
  if (current_ == name) current_.clear();
}

absl::Status ContextFile::Save() const {
  if (path_.empty()) return absl::FailedPreconditionError("there is no $HOME to keep contexts in; set SLUICE_CONFIG=FILE");
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  std::error_code error;
  if (!folder.empty() && !std::filesystem::exists(folder)) {
    std::filesystem::create_directories(folder, error);
    if (error) return absl::UnavailableError(absl::StrCat("cannot make ", folder.string(), ": ", error.message()));
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  WholeFile file;
  absl::Status status = file.Open(path_);
  if (status.ok()) status = file.Write(FileText(current_, contexts_));
  if (status.ok()) status = file.Commit();
  return status;
}

std::string ContextFile::Resolved(const std::string& file) const {
  if (file.empty() || file[0] == '/') return file;
  return (std::filesystem::path(path_).parent_path() / file).string();
}

std::string ContextFile::Warning() const {
  const bool secret = std::any_of(contexts_.begin(), contexts_.end(),
                                  [](const Context& context) { return !context.token.empty(); });
  struct stat there {};
  if (!secret || stat(path_.c_str(), &there) != 0 || (there.st_mode & 077) == 0) return "";
  return absl::StrCat(path_, " holds a token and others may read it: chmod 600 ", path_);
}

absl::Status ContextFile::NoContext(const std::string& name) const {
  std::vector<std::string> names;
  for (const Context& context : contexts_) names.push_back(context.name);
  const std::string where = path_.empty() ? "there is no file of contexts" : path_;
  if (names.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no context ", Shown(name), ": ", where,
                                            " holds none; sluicectl context set ", Shown(name), " --server HOST:PORT makes one"));
  }
  return absl::NotFoundError(absl::StrCat("there is no context ", Shown(name), " in ", where, DidYouMean(name, names)));
}

absl::Status CheckContextName(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 63 && name[0] != '-' && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' || c == '@';
  });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Shown(name), " is no name of a context; use 1 to 63 letters, digits, '.', '_', '-' and '@'"));
}

}  // namespace sluice
