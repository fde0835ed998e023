#include "proto/log/line_writer.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"

namespace sluice {
namespace {

constexpr LineSort kSorts[kLineSorts] = {LineSort::kProgram, LineSort::kCalls};

// Signals are for the thread that waits for them.
std::thread StartWithoutSignals(std::function<void()> run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), "sluice-log");
  return thread;
}

// One sort's share of the buffer, its rate and its counts.
class Share {
 public:
  explicit Share(const LineLimits& limits)
      : limits_(limits), tokens_(static_cast<double>(limits.max_lines_per_second)) {}

  bool Admit(size_t bytes, absl::Time now) {
    if (pending_bytes_ + bytes > limits_.max_buffer_bytes) {
      ++figures_.dropped_by_buffer;
      return false;
    }
    if (!TakeToken(now)) {
      ++figures_.dropped_by_rate;
      return false;
    }
    pending_bytes_ += bytes;
    ++figures_.lines;
    return true;
  }
  // Half full: the rest of the interval could be too long to wait.
  bool filling() const { return pending_bytes_ > limits_.max_buffer_bytes / 2; }
  void Emptied() { pending_bytes_ = 0; }
  void Lost() { ++figures_.dropped_by_output; }

  uint64_t untold() const { return figures_.dropped() - told_; }
  // How many to tell now; with Untell it was not heard.
  uint64_t Tell() { return figures_.dropped() - std::exchange(told_, figures_.dropped()); }
  void Untell(uint64_t told) { told_ -= told; }
  const LineFigures& figures() const { return figures_; }

 private:
  bool TakeToken(absl::Time now) {
    if (limits_.max_lines_per_second == 0) return true;
    const double rate = static_cast<double>(limits_.max_lines_per_second);
    if (refilled_ == absl::InfinitePast() || now < refilled_) refilled_ = now;
    tokens_ = std::min(rate, tokens_ + absl::ToDoubleSeconds(now - refilled_) * rate);
    refilled_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  const LineLimits limits_;
  LineFigures figures_;
  size_t pending_bytes_ = 0;
  uint64_t told_ = 0;
  double tokens_;
  absl::Time refilled_ = absl::InfinitePast();
};

}  // namespace

// What the writer and its thread share; the thread keeps it when it outlives
// the writer.
class LineWriter::Queue {
 public:
  Queue(const LineWriterOptions& options, Output output, Notice notice)
      : options_(options),
        output_(std::move(output)),
        notice_(std::move(notice)),
        shares_{Share(options.program), Share(options.calls)} {}

  bool Write(LineSort sort, std::string_view line, absl::Time now);
  void Flush();
  // Whether the thread has ended in time.
  bool Close();
  LineWriterFigures figures() const;
  void Run();

 private:
  bool NoticeDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Untold() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitWork(std::unique_lock<std::mutex>& lock);
  void WriteBatch(std::unique_lock<std::mutex>& lock);
  void TakeNotices() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountLost(size_t taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t Put();

  const LineWriterOptions options_;
  const Output output_;
  const Notice notice_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable written_;
  std::string pending_ ABSL_GUARDED_BY(mutex_);
  std::string pending_sorts_ ABSL_GUARDED_BY(mutex_);  // a LineSort a line
  std::array<Share, kLineSorts> shares_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_notice_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;  // until there is work
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;   // the interval is cut short
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;

  // The thread's only.
  std::string batch_;
  std::string batch_sorts_;
  std::array<uint64_t, kLineSorts> to_tell_{};
  bool torn_ = false;  // the last write broke off within a line
};

bool LineWriter::Queue::Write(LineSort sort, std::string_view line, absl::Time now) {
  bool kept;
  bool wake;
  {
    std::lock_guard lock(mutex_);
    Share& share = shares_[static_cast<size_t>(sort)];
    kept = !stop_ && share.Admit(line.size(), now);
    if (kept) {
      pending_.append(line);
      pending_sorts_.push_back(static_cast<char>(sort));
    }
    const bool in_haste = share.filling() || (kept && sort == LineSort::kProgram);
    wake = asleep_ || (in_haste && !hurry_);
    hurry_ = hurry_ || in_haste;
    asleep_ = false;
  }
  if (wake) work_.notify_one();
  return kept;
}

void LineWriter::Queue::Flush() {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  asleep_ = false;
  work_.notify_one();
  written_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ended_ || (pending_.empty() && !writing_); });
}

bool LineWriter::Queue::Close() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  work_.notify_one();
  return written_.wait_for(lock, absl::ToChronoNanoseconds(options_.close_within),
                           [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ended_; });
}

LineWriterFigures LineWriter::Queue::figures() const {
  std::lock_guard lock(mutex_);
  LineWriterFigures figures;
  for (size_t i = 0; i < kLineSorts; ++i) figures.sorts[i] = shares_[i].figures();
  return figures;
}

bool LineWriter::Queue::Untold() const {
  return std::any_of(shares_.begin(), shares_.end(), [](const Share& share) { return share.untold() > 0; });
}

bool LineWriter::Queue::NoticeDue() const { return Untold() && (stop_ || absl::Now() >= next_notice_); }

void LineWriter::Queue::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    AwaitWork(lock);
    WriteBatch(lock);
    if (stop_ && pending_.empty()) break;
    work_.wait_for(lock, absl::ToChronoNanoseconds(options_.interval),
                   [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || hurry_; });
  }
  ended_ = true;
  written_.notify_all();
}

void LineWriter::Queue::AwaitWork(std::unique_lock<std::mutex>& lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  while (!stop_ && pending_.empty() && !NoticeDue() && !hurry_) {
    asleep_ = true;
    if (Untold()) {
      work_.wait_until(lock, absl::ToChronoTime(next_notice_));
    } else {
      work_.wait(lock);
    }
  }
  asleep_ = false;
}

void LineWriter::Queue::WriteBatch(std::unique_lock<std::mutex>& lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  hurry_ = false;
  writing_ = true;
  std::swap(batch_, pending_);
  std::swap(batch_sorts_, pending_sorts_);
  for (Share& share : shares_) share.Emptied();
  if (NoticeDue()) TakeNotices();
  lock.unlock();
  const size_t taken = Put();
  lock.lock();
  CountLost(taken);
  batch_.clear();
  batch_sorts_.clear();
  writing_ = false;
  written_.notify_all();
}

void LineWriter::Queue::TakeNotices() {
  for (size_t i = 0; i < kLineSorts; ++i) to_tell_[i] = shares_[i].Tell();
  next_notice_ = absl::Now() + options_.notice_interval;
}

// How many bytes of the batch the output took, notices and all.
size_t LineWriter::Queue::Put() {
  for (size_t i = 0; i < kLineSorts; ++i) {
    if (to_tell_[i] > 0) batch_ += notice_(kSorts[i], to_tell_[i]);
  }
  if (batch_.empty()) return 0;
  // What was left of a line is not to have the next one at its end.
  if (torn_ && output_("\n") == 0) return 0;
  torn_ = false;
  const size_t taken = std::min(output_(batch_), batch_.size());
  torn_ = taken > 0 && batch_[taken - 1] != '\n';
  return taken;
}

// A line that was written in part is lost too. Notices come last, after the
// lines that have a sort: what was not heard is told again.
void LineWriter::Queue::CountLost(size_t taken) {
  const auto told = std::exchange(to_tell_, {});
  if (taken == batch_.size()) return;
  for (size_t i = 0; i < kLineSorts; ++i) shares_[i].Untell(told[i]);
  const auto whole = std::count(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(taken), '\n');
  for (size_t i = static_cast<size_t>(whole); i < batch_sorts_.size(); ++i) {
    shares_[static_cast<size_t>(batch_sorts_[i])].Lost();
  }
}

LineWriter::LineWriter(const LineWriterOptions& options, Output output, Notice notice)
    : queue_(std::make_shared<Queue>(options, std::move(output), std::move(notice))),
      thread_(StartWithoutSignals([queue = queue_] { queue->Run(); })) {}

LineWriter::~LineWriter() { Close(); }

bool LineWriter::Write(LineSort sort, std::string_view line, absl::Time now) {
  return queue_->Write(sort, line, now);
}

void LineWriter::Flush() { queue_->Flush(); }

bool LineWriter::Close() {
  std::lock_guard lock(close_mutex_);
  if (!thread_.joinable()) return true;
  if (queue_->Close()) {
    thread_.join();
    return true;
  }
  thread_.detach();
  return false;
}

LineWriterFigures LineWriter::figures() const { return queue_->figures(); }

}  // namespace sluice
