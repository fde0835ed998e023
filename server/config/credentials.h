// Secrets, found where a policy names them and this data plane allows it.
// Called on the config worker, once per upstream and revision.
#ifndef SLUICE_SERVER_CONFIG_CREDENTIALS_H_
#define SLUICE_SERVER_CONFIG_CREDENTIALS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice {

// '*' stands for any characters but '/'; everything else for itself.
bool GlobMatch(std::string_view pattern, std::string_view text);

// Whether a host may be called: a pattern matches "host" or "host:port".
bool HostAllowed(const std::vector<std::string>& patterns, std::string_view host, int port);

class CredentialResolver {
 public:
  // `allowed`: patterns of names, "env:*_API_KEY", "file:/run/secrets/*".
  explicit CredentialResolver(std::vector<std::string> allowed) : allowed_(std::move(allowed)) {}

  // The secret behind "env:NAME" or "file:/path" (blanks and a byte order mark
  // around it are left out). PERMISSION_DENIED: not in the allow-list; else what is missing here
  // ("env OPENAI_API_KEY is not set here"). No message ever holds a secret.
  absl::StatusOr<std::string> Resolve(std::string_view name) const;

 private:
  std::vector<std::string> allowed_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CREDENTIALS_H_
