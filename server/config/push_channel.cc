#include "server/config/push_channel.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice {
namespace {

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

}  // namespace

PushChannels::PushChannels(const SubscriptionOptions& options)
    : options_(options),
      files_{{"--control-plane-cert", options.cert_file},
             {"--control-plane-key", options.key_file},
             {"--control-plane-ca", options.ca_file}} {}

absl::StatusOr<TlsTexts> PushChannels::Texts() {
  absl::StatusOr<TlsTexts> texts = ReadTlsFiles(files_);
  absl::StatusOr<TlsSet> set = texts.ok() ? CheckTls(files_, *std::move(texts)) : texts.status();
  std::lock_guard lock(mutex_);
  if (!set.ok()) {
    if (!used_) return set.status();
    const std::string told = std::exchange(told_, std::string(set.status().message()));
    if (told != told_) {
      spdlog::error("{}; what was read before is kept", told_);
      ++figures_->failures;
    }
    return *used_;
  }
  told_.clear();
  if (used_ == set->texts) return *used_;
  if (const std::string warning = DateWarning(files_, *set, absl::Now()); !warning.empty()) spdlog::warn("{}", warning);
  if (used_) spdlog::info("certificates for the control plane renewed");
  used_ = set->texts;
  if (!figures_) figures_ = RenewalFigures{.what = "control_plane", .taken = {}, .not_after = {}};
  figures_->taken = absl::Now();
  if (files_.cert.given()) figures_->not_after = set->leaf.not_after;
  return *used_;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> PushChannels::Credentials() {
  if (!options_.tls) return grpc::InsecureChannelCredentials();
  if (!files_.authorities.given() && !files_.cert.given()) return grpc::SslCredentials({});
  absl::StatusOr<TlsTexts> texts = Texts();
  if (!texts.ok()) return texts.status();
  return grpc::SslCredentials({texts->authorities, texts->key, texts->cert});
}

std::optional<RenewalFigures> PushChannels::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> PushChannels::Make() {
  auto credentials = Credentials();
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options_.keepalive_interval));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options_.keepalive_timeout));
  // gRPC would stop after two pings on a quiet stream.
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The subscription does the backing off: a channel that remembers its own
  // would make tries fail before they were made.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(options_.connect_timeout));
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(static_cast<int>(options_.max_message_bytes));
  args.SetUserAgentPrefix(absl::StrCat("sluice-server/", options_.version));
  return grpc::CreateCustomChannel(options_.address, *credentials, args);
}

}  // namespace sluice
