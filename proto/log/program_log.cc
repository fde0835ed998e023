#include "proto/log/program_log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "proto/log/output.h"

namespace sluice {
namespace {

// One call of spdlog is one line, whatever it quotes.
class WriterSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  WriterSink(LogFormat format, std::shared_ptr<LineWriter> writer) : format_(format), writer_(std::move(writer)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const absl::Time now = absl::FromChrono(message.time);
    const auto level = spdlog::level::to_string_view(message.level);
    LogLine line(format_, buffer_);
    line.Begin(clock_, now, {level.data(), level.size()}, {message.payload.data(), message.payload.size()});
    line.End();
    writer_->Write(LineSort::kProgram, buffer_, now);
  }
  // The writer's thread does, at once.
  void flush_() override {}

 private:
  const LogFormat format_;
  const std::shared_ptr<LineWriter> writer_;
  LogClock clock_;
  std::string buffer_;
};

LineWriter::Notice DroppedNotice(LogFormat format) {
  return [format](LineSort sort, uint64_t dropped) {
    LogClock clock;
    std::string buffer;
    LogLine line(format, buffer);
    line.Begin(clock, absl::Now(), "warning", sort == LineSort::kCalls ? "call_log_dropped" : "log_dropped");
    line.Number("lines", static_cast<int64_t>(dropped));
    line.End();
    return buffer;
  };
}

}  // namespace

ProgramLog::ProgramLog(LogFormat format, const LineWriterOptions& options)
    : ProgramLog(format, options, [](std::string_view lines) { return WriteAll(STDERR_FILENO, lines); }) {}

ProgramLog::ProgramLog(LogFormat format, const LineWriterOptions& options, LineWriter::Output output)
    : writer_(std::make_shared<LineWriter>(options, std::move(output), DroppedNotice(format))) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("sluice", std::make_shared<WriterSink>(format, writer_)));
}

ProgramLog::~ProgramLog() { Close(); }

void ProgramLog::Close() { writer_->Close(); }

}  // namespace sluice
