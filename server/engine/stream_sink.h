// Where a call's events go: the seam between the engine and the gRPC face.
#ifndef SLUICE_SERVER_ENGINE_STREAM_SINK_H_
#define SLUICE_SERVER_ENGINE_STREAM_SINK_H_

#include <cstddef>
#include <string_view>

#include "server/codec/stream_event.h"
#include "server/engine/call_record.h"

namespace sluice {

// All on the call's loop thread. The sink never calls the engine back from
// within one of these.
class StreamSink {
 public:
  virtual ~StreamSink() = default;

  // Before the first content; the call is committed now if the sink shows
  // content at once. Again after a Discard, for another upstream.
  // `served_by`: "upstream/endpoint", or "fallback/name" of a static answer.
  virtual void Started(std::string_view served_by, std::string_view model) = 0;
  // In order. Valid for the call: the sink copies or serialises.
  virtual void Write(const StreamEvent& event) = 0;
  // Bytes taken and not yet handed to the caller's transport. Above the
  // route's bound the engine stops reading the upstream, until the sink's owner
  // says Call::SinkDrained().
  virtual size_t pending_bytes() const = 0;
  // False for a sink that collects: nothing is shown before Finish, so that a
  // call may be retried after content. Such a sink may be told to Discard.
  virtual bool shows_content() const = 0;
  virtual void Discard() = 0;
  // The stream was cut after content was shown, and begins anew elsewhere: what
  // was shown is void. The caller asked for this (allow_restart); Started
  // follows. Only with shows_content.
  virtual void Restart() = 0;
  // The call is over; the last thing the engine says. The call may be
  // destroyed from here on, but not within.
  virtual void Finish(const CallRecord& record) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_STREAM_SINK_H_
