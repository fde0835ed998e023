#include "server/health/health_probe.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice {

void HealthProbe::Start(HttpTransport& transport, HttpRequest request, Duration timeout) {
  timeout_.Set(loop_.Now() + timeout, [this, timeout] {
    Finish(Verdict::kFailed, absl::StrCat("no answer within ", absl::FormatDuration(timeout)));
  });
  exchange_ = transport.Start(std::move(request), this);
}

void HealthProbe::OnBody(std::string_view bytes) {
  body_bytes_ += bytes.size();
  if (body_bytes_ > kMaxBody) Judge();
}

void HealthProbe::OnFailure(HttpFailure failure, std::string_view message) {
  const bool ours = failure == HttpFailure::kPoolFull || failure == HttpFailure::kNoDescriptor;
  Finish(ours ? Verdict::kNoRoom : Verdict::kFailed, std::string(message));
}

void HealthProbe::Judge() {
  if (status_ >= 200 && status_ <= 299) return Finish(Verdict::kPassed, "");
  Finish(Verdict::kFailed, absl::StrCat("HTTP ", status_));
}

void HealthProbe::Finish(Verdict verdict, std::string reason) {
  const Result result{verdict, std::move(reason)};
  // The callback may destroy this probe, and with it what is called.
  Done done = std::move(done_);
  done(result);
}

}  // namespace sluice
