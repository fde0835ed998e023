#include "tests/bench/recorder.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "tests/bench/process_usage.h"
#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

double Quantile(std::vector<float> values, double q) {
  if (values.empty()) return 0;
  auto at = values.begin() + static_cast<int64_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// Flat JSON of numbers and one text.
class JsonLine {
 public:
  void Number(const char* name, double value) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.4f", value);
    Add(name, text);
  }
  void Text(const char* name, const std::string& value) {
    std::string quoted = "\"";
    for (const char c : value) quoted += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    Add(name, quoted + "\"");
  }
  std::string Done() const { return "{" + text_ + "}"; }

 private:
  void Add(const std::string& name, const std::string& value) {
    text_ += (text_.empty() ? "\"" : ", \"") + name + "\": " + value;
  }
  std::string text_;
};

}  // namespace

Recorder::Recorder(const LoadPlan& plan) : plan_(plan) {
  chunk_ms_.reserve(1 << 20);
  ttft_ms_.reserve(1 << 16);
}

void Recorder::OnFirstAnswer() { idle_kib_ = ResidentKib(plan_.subject); }

void Recorder::Begin() {
  begin_ns_ = NowNs();
  next_ns_ = begin_ns_ + (plan_.ramp_ms + plan_.settle_ms) * kNsPerMs;
}

int64_t Recorder::StartOf(int i) const { return begin_ns_ + plan_.ramp_ms * kNsPerMs * i / plan_.streams; }

Recorder::Usage Recorder::UsageNow() const {
  return {CpuUs(plan_.subject), CpuUs(plan_.upstream), CpuUs({getpid()})};
}

void Recorder::Turn(int64_t now_ns) {
  if (phase_ == Phase::kBefore) {
    phase_ = Phase::kWindow;
    at_open_ = UsageNow();
    opened_ns_ = NowNs();
    next_ns_ = opened_ns_ + plan_.window_ms * kNsPerMs;
  } else if (phase_ == Phase::kWindow) {
    phase_ = Phase::kAfter;
    at_close_ = UsageNow();
    closed_ns_ = now_ns;
    open_kib_ = ResidentKib(plan_.subject);
    next_ns_ = std::numeric_limits<int64_t>::max();
  }
}

void Recorder::OnText(std::string_view text, StreamProgress& progress, int64_t now_ns) {
  for (size_t at = text.find(kStampMark); at != std::string_view::npos; at = text.find(kStampMark, at + kStampBytes)) {
    const int64_t sent = ReadStamp(text.substr(at));
    if (sent < 0) return OnError("text that is no time stamp: " + std::string(text.substr(at, 32)));
    OnChunk(sent, progress, now_ns);
  }
}

void Recorder::OnChunk(int64_t sent_ns, StreamProgress& progress, int64_t now_ns) {
  // In a ramp the first chunks come before the window: they count as well.
  if (++progress.chunks == 1 && (in_window() || (!plan_.repeat && running()))) {
    ttft_ms_.push_back(static_cast<float>(now_ns - progress.started_ns) / kNsPerMs);
  }
  if (!in_window()) return;
  ++chunks_;
  chunk_ms_.push_back(static_cast<float>(now_ns - sent_ns) / kNsPerMs);
}

void Recorder::OnEnd(const StreamProgress& progress) {
  calls_ += in_window();
  if (progress.chunks != plan_.answer.chunks) {
    OnError("an answer of " + std::to_string(progress.chunks) + " chunks in place of " +
            std::to_string(plan_.answer.chunks));
  }
}

void Recorder::OnError(std::string what) {
  if (++errors_ == 1) first_error_ = std::move(what);
}

void Recorder::OnCancel(uint64_t call) {
  if (in_window()) cancels_.OnCancel(call, NowNs());
}

void Recorder::AwaitCancels() { cancel_ms_ = cancels_.Await(plan_.closed_file); }

void Recorder::OnAbandon(const StreamProgress& progress, int64_t now_ns) {
  // The first comes at once. One is on its way, and no more than half a second's are late.
  constexpr int64_t kLateNs = 500 * kNsPerMs;
  const int64_t interval_ns = std::max<int64_t>(plan_.answer.interval_us, 1) * 1000;
  const int64_t wanted = std::max<int64_t>(now_ns - progress.started_ns - kLateNs, 0) / interval_ns;
  if (progress.chunks < std::max<int64_t>(wanted, 1)) {
    OnError("an open stream with " + std::to_string(progress.chunks) + " chunks where " + std::to_string(wanted + 1) +
            " were sent");
  }
}

bool Recorder::paced() const {
  return plan_.answer.interval_us > 0 && plan_.answer.interval_us < plan_.window_ms * 1000 && plan_.cancel_after_us == 0;
}

// Why the figures say nothing; empty if they do.
std::string Recorder::Void() const {
  if (errors_ > 0) return std::to_string(errors_) + " errors, the first: " + first_error_;
  if (plan_.failing) return failures_ > 0 ? "" : "nothing failed in the window";
  if (cancel_ms_.size() < cancels_.size()) {
    return std::to_string(cancels_.size() - cancel_ms_.size()) + " cancelled calls of " + std::to_string(cancels_.size()) +
           " went on at the upstream";
  }
  if (plan_.cancel_after_us > 0 && cancel_ms_.empty()) return "nothing was cancelled in the window";
  const bool silent = plan_.answer.interval_us > 0 && !paced();
  if (chunks_ == 0 && !silent) return "nothing arrived in the window";
  if (!paced()) return "";
  const double wanted = plan_.streams * static_cast<double>(closed_ns_ - opened_ns_) / 1000 /
                        static_cast<double>(plan_.answer.interval_us);
  if (static_cast<double>(chunks_) < 0.95 * wanted) {
    return "the pace was not kept: " + std::to_string(chunks_) + " chunks in place of " +
           std::to_string(static_cast<int64_t>(wanted));
  }
  return "";
}

std::string Recorder::Report() const {
  JsonLine json;
  const std::string error = Void();
  if (!error.empty()) json.Text("error", error);
  if (closed_ns_ == 0) return json.Done();
  const double seconds = static_cast<double>(closed_ns_ - opened_ns_) / 1e9;
  const double subject_us = at_close_.subject_us - at_open_.subject_us;
  if (chunks_ > 0) json.Number("cpu_us_per_chunk", subject_us / static_cast<double>(chunks_));
  if (calls_ > 0 && plan_.repeat) json.Number("cpu_us_per_call", subject_us / static_cast<double>(calls_));
  json.Number("chunks_per_s", static_cast<double>(chunks_) / seconds);
  json.Number("calls_per_s", static_cast<double>(calls_) / seconds);
  json.Number("failures_per_s", static_cast<double>(failures_) / seconds);
  if (plan_.count_failures) {
    json.Number("failed_share", static_cast<double>(failures_) / static_cast<double>(std::max<int64_t>(calls_ + failures_, 1)));
  }
  json.Number("messages_per_s", static_cast<double>(messages_) / seconds);
  json.Number("ttft_samples", static_cast<double>(ttft_ms_.size()));
  json.Number("ttft_ms_p50", Quantile(ttft_ms_, 0.5));
  json.Number("ttft_ms_p99", Quantile(ttft_ms_, 0.99));
  json.Number("chunk_ms_p50", Quantile(chunk_ms_, 0.5));
  json.Number("chunk_ms_p99", Quantile(chunk_ms_, 0.99));
  if (!cancel_ms_.empty()) {
    json.Number("cancels_per_s", static_cast<double>(cancel_ms_.size()) / seconds);
    json.Number("cancel_ms_p50", Quantile(cancel_ms_, 0.5));
    json.Number("cancel_ms_p99", Quantile(cancel_ms_, 0.99));
  }
  json.Number("kib_per_stream", (open_kib_ - idle_kib_) / plan_.streams);
  json.Number("subject_cores", subject_us / 1e6 / seconds);
  json.Number("upstream_cores", (at_close_.upstream_us - at_open_.upstream_us) / 1e6 / seconds);
  json.Number("load_cores", (at_close_.own_us - at_open_.own_us) / 1e6 / seconds);
  return json.Done();
}

}  // namespace sluice::bench
