#include "proto/connection/server_trouble.h"

#include <chrono>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "proto/connection/channel_credentials.h"
#include "proto/connection/server_look.h"
#include "proto/listen/listen_address.h"

namespace sluice {
namespace {

// Of each look; people wait for the answer.
constexpr absl::Duration kPatience = absl::Seconds(1);

constexpr char kAdmin[] = "sluice.v1.Admin";
constexpr char kGateway[] = "sluice.v1.Gateway";

// How the two programs and their servers are called.
struct Words {
  const char* program;
  const char* service;
  const char* server;
  const char* other_service;
  const char* other_server;
  const char* port;
};

Words WordsFor(Plane plane) {
  if (plane == Plane::kControl) return {"sluicectl", kAdmin, "control plane", kGateway, "data plane", "8444"};
  return {"sluice-chat", kGateway, "data plane", kAdmin, "control plane", "8443"};
}

class Asker {
 public:
  explicit Asker(const ConnectionSettings& settings) : settings_(settings) {
    const auto credentials = MakeCredentials(settings);
    if (!credentials.ok()) return;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    channel_ = grpc::CreateCustomChannel(settings.server.value, *credentials, arguments);
  }

  bool Serves(const char* service) {
    if (channel_ == nullptr) return false;
    if (!services_.has_value()) services_ = Reflected();
    return services_->count(service) != 0 || IsHealthy(service);
  }

 private:
  void Prepare(grpc::ClientContext& context) const {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kPatience));
    for (const auto& [name, value] : CallMetadata(settings_)) context.AddMetadata(name, value);
  }

  std::set<std::string> Reflected() const {
    grpc::ClientContext context;
    Prepare(context);
    auto stub = grpc::reflection::v1::ServerReflection::NewStub(channel_);
    auto stream = stub->ServerReflectionInfo(&context);
    grpc::reflection::v1::ServerReflectionRequest request;
    request.set_list_services("*");
    std::set<std::string> names;
    grpc::reflection::v1::ServerReflectionResponse response;
    if (stream->Write(request) && stream->Read(&response)) {
      for (const auto& service : response.list_services_response().service()) names.insert(service.name());
    }
    context.TryCancel();
    stream->Finish();
    return names;
  }

  // Reflection may be off.
  bool IsHealthy(const char* service) const {
    grpc::ClientContext context;
    Prepare(context);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    return grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response).ok();
  }

  const ConnectionSettings& settings_;
  std::shared_ptr<grpc::Channel> channel_;
  std::optional<std::set<std::string>> services_;
};

std::string WrongKind(const ConnectionSettings& settings, const grpc::Status& status) {
  const Words words = WordsFor(settings.plane);
  Asker asker(settings);
  if (asker.Serves(words.service)) {
    return absl::StrCat("the ", words.server, " at ", ServerText(settings), " does not know this: it is older than this ",
                        words.program, " (", status.error_message(), ")");
  }
  if (asker.Serves(words.other_service)) {
    return absl::StrCat(ServerText(settings), " is a ", words.other_server, " (", words.other_service, "); ", words.program,
                        " talks to a ", words.server, ", by default at ", words.port);
  }
  return absl::StrCat(ServerText(settings), " speaks gRPC and is no ", words.server, " of Sluice (it does not know ",
                      words.service, ")");
}

std::string TrustSource(const ConnectionSettings& settings) {
  if (settings.ca.value.empty()) return absl::StrCat("the system (", settings.tls.source, ")");
  return absl::StrCat(settings.ca.value, " (", settings.ca.source, ")");
}

std::string CertificateTrouble(const ConnectionSettings& settings, const TlsAnswer& answer) {
  const std::string server = ServerText(settings);
  if (!answer.distrust.empty()) {
    return absl::StrCat("the certificate of ", server, " is not trusted by the authorities of ", TrustSource(settings), ": ",
                        answer.distrust, "; name its authorities with --ca");
  }
  if (answer.wrong_name) {
    return absl::StrCat("the certificate of ", server, " is for ", answer.names.empty() ? "no host" : answer.names,
                        ", not for that host; name the server so with --server");
  }
  if (!answer.wants_certificate) return "";
  if (settings.cert.value.empty()) return absl::StrCat(server, " asks for a client certificate; give --cert and --key");
  return absl::StrCat(server, " refuses the client certificate ", settings.cert.value, " (", settings.cert.source,
                      "); it must be signed by the authorities that the server trusts, and not be out of date");
}

std::string NoConnection(const ConnectionSettings& settings) {
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(settings.server.value);
  if (!address.ok()) return "";
  const std::string port = absl::StrCat(address->port);
  const Words words = WordsFor(settings.plane);
  const TlsFiles files{settings.ca.value, settings.cert.value, settings.key.value};
  const std::string server = ServerText(settings);
  if (settings.uses_tls()) {
    const TlsAnswer answer = LookWithTls(address->host, port, files, kPatience);
    if (answer.speaks_tls) return CertificateTrouble(settings, answer);
  }
  switch (LookInPlainText(address->host, port, kPatience)) {
    case PlainAnswer::kNobody:
      return "";
    case PlainAnswer::kHttp1:
      return absl::StrCat(server, " is a server of HTTP/1, no ", words.server, " of Sluice; ", words.program,
                          " talks to a ", words.server, ", by default at ", words.port);
    case PlainAnswer::kHttp2:
      if (!settings.uses_tls()) return "";
      return absl::StrCat(server, " speaks plain text, and ", words.program, " was told to speak TLS (",
                          settings.ca.value.empty() ? settings.tls.source : settings.ca.source, "); leave that out");
    default:
      break;
  }
  if (settings.uses_tls() || !LookWithTls(address->host, port, files, kPatience).speaks_tls) return "";
  return absl::StrCat(server, " speaks TLS, and ", words.program,
                      " was not told so; give --ca, the authorities of its certificate, or --tls for the system's");
}

}  // namespace

std::string ServerTrouble(const ConnectionSettings& settings, const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNIMPLEMENTED:
      return WrongKind(settings, status);
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
      return absl::StrContains(status.error_message(), "Connection refused") ? "" : NoConnection(settings);
    default:
      return "";
  }
}

}  // namespace sluice
