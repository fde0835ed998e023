#include "proto/connection/connection_options.h"

namespace sluice {

CLI::Option* AddOptional(CLI::App& app, const std::string& names, std::optional<std::string>& value,
                         const std::string& description) {
  return app
      .add_option_function<std::string>(names, [&value](const std::string& text) { value = text; }, description)
      ->take_last();
}

void AddConnectionOptions(CLI::App& app, Plane plane, ConnectionFlags& flags) {
  const bool control = plane == Plane::kControl;
  AddOptional(app, "--server", flags.server,
              control ? "Control plane, host:port; else SLUICE_SERVER, the context's server, 127.0.0.1:8444"
                      : "Gateway, host:port; else SLUICE_SERVER, the context's gateway, 127.0.0.1:8443");
  AddOptional(app, "--context", flags.context, "Server and files of this context (sluicectl context); else SLUICE_CONTEXT");
  AddOptional(app, control ? "--timeout" : "--timeout,--deadline", flags.timeout,
              control ? "For every request, and for the data planes' answer; else SLUICE_TIMEOUT, 10s"
                      : "For the whole answer, retries included: 30s, 5m; 0: the route's own; else SLUICE_TIMEOUT, 60s");
  AddOptional(app, control ? "--ca" : "--ca,--tls-ca", flags.ca,
              "Speak TLS, trusting the authorities of this PEM file; else SLUICE_CA");
  app.add_flag("--tls", flags.tls, "Speak TLS, trusting the system's authorities; else SLUICE_TLS");
  AddOptional(app, "--cert", flags.cert, "Show this certificate (PEM chain) to the server; with --key; else SLUICE_CERT");
  AddOptional(app, "--key", flags.key, "PEM key of --cert; else SLUICE_KEY");
  AddOptional(app, "--token", flags.token,
              "Sent as a bearer token, over TLS or to this machine only; better SLUICE_TOKEN, which ps does not show");
}

}  // namespace sluice
