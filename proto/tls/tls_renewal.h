// TLS of a service's listener, renewed from its files without a restart: looks
// at them every few seconds on a thread of its own and publishes each new set
// that fits. Made by both planes before their server, and ended after it.
#ifndef SLUICE_PROTO_TLS_TLS_RENEWAL_H_
#define SLUICE_PROTO_TLS_TLS_RENEWAL_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/tls/renewal_figures.h"
#include "proto/tls/rotating_credentials.h"
#include "proto/tls/tls_file_watch.h"

namespace sluice {

struct TlsRenewalOptions {
  TlsFiles files;
  // Between two looks. A certificate is renewed hours before it expires, so
  // seconds are soon, and reading three small files costs nothing.
  absl::Duration interval = absl::Seconds(5);
  // After a change was seen, to find the files as they were: longer than writing
  // them takes. At most the interval.
  absl::Duration settle = absl::Milliseconds(200);
};

// Thread-safe.
class TlsRenewal {
 public:
  // Fails where the files cannot be used, in one line that names flag and file.
  static absl::StatusOr<std::unique_ptr<TlsRenewal>> Start(TlsRenewalOptions options);
  ~TlsRenewal();

  // For ServerBuilder; `this` outlives the server.
  std::shared_ptr<grpc::ServerCredentials> Credentials() { return tls_.Credentials(); }
  // Looks now, and tells what is wrong at once (SIGHUP). Returns before it has.
  void Reload();
  RenewalFigures figures() const;

 private:
  TlsRenewal(TlsRenewalOptions options, const TlsSet& set);

  void Run();
  // False: the files changed just now, look again soon.
  bool Look(bool at_once);
  void Took(const TlsSet& set);

  const TlsRenewalOptions options_;
  RotatingTls tls_;
  TlsFileWatch watch_;  // on the thread only
  mutable std::mutex mutex_;
  std::condition_variable woken_;
  RenewalFigures figures_ ABSL_GUARDED_BY(mutex_);
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_TLS_RENEWAL_H_
