#include "server/config/push_channel.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

// Read for each connection, so that a renewed file is taken up.
absl::Status ReadPem(const char* what, const std::string& path, std::string& pem) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  pem = text.str();
  if (file && !pem.empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(what, " file ", path, " for the control plane cannot be read"));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const SubscriptionOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  absl::Status read = ReadPem("ca", options.ca_file, ssl.pem_root_certs);
  if (read.ok()) read = ReadPem("certificate", options.cert_file, ssl.pem_cert_chain);
  if (read.ok()) read = ReadPem("key", options.key_file, ssl.pem_private_key);
  if (!read.ok()) return read;
  return grpc::SslCredentials(ssl);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakePushChannel(const SubscriptionOptions& options) {
  auto credentials = Credentials(options);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_interval));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  // gRPC would stop after two pings on a quiet stream.
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The subscription does the backing off: a channel that remembers its own
  // would make tries fail before they were made.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(options.connect_timeout));
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  args.SetUserAgentPrefix(absl::StrCat("sluice-server/", options.version));
  return grpc::CreateCustomChannel(options.address, *credentials, args);
}

}  // namespace sluice
