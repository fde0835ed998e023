// The files of one end of TLS: certificate chain, key, and the authorities of
// the other side. Read and checked as one set, so that a certificate never
// meets another one's key. Reads files; any thread.
#ifndef SLUICE_PROTO_TLS_TLS_FILES_H_
#define SLUICE_PROTO_TLS_TLS_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/tls/pem.h"

namespace sluice {

// As people know it: "--tls-cert /etc/sluice/tls.crt".
struct FlaggedFile {
  std::string flag;
  std::string path;  // empty: not given

  bool given() const { return !path.empty(); }
  std::string ToString() const { return flag + " " + path; }
};

// Certificate and key come together or not at all.
struct TlsFiles {
  FlaggedFile cert;
  FlaggedFile key;
  FlaggedFile authorities;
};

struct TlsTexts {
  std::string cert;
  std::string key;
  std::string authorities;

  bool operator==(const TlsTexts&) const = default;
};

struct TlsSet {
  TlsTexts texts;
  CertificateFacts leaf;  // where there is a certificate
};

// The text of a file that policies or flags name. "cannot be read: No such file
// or directory", "is empty", "is larger than 1048576 bytes".
absl::StatusOr<std::string> ReadPemFile(const std::string& path);

// What is wrong names flag and file: "--tls-key /x.key: is not the key
// of …".
absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsFiles& files);
absl::StatusOr<TlsSet> CheckTls(const TlsFiles& files, TlsTexts texts);

// "" or what people should know of a certificate that is taken all the same: it
// is out of date, or not valid yet.
std::string DateWarning(const TlsFiles& files, const TlsSet& set, absl::Time now);

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_TLS_FILES_H_
