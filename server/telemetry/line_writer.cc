#include "server/telemetry/line_writer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"

namespace sluice {

LineWriter::LineWriter(LineWriterOptions options, Output output, Notice notice)
    : options_(options),
      output_(std::move(output)),
      notice_(std::move(notice)),
      tokens_(static_cast<double>(options.max_lines_per_second)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "sluice-log");
}

LineWriter::~LineWriter() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool LineWriter::Write(std::string_view line, absl::Time now) {
  bool kept;
  bool wake;
  {
    std::lock_guard lock(mutex_);
    kept = Admit(line.size(), now);
    if (kept) pending_.append(line);
    // Half full: the rest of the interval could be too long to wait.
    const bool filling = pending_.size() > options_.max_buffer_bytes / 2;
    wake = asleep_ || (filling && !hurry_);
    hurry_ = hurry_ || filling;
    asleep_ = false;
  }
  if (wake) work_.notify_one();
  return kept;
}

bool LineWriter::Admit(size_t bytes, absl::Time now) {
  if (pending_.size() + bytes > options_.max_buffer_bytes) {
    ++figures_.dropped_by_buffer;
    return false;
  }
  if (!TakeToken(now)) {
    ++figures_.dropped_by_rate;
    return false;
  }
  ++figures_.lines;
  return true;
}

bool LineWriter::TakeToken(absl::Time now) {
  if (options_.max_lines_per_second == 0) return true;
  const double rate = static_cast<double>(options_.max_lines_per_second);
  if (refilled_ == absl::InfinitePast() || now < refilled_) refilled_ = now;
  tokens_ = std::min(rate, tokens_ + absl::ToDoubleSeconds(now - refilled_) * rate);
  refilled_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void LineWriter::Flush() {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  asleep_ = false;
  work_.notify_one();
  written_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return pending_.empty() && !writing_; });
}

LineWriterFigures LineWriter::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

bool LineWriter::NoticeDue() const {
  return figures_.dropped() > dropped_told_ && (stop_ || absl::Now() >= next_notice_);
}

void LineWriter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    AwaitWork(lock);
    WriteBatch(lock);
    if (stop_ && pending_.empty()) return;
    work_.wait_for(lock, absl::ToChronoNanoseconds(options_.interval),
                   [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || hurry_; });
  }
}

void LineWriter::AwaitWork(std::unique_lock<std::mutex>& lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  while (!stop_ && pending_.empty() && !NoticeDue() && !hurry_) {
    asleep_ = true;
    if (figures_.dropped() > dropped_told_) {
      work_.wait_until(lock, absl::ToChronoTime(next_notice_));
    } else {
      work_.wait(lock);
    }
  }
  asleep_ = false;
}

void LineWriter::WriteBatch(std::unique_lock<std::mutex>& lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  hurry_ = false;
  writing_ = true;
  std::swap(batch_, pending_);
  uint64_t dropped = 0;
  if (NoticeDue()) {
    dropped = figures_.dropped() - dropped_told_;
    dropped_told_ = figures_.dropped();
    next_notice_ = absl::Now() + options_.notice_interval;
  }
  lock.unlock();
  if (dropped > 0) batch_ += notice_(dropped);
  if (!batch_.empty()) output_(batch_);
  batch_.clear();
  lock.lock();
  writing_ = false;
  written_.notify_all();
}

}  // namespace sluice
