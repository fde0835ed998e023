#include "server/config/push_channel.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const SubscriptionOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.ca_file.empty()) {
    // Read for each connection, so that a renewed file is taken up.
    std::ifstream file(options.ca_file);
    std::stringstream text;
    text << file.rdbuf();
    ssl.pem_root_certs = text.str();
    if (!file || ssl.pem_root_certs.empty()) {
      return absl::NotFoundError(absl::StrCat("ca file ", options.ca_file, " of the control plane cannot be read"));
    }
  }
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
