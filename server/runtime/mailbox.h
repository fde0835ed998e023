// Where all that can happen to one coroutine arrives, in order, at one awaiting
// point. One thread, one consumer, any number of senders on that thread.
#ifndef SLUICE_SERVER_RUNTIME_MAILBOX_H_
#define SLUICE_SERVER_RUNTIME_MAILBOX_H_

#include <coroutine>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

template <typename Message>
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // A consumer that waits is resumed before this returns, so that what the
  // message points to may be the sender's own, and the sender may be destroyed
  // by it. Otherwise the message is queued; a message with views must then not
  // be sent (receives_inline() is false only while the consumer itself runs).
  void Push(Message message) {
    if (!waiter_) {
      queue_.push_back(std::move(message));
      return;
    }
    handed_.emplace(std::move(message));
    // The consumer may destroy this mailbox: nothing of it is used after.
    std::exchange(waiter_, nullptr).resume();
  }

  // Whether a Push now would be received before it returns.
  bool receives_inline() const { return waiter_ != nullptr; }

  class NextAwaiter {
   public:
    explicit NextAwaiter(Mailbox& mailbox) : mailbox_(mailbox) {}
    bool await_ready() const { return !mailbox_.queue_.empty(); }
    void await_suspend(std::coroutine_handle<> consumer) { mailbox_.waiter_ = consumer; }
    Message await_resume() { return mailbox_.Take(); }

   private:
    Mailbox& mailbox_;
  };

  // `Message m = co_await mailbox.Next();` The mailbox outlives the wait, or
  // the waiting coroutine is destroyed with it.
  NextAwaiter Next() { return NextAwaiter(*this); }

 private:
  Message Take() {
    if (handed_) {
      Message message = *std::move(handed_);
      handed_.reset();
      return message;
    }
    Message message = std::move(queue_.front());
    queue_.erase(queue_.begin());
    return message;
  }

  // Mostly empty, never long: a deque would hold half a KiB for nothing.
  std::vector<Message> queue_;
  std::optional<Message> handed_;
  std::coroutine_handle<> waiter_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RUNTIME_MAILBOX_H_
