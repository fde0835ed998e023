// When what a stream has to say may wait for more of it, so that fewer and
// larger messages are written (StreamOptions.coalesce). It only tells the time;
// what waits is the RPC's, and so is what must not wait whatever the time.
// Loop thread only.
//
// The first content of an answer never waits, nor does an event that comes when
// no message was written within the window: waiting would gain nothing there. What
// else comes waits for a window from the first that waits.
#ifndef SLUICE_SERVER_SERVICE_COALESCING_WINDOW_H_
#define SLUICE_SERVER_SERVICE_COALESCING_WINDOW_H_

#include "server/runtime/loop.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// The longest window: more would be felt as a stream that stands still.
inline constexpr Duration kMaxCoalesce = absl::Seconds(1);

// What the caller asks for, in either direction; `route`: for who does not say.
// Of options that CheckChatRequest accepts.
Duration CoalesceOf(const v1::StreamOptions& options, Duration route);

class CoalescingWindow {
 public:
  // `over`: what waited must go now.
  CoalescingWindow(Loop& loop, Duration length, Loop::Callback over);

  // An answer begins: nothing waits until its first content was added.
  void Begin();
  // An event is pending, in a message of its own or with others.
  void Added(bool content);
  // True if what is pending may wait still; then `over` is called in its time.
  bool Waits();
  // A message was written. `rest`: there is more, which waits no longer for it.
  void Written(bool rest);
  // What was pending is not to be written.
  void Clear();

 private:
  Loop& loop_;
  const Duration length_;
  Loop::Callback over_;
  Timer timer_;
  TimePoint written_ = absl::InfinitePast();
  // When what is pending must go; InfiniteFuture: nothing is.
  TimePoint due_ = absl::InfiniteFuture();
  // The first content is still to come.
  bool first_ = true;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_COALESCING_WINDOW_H_
