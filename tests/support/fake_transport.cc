#include "tests/support/fake_transport.h"

#include "absl/strings/match.h"

namespace sluice {
namespace {

class FakeHead : public HttpHead {
 public:
  explicit FakeHead(const ExchangeStep& step) : step_(step) {}
  int status() const override { return step_.status; }
  std::string_view header(std::string_view name) const override {
    for (const auto& [key, value] : step_.headers) {
      if (absl::EqualsIgnoreCase(key, absl::string_view(name.data(), name.size()))) return value;
    }
    return {};
  }

 private:
  const ExchangeStep& step_;
};

class FakeExchange : public HttpExchange {
 public:
  FakeExchange(FakeTransport& transport, Loop& loop, Script script, HttpExchangeObserver* observer)
      : transport_(transport), loop_(loop), script_(std::move(script)), observer_(observer), timer_(loop) {
    ++transport_.live;
    Schedule();
  }
  ~FakeExchange() override {
    --transport_.live;
    if (!over_) ++transport_.closed_early;
  }

  bool sent_at_start() const override { return script_.sent_at_start; }
  void Pause() override {
    ++transport_.pauses;
    paused_ = true;
  }
  void Resume() override {
    ++transport_.resumes;
    paused_ = false;
    if (!timer_.is_set() && next_ < script_.steps.size()) {
      timer_.Set(loop_.Now(), [this] { Play(); });
    }
  }

 private:
  void Schedule() {
    if (next_ == script_.steps.size()) return;
    timer_.Set(loop_.Now() + script_.steps[next_].after, [this] { Play(); });
  }

  void Play() {
    if (paused_) return;  // Resume plays on
    // The observer may destroy the exchange.
    const ExchangeStep step = script_.steps[next_++];
    if (step.kind == ExchangeStep::Kind::kEnd || step.kind == ExchangeStep::Kind::kFail) {
      over_ = true;
    } else {
      Schedule();
    }
    Tell(step);
  }

  void Tell(const ExchangeStep& step) {
    switch (step.kind) {
      case ExchangeStep::Kind::kConnect:
        return observer_->OnConnected(false);
      case ExchangeStep::Kind::kHead: {
        const FakeHead head(step);
        return observer_->OnHead(head);
      }
      case ExchangeStep::Kind::kBody:
        return observer_->OnBody(step.text);
      case ExchangeStep::Kind::kEnd:
        return observer_->OnEnd();
      case ExchangeStep::Kind::kFail:
        return observer_->OnFailure(step.failure, step.text);
    }
  }

  FakeTransport& transport_;
  Loop& loop_;
  const Script script_;
  HttpExchangeObserver* observer_;
  size_t next_ = 0;
  bool paused_ = false;
  bool over_ = false;
  Timer timer_;
};

}  // namespace

Script& Script::Connect(Duration after) {
  steps.push_back({.kind = ExchangeStep::Kind::kConnect, .after = after, .headers = {}, .text = {}});
  return *this;
}

Script& Script::Pooled() {
  sent_at_start = true;
  return *this;
}

Script& Script::Head(int status, std::vector<std::pair<std::string, std::string>> headers, Duration after) {
  steps.push_back(
      {.kind = ExchangeStep::Kind::kHead, .after = after, .status = status, .headers = std::move(headers), .text = {}});
  return *this;
}

Script& Script::Body(std::string text, Duration after) {
  steps.push_back({.kind = ExchangeStep::Kind::kBody, .after = after, .headers = {}, .text = std::move(text)});
  return *this;
}

Script& Script::End(Duration after) {
  steps.push_back({.kind = ExchangeStep::Kind::kEnd, .after = after, .headers = {}, .text = {}});
  return *this;
}

Script& Script::Fail(HttpFailure failure, std::string message, Duration after) {
  steps.push_back({.kind = ExchangeStep::Kind::kFail,
                   .after = after,
                   .headers = {},
                   .text = std::move(message),
                   .failure = failure});
  return *this;
}

Script Script::Answer(std::string text) {
  return Script().Connect().Head(200).Body("role\nmodel m-1\n").Body("text " + text + "\n").Body("usage 3 5\nend\ndone\n").End();
}

Script Script::Status(int status, std::string body, std::vector<std::pair<std::string, std::string>> headers) {
  return Script().Connect().Head(status, std::move(headers)).Body(std::move(body)).End();
}

std::unique_ptr<HttpExchange> FakeTransport::Start(HttpRequest request, HttpExchangeObserver* observer) {
  Script plan = script(request, started.size());
  started.push_back({request.endpoint->host, loop_.Now(), std::move(request)});
  return std::make_unique<FakeExchange>(*this, loop_, std::move(plan), observer);
}

}  // namespace sluice
