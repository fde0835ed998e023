// What is logged while this lives, in place of standard error. One at a time.
#ifndef SLUICE_TESTS_CONTROLPLANE_LOG_LINES_H_
#define SLUICE_TESTS_CONTROLPLANE_LOG_LINES_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "spdlog/sinks/base_sink.h"
#include "spdlog/spdlog.h"

namespace sluice {

class LogLines {
 public:
  LogLines() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_));
  }
  ~LogLines() { spdlog::set_default_logger(before_); }

  // "info revision 1 by anna: …", and forgets them.
  std::vector<std::string> Take() { return sink_->Take(); }

 private:
  class Sink : public spdlog::sinks::base_sink<std::mutex> {
   public:
    std::vector<std::string> Take() {
      std::lock_guard lock(mutex_);
      return std::exchange(lines_, {});
    }

   protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
      const auto level = spdlog::level::to_string_view(message.level);
      lines_.push_back(std::string(level.data(), level.size()) + " " +
                       std::string(message.payload.data(), message.payload.size()));
    }
    void flush_() override {}

   private:
    std::vector<std::string> lines_;
  };

  std::shared_ptr<Sink> sink_ = std::make_shared<Sink>();
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONTROLPLANE_LOG_LINES_H_
