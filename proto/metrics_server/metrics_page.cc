#include "proto/metrics_server/metrics_page.h"

#include <prometheus/text_serializer.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace sluice {
namespace {

constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

MetricsPage::MetricsPage() : thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "sluice-scrape");
}

MetricsPage::~MetricsPage() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void MetricsPage::Register(std::shared_ptr<prometheus::Collectable> collectable) {
  std::lock_guard lock(mutex_);
  collectables_.push_back(std::move(collectable));
}

void MetricsPage::Ask(bool gzip, std::function<void(HttpAnswer)> done) {
  {
    std::lock_guard lock(mutex_);
    askers_.push_back({gzip, std::move(done)});
  }
  changed_.notify_one();
}

void MetricsPage::Run() {
  while (true) {
    std::vector<Asker> askers;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || !askers_.empty(); });
      if (stop_) return;
      askers.swap(askers_);
    }
    Answer(askers);
  }
}

std::vector<prometheus::MetricFamily> MetricsPage::Collect() {
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables;
  {
    std::lock_guard lock(mutex_);
    collectables = collectables_;
  }
  std::vector<prometheus::MetricFamily> families;
  for (const auto& collectable : collectables) {
    auto some = collectable->Collect();
    families.insert(families.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return families;
}

std::optional<std::string> MetricsPage::Build() {
  try {
    return prometheus::TextSerializer().Serialize(Collect());
  } catch (const std::exception& error) {
    spdlog::error("a scrape failed: {}", error.what());
  } catch (...) {
    spdlog::error("a scrape failed");
  }
  return std::nullopt;
}

void MetricsPage::Answer(const std::vector<Asker>& askers) {
  std::optional<std::string> page = Build();
  HttpAnswer plain = page ? HttpAnswer{200, std::move(*page), kContentType}
                          : HttpAnswer{500, "the metrics could not be collected; the log says why\n"};
  HttpAnswer small = plain;
  if (page && std::any_of(askers.begin(), askers.end(), [](const Asker& asker) { return asker.gzip; })) {
    std::string gzipped = Gzipped(plain.body);
    small.gzip = !gzipped.empty();
    if (small.gzip) small.body = std::move(gzipped);
  }
  for (const Asker& asker : askers) asker.done(asker.gzip ? small : plain);
}

}  // namespace sluice
