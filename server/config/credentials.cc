#include "server/config/credentials.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sluice {
namespace {

// Far above any key; the secret is sent as one header.
constexpr size_t kMaxSecretBytes = 16 << 10;

// A pattern like "/run/secrets/*" must not be left by "/run/secrets/../…".
bool IsPlainAbsolutePath(std::string_view path) {
  const std::string slashed = std::string(path) + "/";
  return path.starts_with('/') && slashed.find("/../") == std::string::npos &&
         slashed.find("/./") == std::string::npos;
}

// Editors and shells leave line ends, blanks and a byte order mark around a key.
std::string Trimmed(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return std::string(absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  // Not blocking, for a pipe would hold the config worker for ever.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::NotFoundError(absl::StrCat("file ", path, " cannot be read here: ", strerror(errno)));
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("file ", path, " is not a regular file"));
  }
  if ((info.st_mode & S_IROTH) != 0) spdlog::warn("secret file {} can be read by every user of this machine", path);
  std::string secret(kMaxSecretBytes + 1, '\0');
  size_t size = 0;
  for (ssize_t n = 0; size < secret.size(); size += static_cast<size_t>(n)) {
    n = read(fd, secret.data() + size, secret.size() - size);
    if (n < 0) return absl::NotFoundError(absl::StrCat("file ", path, " cannot be read here: ", strerror(errno)));
    if (n == 0) break;
  }
  secret.resize(size);
  return Trimmed(secret);
}

absl::StatusOr<std::string> ReadEnv(const std::string& name) {
  const char* value = getenv(name.c_str());
  if (value == nullptr) return absl::NotFoundError(absl::StrCat("env ", name, " is not set here"));
  return Trimmed(value);
}

// What would break out of a header is refused.
absl::Status CheckSecret(const std::string& what, std::string_view secret) {
  if (secret.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " is empty here"));
  if (secret.size() > kMaxSecretBytes) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is longer than ", kMaxSecretBytes, " bytes"));
  }
  if (!std::all_of(secret.begin(), secret.end(), [](unsigned char c) { return c >= ' ' && c < 0x7f; })) {
    return absl::InvalidArgumentError(absl::StrCat(what, " holds bytes that cannot stand in an HTTP header"));
  }
  return absl::OkStatus();
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text) {
  // Backtracks only to the last star: linear in practice, quadratic at worst.
  size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos && text[star_text] != '/') {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool HostAllowed(const std::vector<std::string>& patterns, std::string_view host, int port) {
  const std::string name = absl::AsciiStrToLower(std::string(host));
  const std::string with_port =
      name.find(':') != std::string::npos ? absl::StrCat("[", name, "]:", port) : absl::StrCat(name, ":", port);
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    const std::string lower = absl::AsciiStrToLower(pattern);
    return GlobMatch(lower, name) || GlobMatch(lower, with_port);
  });
}

absl::StatusOr<std::string> CredentialResolver::Resolve(std::string_view name) const {
  const bool env = name.starts_with("env:");
  const bool file = name.starts_with("file:");
  const std::string rest(name.substr(std::min(name.size(), name.find(':') + 1)));
  if ((!env && !file) || rest.empty() || rest.find('\0') != std::string::npos) {
    // Not shown: somebody may have written the secret itself.
    return absl::InvalidArgumentError("must be env:NAME or file:/path");
  }
  if (file && !IsPlainAbsolutePath(rest)) {
    return absl::InvalidArgumentError(absl::StrCat("file ", rest, " must be an absolute path without . and .."));
  }
  const bool allowed = std::any_of(allowed_.begin(), allowed_.end(),
                                   [&](const std::string& pattern) { return GlobMatch(pattern, name); });
  if (!allowed) {
    return absl::PermissionDeniedError(absl::StrCat(
        "\"", std::string(name), "\" is not among the credentials that this data plane allows (",
        absl::StrJoin(allowed_, ", "), "); see --allow-credentials, where '*' stands for no '/'"));
  }
  auto secret = env ? ReadEnv(rest) : ReadSecretFile(rest);
  if (!secret.ok()) return secret;
  const absl::Status fit = CheckSecret(absl::StrCat(env ? "env " : "file ", rest), *secret);
  if (!fit.ok()) return fit;
  return secret;
}

}  // namespace sluice
