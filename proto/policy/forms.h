// The forms that (rules).form names: urls, credentials, names, … Used inside
// proto/policy (and where a data plane checks its own allow-lists); pure.
#ifndef SLUICE_PROTO_POLICY_FORMS_H_
#define SLUICE_PROTO_POLICY_FORMS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice {

struct UrlParts {
  std::string scheme;  // lower-case
  std::string host;    // lower-case, an IPv6 address without its brackets
  int port = 0;        // the scheme's own where none is written
  std::string path;    // as written, without a trailing '/'
};

// http or https with a host; INVALID_ARGUMENT tells what is wrong, never with
// the user, password or query of the url.
absl::StatusOr<UrlParts> ParseUrl(absl::string_view url);

// "api.openai.com:443", "[::1]:8080": names endpoints that have no name.
std::string HostPort(const UrlParts& url);

// INVALID_ARGUMENT tells what is wrong. A form that is not known is a
// programming error.
absl::Status CheckForm(absl::string_view form, absl::string_view value);
bool IsKnownForm(absl::string_view form);

// Names of headers that an upstream's `headers` may set: a token, none that
// Sluice sets itself, none that carries a secret.
absl::Status CheckHeaderName(absl::string_view name);
// gRPC metadata keys that a route may match on.
absl::Status CheckMetadataKey(absl::string_view key);
// Visible ASCII and spaces: what a header can carry without being split.
bool IsHeaderValue(absl::string_view value);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_FORMS_H_
