// Who calls when: begins calls over the ramp and anew, cancels them, and ends
// the load. Both load generators' loops ask it; it owns no socket.
#ifndef SLUICE_TESTS_BENCH_SCHEDULE_H_
#define SLUICE_TESTS_BENCH_SCHEDULE_H_

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "tests/bench/load_plan.h"
#include "tests/bench/recorder.h"

namespace sluice::bench {

// One call: its number, and how it is to be answered.
struct Call {
  uint64_t number = 0;
  AnswerScript answer;
};

// One caller, who makes one call after the other.
class Caller {
 public:
  explicit Caller(size_t index) : index_(index) {}
  virtual ~Caller() = default;

  virtual void Start(const Call& call) = 0;
  // Gives the call up. True when that ended it; else Schedule::Ended comes later.
  virtual bool Cancel() = 0;

  size_t index() const { return index_; }
  const StreamProgress& progress() const { return progress_; }

 protected:
  StreamProgress progress_;

 private:
  const size_t index_;
};

class Schedule {
 public:
  // `callers[i]->index()` is i. All outlive it.
  Schedule(const LoadPlan& plan, Recorder& recorder, std::vector<Caller*> callers);

  // Does what is due. Returns when it has something to do next.
  int64_t Step(int64_t now_ns);
  // A call ended, however.
  void Ended(const Caller& caller);
  bool over() const { return begun_ == seats_.size() && open_ == 0 && due_.empty(); }

 private:
  struct Seat {
    Caller* caller = nullptr;
    uint64_t call = 0;
    bool open = false;
  };
  struct Due {
    int64_t when_ns;
    size_t index;
    // The call to cancel; 0: begin one.
    uint64_t cancel;
    bool operator>(const Due& other) const { return when_ns > other.when_ns; }
  };

  void Begin(Seat& seat);
  void Cancel(Seat& seat);
  void Abandon(int64_t now_ns);

  const LoadPlan& plan_;
  Recorder& recorder_;
  std::vector<Seat> seats_;
  size_t begun_ = 0;
  size_t open_ = 0;
  uint64_t calls_ = 0;
  bool closed_ = false;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_SCHEDULE_H_
