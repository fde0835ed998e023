// Takes lines of log from threads that must not wait, and writes them from a
// thread of its own. Bounded in memory and in rate; what does not fit is
// dropped and counted.
#ifndef SLUICE_SERVER_TELEMETRY_LINE_WRITER_H_
#define SLUICE_SERVER_TELEMETRY_LINE_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

namespace sluice {

struct LineWriterOptions {
  // Lines that wait to be written. As much again is held while it is written.
  size_t max_buffer_bytes = 1 << 20;
  // With a burst of one second's worth; 0: any. An outage fails every call,
  // and must not fill a disk as well.
  int64_t max_lines_per_second = 1000;
  // The first line goes out at once, what follows waits this long, so that a
  // busy log costs few wake-ups.
  absl::Duration interval = absl::Milliseconds(50);
  // Between two notices of dropped lines.
  absl::Duration notice_interval = absl::Seconds(1);
};

struct LineWriterFigures {
  uint64_t lines = 0;  // taken, notices not counted
  uint64_t dropped_by_rate = 0;
  uint64_t dropped_by_buffer = 0;
  uint64_t dropped() const { return dropped_by_rate + dropped_by_buffer; }
};

// Thread-safe.
class LineWriter {
 public:
  // Gets whole lines, many at a time; may block. On the writer's thread only.
  using Output = std::function<void(std::string_view lines)>;
  // A whole line that tells how many were dropped since the last such line. On
  // the writer's thread only.
  using Notice = std::function<std::string(uint64_t dropped)>;

  LineWriter(LineWriterOptions options, Output output, Notice notice);
  // Writes what it has taken.
  ~LineWriter();

  // `line` ends with a newline. `now` drives the rate: its clock may go back.
  // False: dropped. Never waits for the output.
  bool Write(std::string_view line, absl::Time now);
  // Returns when the output has had all that was taken before.
  void Flush();
  LineWriterFigures figures() const;

 private:
  bool Admit(size_t bytes, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeToken(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NoticeDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  void AwaitWork(std::unique_lock<std::mutex>& lock);
  void WriteBatch(std::unique_lock<std::mutex>& lock);

  const LineWriterOptions options_;
  const Output output_;
  const Notice notice_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable written_;
  std::string pending_ ABSL_GUARDED_BY(mutex_);
  LineWriterFigures figures_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_told_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time next_notice_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  double tokens_ ABSL_GUARDED_BY(mutex_);
  absl::Time refilled_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;  // until there is work
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;   // the interval is cut short
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  std::string batch_;  // writer's thread only
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_LINE_WRITER_H_
