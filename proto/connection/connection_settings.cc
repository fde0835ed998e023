#include "proto/connection/connection_settings.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/listen/listen_address.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

constexpr char kDefaultControlPlane[] = "127.0.0.1:8444";
constexpr char kDefaultGateway[] = "127.0.0.1:8443";

class Resolver {
 public:
  Resolver(Plane plane, const ConnectionFlags& flags, const Environment& environment)
      : flags_(flags), environment_(environment) {
    settings_.plane = plane;
  }

  absl::StatusOr<ConnectionSettings> Run() {
    Setting server = Outer(flags_.server, "--server", ServerVariables());
    if (const absl::Status status = ChooseContext(server.given()); !status.ok()) return status;
    settings_.server = std::move(server);
    settings_.ca = File(flags_.ca, "--ca", "SLUICE_CA", &Context::ca, "ca");
    settings_.cert = File(flags_.cert, "--cert", "SLUICE_CERT", &Context::cert, "cert");
    settings_.key = File(flags_.key, "--key", "SLUICE_KEY", &Context::key, "key");
    settings_.token = Outer(flags_.token, "--token", {"SLUICE_TOKEN"});
    if (!settings_.token.given()) settings_.token = Inner(&Context::token, "token");
    settings_.timeout = Outer(flags_.timeout, "--timeout", {"SLUICE_TIMEOUT"});
    if (const absl::Status status = ReadTls(); !status.ok()) return status;
    if (const absl::Status status = ReadServer(); !status.ok()) return status;
    if (const absl::Status status = Check(); !status.ok()) return status;
    return std::move(settings_);
  }

 private:
  bool control() const { return settings_.plane == Plane::kControl; }

  std::vector<const char*> ServerVariables() const {
    return {control() ? "SLUICE_CONTROLPLANE" : "SLUICE_GATEWAY", "SLUICE_SERVER"};
  }

  Setting Outer(const std::optional<std::string>& flag, const char* flag_name, const std::vector<const char*>& variables) {
    if (flag.has_value()) return {*flag, flag_name};
    for (const char* variable : variables) {
      const char* text = environment_(variable);
      if (text != nullptr && *text != '\0') return {text, variable};
    }
    return {};
  }

  // What the context says.
  Setting Inner(std::string Context::*member, const char* name) {
    if (context_ == nullptr || (*context_).*member == "") return {};
    return {(*context_).*member, absl::StrCat(name, " of context ", context_->name, " (", file_.path(), ")")};
  }

  Setting File(const std::optional<std::string>& flag, const char* flag_name, const char* variable,
               std::string Context::*member, const char* name) {
    Setting setting = Outer(flag, flag_name, {variable});
    if (setting.given()) return setting;
    setting = Inner(member, name);
    setting.value = file_.Resolved(setting.value);
    return setting;
  }

  absl::Status ChooseContext(bool server_named) {
    const Setting named = Outer(flags_.context, "--context", {"SLUICE_CONTEXT"});
    if (named.given() ? named.value.empty() : server_named) return absl::OkStatus();
    absl::StatusOr<ContextFile> file = ContextFile::Load(ContextFilePath(environment_));
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    settings_.warning = file_.Warning();
    settings_.context = named.given() ? named.value : file_.current();
    if (settings_.context.empty()) return absl::OkStatus();
    context_ = file_.Find(settings_.context);
    if (context_ != nullptr) return absl::OkStatus();
    const std::string source = named.given() ? named.source : absl::StrCat("current-context in ", file_.path());
    return absl::NotFoundError(absl::StrCat(source, ": ", file_.NoContext(settings_.context).message()));
  }

  absl::Status ReadTls() {
    if (flags_.tls) {
      settings_.tls = {"true", "--tls"};
      return absl::OkStatus();
    }
    settings_.tls = Outer({}, "", {"SLUICE_TLS"});
    const std::string& text = settings_.tls.value;
    if (text == "0" || text == "false") settings_.tls.value.clear();
    if (settings_.tls.given() && !text.empty() && text != "1" && text != "true") {
      return absl::InvalidArgumentError(absl::StrCat("SLUICE_TLS: ", Shown(text), " is neither true nor false"));
    }
    if (!settings_.tls.given() && context_ != nullptr && context_->tls) {
      settings_.tls = {"true", absl::StrCat("tls of context ", context_->name, " (", file_.path(), ")")};
    }
    return absl::OkStatus();
  }

  absl::Status ReadServer() {
    if (settings_.server.given()) return absl::OkStatus();
    settings_.server = control() ? Inner(&Context::server, "server") : Inner(&Context::gateway, "gateway");
    if (settings_.server.given()) return absl::OkStatus();
    if (context_ != nullptr) {
      const char* field = control() ? "server" : "gateway";
      return absl::InvalidArgumentError(absl::StrCat("context ", context_->name, " in ", file_.path(), " names no ", field,
                                                     "; sluicectl context set ", context_->name, " --", field,
                                                     " HOST:PORT does, or --server for once"));
    }
    settings_.server.value = control() ? kDefaultControlPlane : kDefaultGateway;
    return absl::OkStatus();
  }

  absl::Status Check() const {
    const std::string& server = settings_.server.value;
    const size_t colon = server.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 >= server.size() || absl::StrContains(server, "://")) {
      return absl::InvalidArgumentError(absl::StrCat(settings_.server.source, ": ", Shown(server),
                                                     " is no address; write host:port, as in ",
                                                     control() ? kDefaultControlPlane : kDefaultGateway));
    }
    return CheckSecrets();
  }

  absl::Status CheckSecrets() const {
    const Setting& cert = settings_.cert;
    const Setting& key = settings_.key;
    if (cert.value.empty() != key.value.empty()) {
      const Setting& one = cert.value.empty() ? key : cert;
      const std::string source = absl::StartsWith(one.source, "--") ? "" : absl::StrCat(" (only ", one.source, " is given)");
      return absl::InvalidArgumentError(absl::StrCat("--cert and --key belong together: give both or none", source));
    }
    if (!cert.value.empty() && !settings_.uses_tls()) {
      return absl::InvalidArgumentError(
          absl::StrCat(cert.source, " needs --ca, the authorities of the server's certificate, or --tls for the system's"));
    }
    return CheckToken();
  }

  absl::Status CheckToken() const {
    const Setting& token = settings_.token;
    const bool visible = std::all_of(token.value.begin(), token.value.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!visible) {
      return absl::InvalidArgumentError(absl::StrCat(token.source, ": holds a blank or another character that no token has"));
    }
    if (token.value.empty() || settings_.uses_tls()) return absl::OkStatus();
    const absl::StatusOr<ListenAddress> address = ParseListenAddress(settings_.server.value);
    if (absl::StartsWith(settings_.server.value, "unix:") || (address.ok() && IsLoopback(*address))) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(token.source, " is not sent to ", settings_.server.value,
                                                   " in plain text; give --ca, or --tls for the system's authorities"));
  }

  const ConnectionFlags& flags_;
  const Environment& environment_;
  ContextFile file_;
  const Context* context_ = nullptr;
  ConnectionSettings settings_;
};

}  // namespace

absl::StatusOr<ConnectionSettings> ResolveConnection(Plane plane, const ConnectionFlags& flags,
                                                     const Environment& environment) {
  return Resolver(plane, flags, environment).Run();
}

Environment ProcessEnvironment() {
  return [](const char* name) { return static_cast<const char*>(std::getenv(name)); };
}

std::string ServerText(const ConnectionSettings& settings) {
  const std::string& source = settings.server.source;
  const bool plain = source.empty() || absl::StartsWith(source, "--");
  return absl::StrCat(settings.server.value, plain ? "" : absl::StrCat(" (from ", source, ")"));
}

}  // namespace sluice
