// The log of calls and attempts (rows B5, C5, D11): one line a call, one an
// attempt, and lines for what happens between. No content, no secret: of what
// an upstream or a caller said in words nothing is written, only its class.
#ifndef SLUICE_SERVER_TELEMETRY_ATTEMPT_LOG_H_
#define SLUICE_SERVER_TELEMETRY_ATTEMPT_LOG_H_

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "proto/log/line_writer.h"
#include "proto/log/log_line.h"
#include "server/engine/call_observer.h"

namespace sluice {

enum class AttemptLogLevel {
  kOff,
  // Attempts that failed and those that followed them, calls that did not go
  // through at their first attempt, breakers and ejections. What went well is in
  // the metrics; a caller that cancels is no failure.
  kFailures,
  // Every call, attempt, retry, hedge, wait and refusal.
  kAll,
};

struct AttemptLogOptions {
  // Failures: at 1,000 calls a second all lines would be some 60 GB a day.
  AttemptLogLevel level = AttemptLogLevel::kFailures;
  LogFormat format = LogFormat::kText;
  // Of them, in the program's log.
  LineLimits lines = LineWriterOptions().calls;
};

// Owns an observer for each loop, which write to the program's log. Thread-safe.
class AttemptLog {
 public:
  using Clock = std::function<absl::Time()>;  // wall time; any thread

  // The writer lives longer.
  AttemptLog(const AttemptLogOptions& options, LineWriter& writer, Clock clock = absl::Now);

  // For one loop. Lives as long as the log.
  CallObserver& AddLoop();

 private:
  const AttemptLogOptions options_;
  const Clock clock_;
  LineWriter& writer_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<CallObserver>> loops_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_ATTEMPT_LOG_H_
