// Where a server is and how it is spoken to: what the command line says, else
// the environment, else a context of the file of contexts. One way for
// sluicectl and sluice-chat; every value knows where it comes from, so that a
// message can name it. Pure but for reading the file.
#ifndef SLUICE_PROTO_CONNECTION_CONNECTION_SETTINGS_H_
#define SLUICE_PROTO_CONNECTION_CONNECTION_SETTINGS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "proto/connection/context_file.h"

namespace sluice {

// Which of the two kinds of server is meant.
enum class Plane { kControl, kData };

struct Setting {
  std::string value;
  // "--ca", "SLUICE_CA", "ca of context prod (FILE)"; "": not given, or the
  // default.
  std::string source;

  bool given() const { return !source.empty(); }
};

// What the command line says; nothing: left out. An empty text overrules the
// environment and the context with "none".
struct ConnectionFlags {
  std::optional<std::string> server;
  std::optional<std::string> ca;
  std::optional<std::string> cert;
  std::optional<std::string> key;
  std::optional<std::string> token;
  std::optional<std::string> context;
  std::optional<std::string> timeout;
  bool tls = false;
};

struct ConnectionSettings {
  Plane plane = Plane::kControl;
  Setting server;
  Setting ca;
  Setting cert;
  Setting key;
  Setting token;
  // "true" or empty.
  Setting tls;
  Setting timeout;
  // Empty: none is used.
  std::string context;
  // For people, on standard error; empty: none.
  std::string warning;

  bool uses_tls() const { return !ca.value.empty() || !tls.value.empty(); }
};

// Environment: SLUICE_CONTROLPLANE or SLUICE_GATEWAY for the one server, before
// SLUICE_SERVER for both; SLUICE_CA, SLUICE_CERT, SLUICE_KEY, SLUICE_TOKEN,
// SLUICE_TLS, SLUICE_TIMEOUT, SLUICE_CONTEXT; SLUICE_CONFIG for the file.
//
// A server that flag or environment names sets the current context aside, so
// that its secrets go to no other server; one that is named is used beside it.
// INVALID_ARGUMENT and NOT_FOUND name the source and what would be right.
absl::StatusOr<ConnectionSettings> ResolveConnection(Plane plane, const ConnectionFlags& flags,
                                                     const Environment& environment);

// The environment of this process.
Environment ProcessEnvironment();

// "at 10.0.0.1:8444 (from SLUICE_SERVER)": the server, and what named it unless
// that was a flag or the default.
std::string ServerText(const ConnectionSettings& settings);

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_CONNECTION_SETTINGS_H_
