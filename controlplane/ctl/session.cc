#include "controlplane/ctl/session.h"

#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/connection/channel_credentials.h"
#include "proto/connection/server_trouble.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

// A whole set of policies in one answer may be large; 64 MiB holds 10,000
// resources of the largest sort seen.
constexpr int kMaxMessageBytes = 64 << 20;

constexpr char kDefaultTimeout[] = "10s";

// "Connection refused" of "failed to connect to all addresses; last error: …".
std::string ConnectReason(const std::string& message) {
  if (message.find("ailed to connect") == std::string::npos) return message;
  const size_t colon = message.rfind(": ");
  return colon == std::string::npos ? message : message.substr(colon + 2);
}

// "route/chat: targets[1].upstream" of a field violation is a resource and a path.
std::vector<Finding> FindingsOf(const grpc::Status& status) {
  std::vector<Finding> findings;
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return findings;
  for (const google::protobuf::Any& detail : rich.details()) {
    google::rpc::BadRequest bad;
    if (!detail.UnpackTo(&bad)) continue;
    for (const auto& violation : bad.field_violations()) {
      const size_t colon = violation.field().find(": ");
      Finding& finding = findings.emplace_back();
      if (colon != std::string::npos) finding.resource = violation.field().substr(0, colon);
      finding.path = colon == std::string::npos ? violation.field() : violation.field().substr(colon + 2);
      finding.message = violation.description();
    }
  }
  return findings;
}

}  // namespace

ExitCode ExitCodeOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return ExitCode::kOk;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ExitCode::kUnreachable;
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::OUT_OF_RANGE:
      return ExitCode::kNotFound;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return ExitCode::kInvalidPolicy;
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return ExitCode::kConflict;
    default:
      return ExitCode::kUnexpected;
  }
}

Painted Paint(std::string text, Color color, bool enabled) {
  return {std::move(text), enabled ? color : Color::kNone};
}

std::ostream& operator<<(std::ostream& out, const Painted& painted) {
  if (painted.color == Color::kNone) return out << painted.text;
  static constexpr const char* kCodes[] = {"0", "31", "32", "33", "2"};
  WriteRaw(out, absl::StrCat("\x1b[", kCodes[static_cast<int>(painted.color)], "m"));
  out << painted.text;
  WriteRaw(out, "\x1b[0m");
  return out;
}

ExitCode Session::ReadTimeout() {
  Setting& setting = settings_.timeout;
  if (!setting.given()) setting.value = kDefaultTimeout;
  const absl::StatusOr<absl::Duration> timeout = ParseDurationText(setting.value);
  if (!timeout.ok() || *timeout <= absl::ZeroDuration()) {
    return Fail(ExitCode::kUsage,
                absl::StrCat(setting.source, ": \"", setting.value, "\" is no time to wait; write 10s or 500ms"));
  }
  timeout_ = *timeout;
  return ExitCode::kOk;
}

ExitCode Session::Open() {
  absl::StatusOr<ConnectionSettings> settings =
      ResolveConnection(Plane::kControl, options_.connection, io_.environment);
  if (!settings.ok()) return Fail(ExitCode::kUsage, std::string(settings.status().message()));
  settings_ = *std::move(settings);
  if (const ExitCode code = ReadTimeout(); code != ExitCode::kOk) return code;
  const auto credentials = MakeCredentials(settings_);
  if (!credentials.ok()) return Fail(ExitCode::kUsage, std::string(credentials.status().message()));
  if (!settings_.warning.empty()) err() << "sluicectl: warning: " << settings_.warning << "\n";
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A control plane is near; a proxy of the environment would only hide it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  stub_ = v1::Admin::NewStub(grpc::CreateCustomChannel(settings_.server.value, *credentials, arguments));
  return ExitCode::kOk;
}

void Session::Prepare(grpc::ClientContext& context, absl::Duration within) const {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(within));
  for (const auto& [name, value] : CallMetadata(settings_)) context.AddMetadata(name, value);
}

ExitCode Session::Confirm(const std::string& question, const std::string& flag, bool yes) const {
  if (yes) return ExitCode::kOk;
  if (!interactive()) {
    return Fail(ExitCode::kUsage, absl::StrCat("nothing was changed: ", flag, " needs --yes where nobody can be asked"));
  }
  err() << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(*io_.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return ExitCode::kOk;
  err() << "nothing was changed\n";
  return ExitCode::kUnexpected;
}

ExitCode Session::FailUnchanged(const grpc::Status& status) const {
  const ExitCode code = Fail(status);
  if (code != ExitCode::kUnreachable) err() << "nothing was changed\n";
  return code;
}

ExitCode Session::Fail(const grpc::Status& status) const {
  const ExitCode code = ExitCodeOf(status.error_code());
  if (const std::string trouble = ServerTrouble(settings_, status); !trouble.empty()) {
    return Fail(ExitCode::kUnreachable, trouble);
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return Fail(code, absl::StrCat("cannot reach the control plane at ", ServerText(settings_), ": ",
                                   ConnectReason(status.error_message()),
                                   "; is it running there? Name another with --server, SLUICE_SERVER or a context"));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return Fail(code, absl::StrCat("the control plane at ", ServerText(settings_), " did not answer within ",
                                   settings_.timeout.value,
                                   changing_ ? "; the change may have been made: see sluicectl history" : ""));
  }
  const std::vector<Finding> findings = FindingsOf(status);
  std::string message = status.error_message();
  // The violations say all of it, each on its own line.
  if (code == ExitCode::kInvalidPolicy && !findings.empty()) {
    for (const Finding& finding : findings) output_.Add(finding);
    return code;
  }
  if (message.empty()) message = absl::StrCat("status ", static_cast<int>(status.error_code()));
  // Other details (who refers to it) are in the message too.
  return Fail(code, message);
}

ExitCode Session::Fail(ExitCode code, const std::string& message) const {
  output_.Error(message);
  return code;
}

std::string Session::NewRequestId() {
  std::random_device random;
  return absl::StrFormat("ctl-%08x%08x%08x%08x", random(), random(), random(), random());
}

}  // namespace sluice::ctl
