// The log of a service: what spdlog is told, on standard error, as text or as
// one JSON object a line, through a writer that never makes anybody wait. Made
// by main once signals are blocked and before other threads log; lives until
// main ends.
#ifndef SLUICE_PROTO_LOG_PROGRAM_LOG_H_
#define SLUICE_PROTO_LOG_PROGRAM_LOG_H_

#include <memory>

#include "proto/log/line_writer.h"
#include "proto/log/log_line.h"

namespace sluice {

class ProgramLog {
 public:
  explicit ProgramLog(LogFormat format, const LineWriterOptions& options = {});
  // For tests: elsewhere than to standard error.
  ProgramLog(LogFormat format, const LineWriterOptions& options, LineWriter::Output output);
  // Closes.
  ~ProgramLog();

  // Writes what was logged, in bounded time (LineWriterOptions::close_within).
  // What is logged later is lost, and harms nobody.
  void Close();
  // For whole lines of others, like the call log. As long as this.
  LineWriter& writer() { return *writer_; }

 private:
  const std::shared_ptr<LineWriter> writer_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LOG_PROGRAM_LOG_H_
