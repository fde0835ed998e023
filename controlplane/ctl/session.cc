#include "controlplane/ctl/session.h"

#include <fstream>
#include <random>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

// A whole set of policies in one answer may be large; 64 MiB holds 10,000
// resources of the largest sort seen.
constexpr int kMaxMessageBytes = 64 << 20;

bool LooksLikeAddress(const std::string& server) {
  const size_t colon = server.rfind(':');
  return colon != std::string::npos && colon != 0 && colon + 1 < server.size() &&
         server.find("://") == std::string::npos;
}

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

ExitCode Session::Open() {
  const absl::StatusOr<absl::Duration> timeout = ParseDurationText(options_.timeout);
  if (!timeout.ok() || *timeout <= absl::ZeroDuration()) {
    return Fail(ExitCode::kUsage,
                absl::StrCat("--timeout: \"", options_.timeout, "\" is no time to wait; write 10s or 500ms"));
  }
  timeout_ = *timeout;
  if (!LooksLikeAddress(options_.server)) {
    return Fail(ExitCode::kUsage,
                absl::StrCat("--server: \"", options_.server, "\" is no address; write host:port, as in 127.0.0.1:8444"));
  }
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (const ExitCode code = MakeCredentials(credentials); code != ExitCode::kOk) return code;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A control plane is near; a proxy of the environment would only hide it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  stub_ = v1::Admin::NewStub(grpc::CreateCustomChannel(options_.server, credentials, arguments));
  return ExitCode::kOk;
}

bool Session::ReadPem(const char* flag, const std::string& name, const char* kind, std::string& pem) const {
  std::ifstream file(name);
  std::ostringstream text;
  text << file.rdbuf();
  pem = text.str();
  if (!file || pem.empty()) {
    Fail(ExitCode::kUsage, absl::StrCat(flag, ": cannot read ", name));
    return false;
  }
  // gRPC would only say that it cannot connect.
  if (pem.find(absl::StrCat(kind, "-----")) != std::string::npos) return true;
  Fail(ExitCode::kUsage, absl::StrCat(flag, ": ", name, " holds no ", kind, " in PEM form"));
  return false;
}

ExitCode Session::MakeCredentials(std::shared_ptr<grpc::ChannelCredentials>& credentials) const {
  if (options_.cert_file.empty() != options_.key_file.empty()) {
    return Fail(ExitCode::kUsage, "--cert and --key belong together: give both or none");
  }
  if (options_.ca_file.empty()) {
    if (!options_.cert_file.empty()) {
      return Fail(ExitCode::kUsage, "--cert needs --ca, the authorities of the control plane's certificate");
    }
    credentials = grpc::InsecureChannelCredentials();
    return ExitCode::kOk;
  }
  grpc::SslCredentialsOptions ssl;
  if (!ReadPem("--ca", options_.ca_file, "CERTIFICATE", ssl.pem_root_certs)) return ExitCode::kUsage;
  if (!options_.cert_file.empty() &&
      (!ReadPem("--cert", options_.cert_file, "CERTIFICATE", ssl.pem_cert_chain) ||
       !ReadPem("--key", options_.key_file, "PRIVATE KEY", ssl.pem_private_key))) {
    return ExitCode::kUsage;
  }
  credentials = grpc::SslCredentials(ssl);
  return ExitCode::kOk;
}

ExitCode Session::Fail(const grpc::Status& status) const {
  const ExitCode code = ExitCodeOf(status.error_code());
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return Fail(code, absl::StrCat("cannot reach the control plane at ", options_.server, " (",
                                   ConnectReason(status.error_message()),
                                   "); is it running there? Name another with --server or SLUICE_CONTROLPLANE"));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return Fail(code, absl::StrCat("the control plane at ", options_.server, " did not answer within ",
                                   options_.timeout,
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
