#include "proto/tls/tls_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// A system's whole bundle of authorities is a quarter of it.
constexpr size_t kMaxFileBytes = 1 << 20;

absl::Status Failed(const char* what) {
  return absl::NotFoundError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::Status About(const FlaggedFile& file, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(file.ToString(), ": ", status.message()));
}

absl::Status ReadInto(const FlaggedFile& file, std::string& text) {
  if (!file.given()) return absl::OkStatus();
  absl::StatusOr<std::string> read = ReadPemFile(file.path);
  if (!read.ok()) return About(file, read.status());
  text = *std::move(read);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadPemFile(const std::string& path) {
  // Not blocking: a pipe would hold its reader for ever.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Failed("cannot be read");
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return Failed("cannot be read");
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError("is not a regular file");
  std::string text(kMaxFileBytes + 1, '\0');
  size_t size = 0;
  for (ssize_t n = 0; size < text.size(); size += static_cast<size_t>(n)) {
    n = read(fd, text.data() + size, text.size() - size);
    if (n < 0) return Failed("cannot be read");
    if (n == 0) break;
  }
  if (size == 0) return absl::InvalidArgumentError("is empty");
  if (size > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat("is larger than ", kMaxFileBytes, " bytes"));
  }
  text.resize(size);
  text.shrink_to_fit();
  return text;
}

absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsFiles& files) {
  TlsTexts texts;
  absl::Status read = ReadInto(files.cert, texts.cert);
  if (read.ok()) read = ReadInto(files.key, texts.key);
  if (read.ok()) read = ReadInto(files.authorities, texts.authorities);
  if (!read.ok()) return read;
  return texts;
}

absl::StatusOr<TlsSet> CheckTls(const TlsFiles& files, TlsTexts texts) {
  TlsSet set;
  if (files.cert.given()) {
    PemPart wrong = PemPart::kNone;
    const absl::Status fit = CheckChainAndKey(texts.cert, texts.key, &wrong);
    if (!fit.ok() && wrong == PemPart::kPair) {
      return absl::InvalidArgumentError(
          absl::StrCat(files.key.ToString(), ": ", fit.message(), " of ", files.cert.ToString()));
    }
    if (!fit.ok()) return About(wrong == PemPart::kKey ? files.key : files.cert, fit);
    const auto facts = ReadCertificates(texts.cert);
    if (!facts.ok()) return About(files.cert, facts.status());
    set.leaf = facts->front();
  }
  if (files.authorities.given()) {
    const auto authorities = Authorities::FromPem(texts.authorities);
    if (!authorities.ok()) return About(files.authorities, authorities.status());
  }
  set.texts = std::move(texts);
  return set;
}

std::string DateWarning(const TlsFiles& files, const TlsSet& set, absl::Time now) {
  if (!files.cert.given()) return "";
  const auto date = [](absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); };
  if (set.leaf.not_after < now) {
    return absl::StrCat(files.cert.ToString(), ": is out of date since ", date(set.leaf.not_after),
                        ": others will refuse it");
  }
  if (set.leaf.not_before > now) {
    return absl::StrCat(files.cert.ToString(), ": is valid from ", date(set.leaf.not_before),
                        " only: others will refuse it until then");
  }
  return "";
}

}  // namespace sluice
