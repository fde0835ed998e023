// One exchange with one endpoint: HTTP news and timers become messages to the
// call. Owns the decoder and every timer of an attempt. On the call's loop.
#ifndef SLUICE_SERVER_ENGINE_ATTEMPT_H_
#define SLUICE_SERVER_ENGINE_ATTEMPT_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/codec/wire_format.h"
#include "server/engine/call_message.h"
#include "server/engine/call_request.h"
#include "server/engine/lingerer.h"
#include "server/resilience/failure.h"
#include "server/runtime/loop.h"
#include "server/runtime/mailbox.h"
#include "server/upstream/http_transport.h"

namespace sluice {

struct AttemptLimits {
  Duration connect;
  Duration first_content;
  Duration idle;
  Duration total;  // InfiniteDuration for streams
  Duration end_grace;
  AnswerOptions answer;
};

struct AttemptFailure {
  FailureKind kind = FailureKind::kNone;
  std::string message;  // one line for people
  std::string field;    // of the caller's request, where that is wrong
  std::optional<Duration> retry_after;
  // The prompt is longer than the model's context.
  bool context_exceeded = false;
  // What the upstream refuses of the request's form.
  FormParts refused;
  // The answer is larger than what may be collected: trying again would give
  // the same.
  bool too_large = false;
};

class Attempt final : public HttpExchangeObserver, private StreamEventHandler {
 public:
  // An error's body tells its kind in its first lines; more is not read, and
  // not waited for.
  static constexpr size_t kMaxErrorBody = 16 << 10;
  static constexpr Duration kErrorBodyWait = absl::Seconds(2);

  // `request` must live until the attempt has shown content or is over.
  Attempt(Loop& loop, Mailbox<CallMessage>& inbox, const WireFormat& format, const CallRequest& request,
          const AttemptLimits& limits);

  // Tells the inbox kConnected, kEvent…, then once kAnswered or kFailed; the attempt may be
  // destroyed from within those last two. True: it is connected already, and
  // kConnected will not come.
  [[nodiscard]] bool Start(HttpTransport& transport, HttpRequest request);

  // To another inbox from here on. The request must live as before.
  void ReportTo(Mailbox<CallMessage>& inbox) { inbox_ = &inbox; }

  // Back-pressure. Silence that we asked for does not count as idle.
  void Pause();
  void Resume();
  bool paused() const { return paused_; }
  // Its reader was slower than the upstream, some time or other.
  bool was_paused() const { return was_paused_; }

  // For the receiver of an event: fails the attempt as soon as the bytes at
  // hand are decoded; no further event comes.
  void Abort(AttemptFailure failure) { failure_ = std::move(failure); }

  // After kFailed.
  const AttemptFailure& failure() const { return failure_; }
  int http_status() const { return http_status_; }  // 0: no response came
  std::optional<TimePoint> first_content() const { return first_content_; }
  const UsageCounts& usage() const { return usage_; }

  // An answer that is whole though its stream has not ended is taken as it is:
  // kAnswered then comes before this returns, and the attempt may be gone. False:
  // it is not.
  bool TakeWhole();

  // After kAnswered: whether the transport has still to see the end, and may: what
  // did not end in time is closed, never used again.
  bool exchange_open() const { return !transport_ended_ && !given_up_; }
  // Says nothing to the call any more; the lingerer is told of the end.
  void Linger(Lingerer& lingerer, Duration grace);

  void OnConnected(bool reused) override;
  void OnHead(const HttpHead& head) override;
  void OnBody(std::string_view bytes) override;
  void OnEnd() override;
  void OnFailure(HttpFailure failure, std::string_view message) override;

 private:
  void OnEvent(const StreamEvent& event) override;
  void WatchAnswer();
  void ReadErrorHead(const HttpHead& head);
  void ClassifyErrorBody();
  // The following report last: nothing of the attempt is touched after.
  void AfterDecoding(ResponseDecoder::State state);
  // Fails, unless what came is whole.
  void TimeOut(const char* what, Duration limit);
  std::string WithContentType(std::string message) const;
  void FailAsTold(const UpstreamError& error);
  void Fail(FailureKind kind, std::string message);
  void Report(CallMessage::Kind kind);
  void Tell(CallMessage::Kind kind);
  void LingerEnded();
  void WatchEvents();
  void SilenceDue(Duration patience);

  Loop& loop_;
  Mailbox<CallMessage>* inbox_;
  const WireFormat& format_;
  const CallRequest& request_;
  const AttemptLimits limits_;

  std::unique_ptr<ResponseDecoder> decoder_;  // from a head that can be decoded
  bool reading_error_ = false;
  bool transport_ended_ = false;
  bool given_up_ = false;
  bool awaits_end_ = false;  // the answer was whole once
  bool paused_ = false;
  bool was_paused_ = false;
  int http_status_ = 0;
  std::optional<TimePoint> first_content_;
  TimePoint last_event_;
  std::string odd_content_type_;  // of an answer, where it is no usual one
  UsageCounts usage_;
  AttemptFailure failure_;
  std::string error_body_;  // of an error answer
  Lingerer* lingerer_ = nullptr;

  Timer watch_;  // connect, first content, idle, the stream's end; or the error's body
  Timer total_;
  // Last: destroyed first, for it knows this observer.
  std::unique_ptr<HttpExchange> exchange_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ATTEMPT_H_
