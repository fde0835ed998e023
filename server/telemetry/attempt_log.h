// The log of calls and attempts (rows B5, C5, D11): one line a call, one an
// attempt, and lines for what happens between. No content, no secret: of what
// an upstream or a caller said in words nothing is written, only its class.
#ifndef SLUICE_SERVER_TELEMETRY_ATTEMPT_LOG_H_
#define SLUICE_SERVER_TELEMETRY_ATTEMPT_LOG_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "server/engine/call_observer.h"
#include "server/telemetry/line_writer.h"
#include "server/telemetry/log_line.h"

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
  LineWriterOptions lines;
};

// Owns the writer and an observer for each loop. Thread-safe.
class AttemptLog {
 public:
  using Clock = std::function<absl::Time()>;  // wall time; any thread

  AttemptLog(const AttemptLogOptions& options, LineWriter::Output output, Clock clock = absl::Now);
  // Writes what it has taken.
  ~AttemptLog();

  // For one loop. Lives as long as the log.
  CallObserver& AddLoop();

  // Returns when the output has had all lines so far.
  void Flush();
  LineWriterFigures figures() const;

 private:
  const AttemptLogOptions options_;
  const Clock clock_;
  std::unique_ptr<LineWriter> writer_;  // none when off
  std::mutex mutex_;
  std::vector<std::unique_ptr<CallObserver>> loops_ ABSL_GUARDED_BY(mutex_);
};

// Whole lines to standard error, between those of the program's other log.
void WriteLinesToStderr(std::string_view lines);

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_ATTEMPT_LOG_H_
