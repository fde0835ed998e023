// Whether the patterns of --allow-credentials and --allow-hosts can match
// anything: one that cannot is a slip of the hand, found at start and not at the
// first policy. Pure; used by the command line.
#ifndef SLUICE_SERVER_CONFIG_ALLOW_PATTERNS_H_
#define SLUICE_SERVER_CONFIG_ALLOW_PATTERNS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sluice {

// INVALID_ARGUMENT names the pattern and what would be right. Some credential
// "env:NAME" or "file:/path" must match.
absl::Status CheckCredentialPattern(std::string_view pattern);
// Some "host" or "host:port" must match.
absl::Status CheckHostPattern(std::string_view pattern);

// What a credential pattern that begins with '*' does not cover, for people; ""
// when it begins as a name does.
std::string CredentialPatternNote(std::string_view pattern);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_ALLOW_PATTERNS_H_
