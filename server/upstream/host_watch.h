// Looks the host of a pool up anew from time to time and says which of its
// connections lead to an address that the name no longer has. A lookup that
// fails changes nothing; an address that was given as such is never looked up.
// Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_HOST_WATCH_H_
#define SLUICE_SERVER_UPSTREAM_HOST_WATCH_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "server/runtime/loop.h"
#include "server/upstream/connection.h"
#include "server/upstream/http_transport.h"
#include "server/upstream/name_lookup.h"

namespace sluice {

class HostWatch {
 public:
  // Asks for the host, and sees to it that OnAnswer is called with what came.
  using Ask = absl::AnyInvocable<void(const std::string& host, TimePoint asked)>;

  HostWatch(Loop& loop, const HttpEndpoint& endpoint, Ask ask);

  // There is a connection: it begins to look, if it does not already.
  void Begin();
  // The pool has none any more: until Begin.
  void Rest() { timer_.Cancel(); }
  void SetInterval(Duration interval);

  // Null: the lookup failed. True: connections may have gone().
  bool OnAnswer(TimePoint asked, std::shared_ptr<const AddressList> addresses);
  // Whether the name was looked up after the connection was made, and has its
  // address no longer.
  bool gone(Connection& connection) const;
  // Its address was seen to be gone: whoever keeps names is to ask anew.
  void Moved() { moved_at_ = answered_; }
  // Not long ago the answer changed: caches of names may still have the old one.
  bool moved_lately() const { return loop_.Now() < moved_at_ + interval_; }

 private:
  void LookUp();

  Loop& loop_;
  const std::string host_;  // empty: not watched
  Duration interval_;
  Ask ask_;
  Timer timer_;
  bool asking_ = false;
  std::shared_ptr<const AddressList> addresses_;
  TimePoint answered_ = absl::InfinitePast();  // when the answer was asked for
  TimePoint moved_at_ = absl::InfinitePast();
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_HOST_WATCH_H_
