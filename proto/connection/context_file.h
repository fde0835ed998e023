// The file of named contexts: where servers are and how they are spoken to.
// Written by `sluicectl context`, read by sluicectl and sluice-chat. One thread.
//
//   current-context: prod
//   contexts:
//   - name: prod
//     server: cp.example.net:8444
//     gateway: llm.example.net:8443
//     ca: prod-ca.pem
#ifndef SLUICE_PROTO_CONNECTION_CONTEXT_FILE_H_
#define SLUICE_PROTO_CONNECTION_CONTEXT_FILE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice {

// Null: not set. Names of the environment's variables are in
// connection_settings.h.
using Environment = std::function<const char*(const char* name)>;

// Empty: not said.
struct Context {
  std::string name;
  // The control plane, host:port.
  std::string server;
  // A data plane, host:port.
  std::string gateway;
  // PEM files; in the file they may be relative to its folder.
  std::string ca;
  std::string cert;
  std::string key;
  std::string token;
  // TLS with the system's authorities, without `ca`.
  bool tls = false;
};

// What a context can hold beside its name, as the file calls it.
struct ContextField {
  const char* name;
  std::string Context::*member;
};
const std::vector<ContextField>& ContextFields();

// SLUICE_CONFIG, else $XDG_CONFIG_HOME/sluice/config.yaml, else
// ~/.config/sluice/config.yaml. "": there is no home.
std::string ContextFilePath(const Environment& environment);

class ContextFile {
 public:
  // A file that is not there holds no contexts. INVALID_ARGUMENT names file,
  // line and what would be right.
  static absl::StatusOr<ContextFile> Load(const std::string& path);

  const std::string& path() const { return path_; }
  const std::string& current() const { return current_; }
  void set_current(const std::string& name) { current_ = name; }
  const std::vector<Context>& contexts() const { return contexts_; }
  // Null: there is none of this name.
  const Context* Find(const std::string& name) const;
  // In place of one of its name, or behind the others.
  void Put(const Context& context);
  // Not the current one any more either.
  void Remove(const std::string& name);

  // Whole or not at all, for its owner only; makes the folder.
  absl::Status Save() const;

  // A file of the context, from the folder of this one.
  std::string Resolved(const std::string& file) const;
  // "" or that others can read the tokens in it.
  std::string Warning() const;
  // NOT_FOUND tells which contexts there are.
  absl::Status NoContext(const std::string& name) const;

 private:
  std::string path_;
  std::string current_;
  std::vector<Context> contexts_;
};

// INVALID_ARGUMENT: letters, digits, '.', '_' and '-' make a name.
absl::Status CheckContextName(const std::string& name);

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_CONTEXT_FILE_H_
