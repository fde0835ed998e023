#include "proto/metrics_server/metrics_server.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/listen/listen_address.h"
#include "proto/metrics_server/http_listener.h"
#include "proto/metrics_server/metrics_page.h"

namespace sluice {
namespace {

constexpr int kBacklog = 128;
constexpr char kIndex[] =
    "Sluice\n"
    "/metrics  for Prometheus\n"
    "/healthz  200 while the process lives\n"
    "/readyz   200 while it is to get work, else 503 and why not\n";

HttpTimeouts TimeoutsOf(const MetricsServerOptions& options) {
  return {options.head_timeout, options.idle_timeout, options.write_timeout};
}

}  // namespace

class MetricsServer::Impl {
 public:
  Impl(const Listeners& listeners, const MetricsServerOptions& options)
      : listener_(io_, listeners.fds, options.max_connections, TimeoutsOf(options), handler_) {
    listener_.Start();
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "sluice-http");
  }

  ~Impl() {
    io_.stop();
    thread_.join();
  }

  void Register(std::shared_ptr<prometheus::Collectable> collectable) { page_.Register(std::move(collectable)); }

  void SetReadiness(WhyNotReady why_not) {
    std::lock_guard lock(mutex_);
    why_not_ready_ = std::move(why_not);
  }

 private:
  // Nothing that a caller does may end the process, or the port.
  void Run() {
    while (!io_.stopped()) {
      try {
        io_.run();
      } catch (const std::exception& error) {
        spdlog::error("metrics port: {}", error.what());
      }
    }
  }

  void Handle(const HttpQuery& query, std::function<void(HttpAnswer)> done) {
    if (query.method != "GET" && query.method != "HEAD") return done({405, "only GET and HEAD are served here\n"});
    if (query.path == "/metrics") return page_.Ask(query.accepts_gzip, std::move(done));
    if (query.path == "/healthz") return done({200, "ok\n"});
    if (query.path == "/readyz") return done(Readiness());
    if (query.path == "/") return done({200, kIndex});
    done({404, "nothing is served here; /metrics, /healthz and /readyz are\n"});
  }

  HttpAnswer Readiness() {
    std::lock_guard lock(mutex_);
    const std::string why_not = why_not_ready_ ? why_not_ready_() : "starting";
    return why_not.empty() ? HttpAnswer{200, "ok\n"} : HttpAnswer{503, absl::StrCat(why_not, "\n")};
  }

  using Work = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

  std::mutex mutex_;
  WhyNotReady why_not_ready_ ABSL_GUARDED_BY(mutex_);
  const HttpHandler handler_ = [this](const HttpQuery& query, std::function<void(HttpAnswer)> done) {
    Handle(query, std::move(done));
  };
  boost::asio::io_context io_{1};
  const Work work_{io_.get_executor()};
  HttpListener listener_;
  std::thread thread_;
  // Last, to end first: its thread posts to the sockets' one.
  MetricsPage page_;
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(std::string_view address,
                                                                    const MetricsServerOptions& options) {
  const absl::StatusOr<ListenAddress> parsed = ParseListenAddress(address);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--metrics-listen: ", parsed.status().message()));
  }
  absl::StatusOr<Listeners> listeners = Listen(*parsed, kBacklog);
  if (!listeners.ok()) {
    absl::string_view why = listeners.status().message();
    const std::string where = absl::StrCat("cannot listen on ", parsed->ToString());
    absl::ConsumePrefix(&why, absl::StrCat(where, ": "));
    return absl::UnavailableError(absl::StrCat(where, " for metrics: ", why));
  }
  try {
    return std::unique_ptr<MetricsServer>(
        new MetricsServer(std::make_unique<Impl>(*listeners, options), listeners->port));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", parsed->ToString(), ": ", error.what()));
  }
}

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl, uint16_t port) : impl_(std::move(impl)), port_(port) {}

MetricsServer::~MetricsServer() = default;

void MetricsServer::Register(std::shared_ptr<prometheus::Collectable> collectable) {
  impl_->Register(std::move(collectable));
}

void MetricsServer::SetReadiness(WhyNotReady why_not) { impl_->SetReadiness(std::move(why_not)); }

}  // namespace sluice
