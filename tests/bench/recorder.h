// Counts what arrives, and what the processes used, within the measured window.
// One thread: the load generator's event loop asks it when to wake.
#ifndef SLUICE_TESTS_BENCH_RECORDER_H_
#define SLUICE_TESTS_BENCH_RECORDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/cancel_log.h"
#include "tests/bench/load_plan.h"

namespace sluice::bench {

// What one open stream has seen.
struct StreamProgress {
  int64_t started_ns = 0;
  int chunks = 0;

  void Start(int64_t now_ns) {
    started_ns = now_ns;
    chunks = 0;
  }
};

class Recorder {
 public:
  explicit Recorder(const LoadPlan& plan);

  // After the first warm-up call: what was made once is made, and what every
  // further connection and stream takes is theirs.
  void OnFirstAnswer();
  // After the warm-up, before the first stream.
  void Begin();
  // When stream `i` is to begin.
  int64_t StartOf(int i) const;
  // Opens and closes the window when it is time.
  void Tick(int64_t now_ns) {
    if (now_ns >= next_ns_) Turn(now_ns);
  }
  // When Tick has something to do.
  int64_t next_ns() const { return next_ns_; }
  // New calls may begin.
  bool running() const { return phase_ != Phase::kAfter; }

  // Every stamp in `text`.
  void OnText(std::string_view text, StreamProgress& progress, int64_t now_ns);
  // One stamp.
  void OnChunk(int64_t sent_ns, StreamProgress& progress, int64_t now_ns);
  void OnMessage() { messages_ += in_window(); }
  // A call ended well; checks that nothing is missing.
  void OnEnd(const StreamProgress& progress);
  void OnError(std::string what);
  // A call failed where failures are counted.
  void OnFailure() { failures_ += in_window(); }
  // As OnError, or OnFailure where the plan counts those.
  void OnFailed(std::string what) { plan_.count_failures ? OnFailure() : OnError(std::move(what)); }
  // A caller cancels now.
  void OnCancel(uint64_t call);
  // A call is given up at the end of the load; checks that nothing is missing so far.
  void OnAbandon(const StreamProgress& progress, int64_t now_ns);

  // After the load: waits for what the upstream notes.
  void AwaitCancels();

  // As JSON; "error" is there when the run is void.
  std::string Report() const;

 private:
  enum class Phase { kBefore, kWindow, kAfter };

  struct Usage {
    double subject_us = 0;
    double upstream_us = 0;
    double own_us = 0;
  };

  bool in_window() const { return phase_ == Phase::kWindow; }
  void Turn(int64_t now_ns);
  Usage UsageNow() const;
  std::string Void() const;
  // Chunks that come by the clock, within the window.
  bool paced() const;

  const LoadPlan& plan_;
  Phase phase_ = Phase::kBefore;
  int64_t begin_ns_ = 0;
  int64_t next_ns_ = 0;
  int64_t opened_ns_ = 0;
  int64_t closed_ns_ = 0;
  Usage at_open_;
  Usage at_close_;
  double idle_kib_ = 0;
  double open_kib_ = 0;
  int64_t chunks_ = 0;
  int64_t messages_ = 0;
  int64_t calls_ = 0;
  int64_t errors_ = 0;
  int64_t failures_ = 0;
  std::string first_error_;
  std::vector<float> chunk_ms_;
  std::vector<float> ttft_ms_;
  CancelLog cancels_;
  std::vector<float> cancel_ms_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_RECORDER_H_
