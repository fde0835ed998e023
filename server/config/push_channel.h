// The connection to the control plane.
#ifndef SLUICE_SERVER_CONFIG_PUSH_CHANNEL_H_
#define SLUICE_SERVER_CONFIG_PUSH_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "proto/tls/renewal_figures.h"
#include "proto/tls/tls_files.h"
#include "server/config/config_options.h"

namespace sluice {

// Makes a channel for each stream, with the files of its TLS as they are then: a
// renewed certificate is shown from the next connection on. Files that do not fit
// leave those that were used before. Config worker only, but the figures.
class PushChannels {
 public:
  // `options` outlives it.
  explicit PushChannels(const SubscriptionOptions& options);

  // Fails when a file of its TLS cannot be used and none ever could.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Make();
  // "control_plane"; nothing without TLS of our own files, or before the first
  // channel. Any thread.
  std::optional<RenewalFigures> figures() const;

 private:
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials();
  // The texts in use, new ones where they fit.
  absl::StatusOr<TlsTexts> Texts();

  const SubscriptionOptions& options_;
  const TlsFiles files_;
  std::optional<TlsTexts> used_;
  std::string told_;  // what is wrong with the files as they are
  mutable std::mutex mutex_;
  std::optional<RenewalFigures> figures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_PUSH_CHANNEL_H_
