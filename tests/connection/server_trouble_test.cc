// What is said of servers of the wrong kind, and of TLS at one end only: each one
// line that says what to do.
#include "proto/connection/server_trouble.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/connection/channel_credentials.h"
#include "proto/reflection/server_reflection.h"
#include "sluice/v1/control.grpc.pb.h"
#include "sluice/v1/gateway.grpc.pb.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Made once for all cases: "here" is for 127.0.0.1, "elsewhere" for another name.
class Certificates {
 public:
  Certificates() {
    char pattern[] = "/tmp/server_trouble.XXXXXX";
    folder_ = mkdtemp(pattern);
    Make("here", "IP:127.0.0.1");
    Make("elsewhere", "DNS:cp.example.net");
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }

  std::string Cert(const std::string& name) const { return absl::StrCat(folder_, "/", name, ".pem"); }
  std::string Key(const std::string& name) const { return absl::StrCat(folder_, "/", name, ".key"); }

 private:
  void Make(const std::string& name, const std::string& host) const {
    const std::string command = absl::StrCat("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ", Key(name), " -out ",
                                             Cert(name), " -subj /CN=", name, " -addext subjectAltName=", host, " 2>/dev/null");
    EXPECT_EQ(std::system(command.c_str()), 0);
  }

  std::string folder_;
};

const Certificates& Certs() {
  static const Certificates certificates;
  return certificates;
}

struct TlsServer {
  std::string certificate;
  bool asks_for_certificates = false;
};

class ServerTroubleTest : public ::testing::Test {
 protected:
  void Start(grpc::Service& service, const char* name, const TlsServer& tls = {}) {
    reflection_ = std::make_unique<ServerReflection>(std::vector<std::string>{name});
    grpc::ServerBuilder builder;
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (!tls.certificate.empty()) {
      grpc::SslServerCredentialsOptions options;
      options.pem_key_cert_pairs.push_back({TextOf(Certs().Key(tls.certificate)), TextOf(Certs().Cert(tls.certificate))});
      if (tls.asks_for_certificates) {
        options.pem_root_certs = TextOf(Certs().Cert("here"));
        options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
      }
      credentials = grpc::SslServerCredentials(options);
    }
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port);
    builder.RegisterService(&service);
    reflection_->AddTo(builder);
    server_ = builder.BuildAndStart();
    settings_.server = {absl::StrCat("127.0.0.1:", port), "--server"};
  }

  ~ServerTroubleTest() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  }

  void Trust(const std::string& name) { settings_.ca = {Certs().Cert(name), "--ca"}; }

  // Of a real call with these settings.
  std::string Trouble() const {
    const auto credentials = MakeCredentials(settings_);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    const auto channel = grpc::CreateChannel(settings_.server.value, *credentials);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::Status status;
    if (settings_.plane == Plane::kControl) {
      v1::ListNodesResponse response;
      status = v1::Admin::NewStub(channel)->ListNodes(&context, {}, &response);
    } else {
      v1::ListModelsResponse response;
      status = v1::Gateway::NewStub(channel)->ListModels(&context, {}, &response);
    }
    std::string trouble = ServerTrouble(settings_, status);
    for (size_t at; (at = trouble.find(settings_.server.value)) != std::string::npos;) {
      trouble.replace(at, settings_.server.value.size(), "SERVER");
    }
    return trouble.empty() ? absl::StrCat("none: ", status.error_message()) : trouble;
  }

  v1::Admin::Service admin_;
  v1::Gateway::Service gateway_;
  std::unique_ptr<ServerReflection> reflection_;
  std::unique_ptr<grpc::Server> server_;
  ConnectionSettings settings_;
};

TEST_F(ServerTroubleTest, ADataPlaneIsNamed) {
  Start(gateway_, "sluice.v1.Gateway");
  EXPECT_EQ(Trouble(),
            "SERVER is a data plane (sluice.v1.Gateway); sluicectl talks to a control plane, by default at 8444");
}

TEST_F(ServerTroubleTest, AControlPlaneIsNamed) {
  Start(admin_, "sluice.v1.Admin");
  settings_.plane = Plane::kData;
  EXPECT_EQ(Trouble(),
            "SERVER is a control plane (sluice.v1.Admin); sluice-chat talks to a data plane, by default at 8443");
}

TEST_F(ServerTroubleTest, WhatNamedTheServerIsToldUnlessItWasAFlag) {
  Start(gateway_, "sluice.v1.Gateway");
  settings_.server.source = "SLUICE_SERVER";
  EXPECT_THAT(Trouble(), StartsWith("SERVER (from SLUICE_SERVER) is a data plane"));
}

TEST_F(ServerTroubleTest, AnOldControlPlaneIsNoOtherKind) {
  Start(admin_, "sluice.v1.Admin");
  EXPECT_THAT(Trouble(), HasSubstr("the control plane at SERVER does not know this: it is older than this sluicectl"));
}

TEST_F(ServerTroubleTest, PlainTextAtATlsPort) {
  Start(admin_, "sluice.v1.Admin", {"here"});
  EXPECT_EQ(Trouble(),
            "SERVER speaks TLS, and sluicectl was not told so; give --ca, the authorities of its certificate, or --tls for the "
            "system's");
}

TEST_F(ServerTroubleTest, TlsAtAPlainPort) {
  Start(admin_, "sluice.v1.Admin");
  Trust("here");
  EXPECT_EQ(Trouble(), "SERVER speaks plain text, and sluicectl was told to speak TLS (--ca); leave that out");
}

TEST_F(ServerTroubleTest, AnAuthorityThatIsNotTrusted) {
  Start(admin_, "sluice.v1.Admin", {"here"});
  Trust("elsewhere");
  EXPECT_THAT(Trouble(), StartsWith("the certificate of SERVER is not trusted by the authorities of "));
  EXPECT_THAT(Trouble(), HasSubstr("self"));
}

TEST_F(ServerTroubleTest, ACertificateForAnotherName) {
  Start(admin_, "sluice.v1.Admin", {"elsewhere"});
  Trust("elsewhere");
  EXPECT_EQ(Trouble(),
            "the certificate of SERVER is for cp.example.net, not for that host; name the server so with --server");
}

TEST_F(ServerTroubleTest, AClientCertificateThatIsMissingOrRefused) {
  Start(admin_, "sluice.v1.Admin", {"here", true});
  Trust("here");
  EXPECT_EQ(Trouble(), "SERVER asks for a client certificate; give --cert and --key");
  settings_.cert = {Certs().Cert("elsewhere"), "SLUICE_CERT"};
  settings_.key = {Certs().Key("elsewhere"), "SLUICE_KEY"};
  EXPECT_THAT(Trouble(), HasSubstr(" refuses the client certificate "));
  EXPECT_THAT(Trouble(), HasSubstr("(SLUICE_CERT)"));
}

TEST_F(ServerTroubleTest, NobodyThereIsNoMixUp) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  settings_.server = {absl::StrCat("127.0.0.1:", ntohs(address.sin_port)), "--server"};
  EXPECT_THAT(Trouble(), StartsWith("none: "));
  close(fd);
}

// Answers whatever comes as HTTP/1.1 servers do to what they do not know.
class Http1Server {
 public:
  Http1Server() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(fd_, 16);
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Http1Server() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  int port() const { return port_; }

 private:
  void Serve() const {
    for (int caller; (caller = accept(fd_, nullptr, nullptr)) >= 0; close(caller)) {
      char bytes[1024];
      static constexpr char kAnswer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      if (recv(caller, bytes, sizeof bytes, 0) > 0) send(caller, kAnswer, sizeof kAnswer - 1, MSG_NOSIGNAL);
    }
  }

  const int fd_;
  int port_ = 0;
  std::thread thread_;
};

TEST_F(ServerTroubleTest, AServerOfHttp1IsNamed) {
  const Http1Server server;
  settings_.server = {absl::StrCat("127.0.0.1:", server.port()), "--server"};
  EXPECT_EQ(Trouble(),
            "SERVER is a server of HTTP/1, no control plane of Sluice; sluicectl talks to a control plane, by default at 8444");
}

}  // namespace
}  // namespace sluice
