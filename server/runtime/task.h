// A coroutine that is owned: the frame lives as long as the Task, and
// destroying a suspended one unwinds it. Lazy: nothing runs before Start() or
// co_await. One thread. Errors travel as values; an exception is a programming
// error and ends the program.
//
// g++ 12 miscompiles a capturing lambda or an aggregate temporary written
// inside a co_await expression: give it a name first.
#ifndef SLUICE_SERVER_RUNTIME_TASK_H_
#define SLUICE_SERVER_RUNTIME_TASK_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace sluice {

template <typename T = void>
class Task;

namespace task_internal {

class PromiseBase {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  // Symmetric transfer: a chain of tasks uses no stack.
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      const std::coroutine_handle<> next = done.promise().continuation_;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  void unhandled_exception() noexcept { std::terminate(); }

  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }

 private:
  std::coroutine_handle<> continuation_;
};

template <typename T>
class Promise : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T Take() { return *std::move(value_); }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace task_internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { Destroy(); }

  // Runs to the first suspension; for a task that nobody awaits. Once.
  void Start() { handle_.resume(); }
  // True for an empty task too.
  bool done() const { return !handle_ || handle_.done(); }

  // `co_await std::move(task)` runs it and gives its value; the task must
  // outlive the wait, as a local of the awaiting coroutine does.
  struct Awaiter {
    std::coroutine_handle<promise_type> task;
    bool await_ready() const { return task.done(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
      task.promise().set_continuation(waiter);
      return task;
    }
    T await_resume() { return task.promise().Take(); }
  };
  Awaiter operator co_await() && { return Awaiter{handle_}; }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  void Destroy() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

  std::coroutine_handle<promise_type> handle_;
};

namespace task_internal {

template <typename T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}

inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace task_internal
}  // namespace sluice

#endif  // SLUICE_SERVER_RUNTIME_TASK_H_
