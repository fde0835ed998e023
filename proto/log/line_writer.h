// Takes lines of log from threads that must not wait, and writes them from a
// thread of its own. Bounded in memory and in rate; what does not fit, and what
// the output does not take, is dropped and counted.
//
// One writer for the program's lines and those of its call log: all go out in
// the order in which they came, none torn by another. Each sort has a share of
// the buffer and a rate of its own, so that an outage that fails every call
// pushes out no line of the program.
#ifndef SLUICE_PROTO_LOG_LINE_WRITER_H_
#define SLUICE_PROTO_LOG_LINE_WRITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

namespace sluice {

enum class LineSort : uint8_t { kProgram, kCalls };
inline constexpr size_t kLineSorts = 2;

struct LineLimits {
  // Lines that wait to be written. As much again is held while it is written.
  size_t max_buffer_bytes = 1 << 20;
  // With a burst of one second's worth; 0: any.
  int64_t max_lines_per_second = 0;
};

struct LineWriterOptions {
  // Few and precious: no rate, and room for thousands.
  LineLimits program;
  // An outage fails every call, and must not fill a disk as well.
  LineLimits calls = {1 << 20, 1000};
  // The first line goes out at once, what follows waits this long, so that a
  // busy call log costs few wake-ups. The program's lines wait for nothing.
  absl::Duration interval = absl::Milliseconds(50);
  // Between two notices of dropped lines.
  absl::Duration notice_interval = absl::Seconds(1);
  // At the end, what is not written by then is given up: the reader of a full
  // pipe may never come back, and the program is to end. A disk takes a full
  // buffer in a tenth of it.
  absl::Duration close_within = absl::Seconds(1);
};

// Of one sort.
struct LineFigures {
  uint64_t lines = 0;  // taken, notices not counted
  uint64_t dropped_by_rate = 0;
  uint64_t dropped_by_buffer = 0;
  uint64_t dropped_by_output = 0;  // taken, then refused: a full disk
  uint64_t dropped() const { return dropped_by_rate + dropped_by_buffer + dropped_by_output; }
};

struct LineWriterFigures {
  std::array<LineFigures, kLineSorts> sorts;
  const LineFigures& of(LineSort sort) const { return sorts[static_cast<size_t>(sort)]; }
};

// Thread-safe.
class LineWriter {
 public:
  // Gets whole lines, many at a time, and returns how many bytes it took; may
  // block for ever. On the writer's thread only, which may outlive the writer
  // while the output blocks: it is to refer to nothing that ends before the
  // program.
  using Output = std::function<size_t(std::string_view lines)>;
  // A whole line that tells how many were dropped since the last such line. On
  // the writer's thread only, and as the output in its life.
  using Notice = std::function<std::string(LineSort sort, uint64_t dropped)>;

  LineWriter(const LineWriterOptions& options, Output output, Notice notice);
  // Closes.
  ~LineWriter();

  // `line` ends with a newline. `now` drives the rate: its clock may go back.
  // False: dropped. Never waits for the output.
  bool Write(LineSort sort, std::string_view line, absl::Time now);
  // Returns when the output has had all that was taken before; with an output
  // that blocks, never.
  void Flush();
  // Writes what was taken, for LineWriterOptions::close_within at most; takes
  // nothing more. False: the output did not take all in time.
  bool Close();
  LineWriterFigures figures() const;

 private:
  class Queue;

  const std::shared_ptr<Queue> queue_;
  std::mutex close_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(close_mutex_);
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LOG_LINE_WRITER_H_
