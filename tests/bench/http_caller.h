// A caller with one HTTP/1.1 connection, kept from call to call.
#ifndef SLUICE_TESTS_BENCH_HTTP_CALLER_H_
#define SLUICE_TESTS_BENCH_HTTP_CALLER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/bench/byte_stream.h"
#include "tests/bench/dechunker.h"
#include "tests/bench/load_plan.h"
#include "tests/bench/recorder.h"
#include "tests/bench/schedule.h"

namespace sluice::bench {

// The request, head and body.
std::string HttpRequestOf(const LoadPlan& plan, const Call& call);

class HttpCaller : public Caller {
 public:
  // `request` is that of every call that needs no number. `tls` is null without
  // TLS; `epoll` tells when the connection is readable, with a pointer to this.
  HttpCaller(size_t index, const LoadPlan& plan, const std::string& request, SSL_CTX* tls, int epoll,
             Recorder& recorder);

  // Connects, and makes one call to its end. False when that failed.
  bool WarmUp();

  void Start(const Call& call) override;
  bool Cancel() override;

  // Reads what is there. False when the call has ended.
  bool OnReadable();

 private:
  void Connect();
  void Send(const std::string& request);
  // What came: more is to come, it ended well, or it failed.
  enum class Progress { kOpen, kDone, kFailed };
  Progress Take(bool count);
  Progress Done();
  Progress Failed(std::string what);
  // Leaves the rest in `bytes`; false when the head is not whole yet.
  bool TakeHead(std::string_view& bytes);
  void TakeStamps();

  const LoadPlan& plan_;
  const std::string& request_;
  SSL_CTX* const tls_;
  const int epoll_;
  Recorder& recorder_;
  std::optional<ByteStream> socket_;
  bool in_call_ = false;
  std::string head_;
  bool in_body_ = false;
  Dechunker dechunker_;
  std::string body_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_HTTP_CALLER_H_
