// The options that say where a server is and how it is spoken to: the same names
// in every program that calls one.
#ifndef SLUICE_PROTO_CONNECTION_CONNECTION_OPTIONS_H_
#define SLUICE_PROTO_CONNECTION_CONNECTION_OPTIONS_H_

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "proto/connection/connection_settings.h"

namespace sluice {

// --server, --context, --timeout, --ca, --tls, --cert, --key and --token. The
// last one of each counts, so that a shell's alias can be overruled.
void AddConnectionOptions(CLI::App& app, Plane plane, ConnectionFlags& flags);

// An option whose empty value is a value too.
CLI::Option* AddOptional(CLI::App& app, const std::string& names, std::optional<std::string>& value,
                         const std::string& description);

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_CONNECTION_OPTIONS_H_
