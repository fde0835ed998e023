// An upstream's dialect, in the form that calls use: its preset, by the policy
// or by the host, and what the policy says beside it. Pure.
#ifndef SLUICE_SERVER_CONFIG_DIALECT_COMPILER_H_
#define SLUICE_SERVER_CONFIG_DIALECT_COMPILER_H_

#include <string_view>

#include "server/codec/dialect.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Whose servers are at a host, lower-case; GENERIC where that is not well known.
v1::DialectPreset PresetOfHost(std::string_view host);

// What a preset sets.
Dialect DialectOf(v1::DialectPreset preset);

// Takes a valid policy. `host` is that of the upstream's first endpoint.
Dialect CompileDialect(const v1::Dialect& written, std::string_view host);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_DIALECT_COMPILER_H_
