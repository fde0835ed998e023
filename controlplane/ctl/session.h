// One run of sluicectl: where its output goes, what the global options say, and
// the connection to the control plane. One thread.
#ifndef SLUICE_CONTROLPLANE_CTL_SESSION_H_
#define SLUICE_CONTROLPLANE_CTL_SESSION_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "controlplane/ctl/exit_code.h"
#include "controlplane/ctl/output.h"
#include "controlplane/ctl/time_text.h"
#include "grpcpp/grpcpp.h"
#include "proto/connection/connection_settings.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice::ctl {

// The outside world, so that tests can stand in for it.
struct CtlIo {
  std::ostream& out;
  std::ostream& err;
  // `out` is a terminal and NO_COLOR is not set.
  bool color = false;
  // `out` is a terminal.
  bool terminal = false;
  // Of the terminal: lines of tables end there. 0: it is none.
  size_t width = 0;
  std::function<absl::Time()> now = [] { return absl::Now(); };
  // Of the times of day that are shown.
  absl::TimeZone zone = absl::LocalTimeZone();
  // Set by Ctrl-C; ends --watch. Null: never.
  const std::atomic<bool>* stop = nullptr;
  // Where a person answers questions; null: there is nobody to ask.
  std::istream* in = nullptr;
  Environment environment = ProcessEnvironment();
};

struct GlobalOptions {
  // Where the control plane is and how it is spoken to. `timeout`, as typed,
  // bounds every RPC and the wait for data planes.
  ConnectionFlags connection;
  std::string reason;
  std::string author;
  bool no_wait = false;
};

enum class Color { kNone, kRed, kGreen, kYellow, kDim };

// `text` in a colour, or as it is without `enabled`. For `out << Paint(…)`: the
// colour goes past what makes text safe, the text does not.
struct Painted {
  std::string text;
  Color color;
};
Painted Paint(std::string text, Color color, bool enabled);
std::ostream& operator<<(std::ostream& out, const Painted& painted);

class Session {
 public:
  Session(CtlIo io, Output& output, GlobalOptions options)
      : io_(std::move(io)), output_(output), options_(std::move(options)) {}

  // Reads the options; does not wait for the network. Not kOk: said why.
  ExitCode Open();

  // One RPC within the timeout.
  template <class Request, class Response>
  grpc::Status Call(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response, absl::Duration extra = absl::ZeroDuration()) {
    grpc::ClientContext context;
    Prepare(context, timeout_ + extra);
    return (stub_.get()->*method)(&context, request, response);
  }

  // A stream to its end, or until `take` says false, which ends it with
  // CANCELLED.
  template <class Request, class Response>
  grpc::Status ReadStream(
      std::unique_ptr<grpc::ClientReader<Response>> (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&),
      const Request& request, absl::Duration within, const std::function<bool(const Response&)>& take) {
    grpc::ClientContext context;
    Prepare(context, within);
    const auto reader = (stub_.get()->*method)(&context, request);
    Response response;
    while (reader->Read(&response)) {
      if (!take(response)) context.TryCancel();
    }
    return reader->Finish();
  }

  // A change of policies: fills in who and why, and asks again once when the
  // connection broke. The request_id makes that safe.
  template <class Request, class Response>
  grpc::Status Change(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      Request& request, Response* response) {
    changing_ = true;
    request.set_request_id(NewRequestId());
    request.set_reason(options_.reason);
    request.set_author(options_.author);
    const grpc::Status status = Call(method, request, response);
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return status;
    return Call(method, request, response);
  }

  // Says what went wrong on err, typed details included.
  ExitCode Fail(const grpc::Status& status) const;
  // "sluicectl: …" on err.
  ExitCode Fail(ExitCode code, const std::string& message) const;
  // Of a change that certainly was not made: says that too.
  ExitCode FailUnchanged(const grpc::Status& status) const;

  // kOk after a yes, which `yes` is. Where nobody can be asked, says that `flag`
  // needs --yes there.
  ExitCode Confirm(const std::string& question, const std::string& flag, bool yes) const;
  bool interactive() const { return io_.in != nullptr; }

  // All that is printed: see output.h. out() is for people, and dropped in other
  // forms; err() is part of the error in JSON and YAML.
  Output& output() const { return output_; }
  std::ostream& out() const { return output_.text(); }
  std::ostream& err() const { return output_.notes(); }
  Form form() const { return output_.form(); }
  void Show(const google::protobuf::Message& message) const { output_.Show(message); }
  void Show(const std::string& key, PolicyNode value) const { output_.Show(key, std::move(value)); }
  void Name(const std::string& name) const { output_.Name(name); }

  bool color() const { return io_.color; }
  bool terminal() const { return io_.terminal; }
  size_t width() const { return io_.width; }
  absl::Time now() const { return io_.now(); }
  absl::TimeZone zone() const { return io_.zone; }
  Clock clock() const { return {io_.now(), io_.zone}; }
  bool stopped() const { return io_.stop != nullptr && io_.stop->load(); }
  absl::Duration timeout() const { return timeout_; }
  // Where the control plane is, as it was given.
  const std::string& server() const { return settings_.server.value; }
  const GlobalOptions& options() const { return options_; }
  const Environment& environment() const { return io_.environment; }

 private:
  static std::string NewRequestId();
  ExitCode ReadTimeout();
  void Prepare(grpc::ClientContext& context, absl::Duration within) const;

  const CtlIo io_;
  Output& output_;
  const GlobalOptions options_;
  // From Open() on.
  ConnectionSettings settings_;
  absl::Duration timeout_;
  // A change was asked for, so that a lost answer leaves it open.
  bool changing_ = false;
  std::unique_ptr<v1::Admin::Stub> stub_;
};

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_SESSION_H_
