#include "proto/connection/channel_credentials.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

absl::StatusOr<std::string> ReadPem(const Setting& setting, const char* kind) {
  std::ifstream file(setting.value);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(setting.source, ": cannot read ", setting.value));
  }
  // gRPC would only say that it cannot connect.
  if (text.str().find(absl::StrCat(kind, "-----")) != std::string::npos) return text.str();
  return absl::InvalidArgumentError(absl::StrCat(setting.source, ": ", setting.value, " holds no ", kind, " in PEM form"));
}

// Leaves `pem` as it is where nothing was given.
absl::Status ReadInto(const Setting& setting, const char* kind, std::string& pem) {
  if (setting.value.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadPem(setting, kind);
  if (text.ok()) pem = *std::move(text);
  return text.status();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ConnectionSettings& settings) {
  if (!settings.uses_tls()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  absl::Status status = ReadInto(settings.ca, "CERTIFICATE", ssl.pem_root_certs);
  if (status.ok()) status = ReadInto(settings.cert, "CERTIFICATE", ssl.pem_cert_chain);
  if (status.ok()) status = ReadInto(settings.key, "PRIVATE KEY", ssl.pem_private_key);
  if (!status.ok()) return status;
  return grpc::SslCredentials(ssl);
}

std::vector<std::pair<std::string, std::string>> CallMetadata(const ConnectionSettings& settings) {
  if (settings.token.value.empty()) return {};
  return {{"authorization", absl::StrCat("Bearer ", settings.token.value)}};
}

}  // namespace sluice
