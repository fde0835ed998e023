// Speaks TLS: SLUICE_CA=ca.pem ./tls [QUESTION]
#include <fstream>
#include <iostream>
#include <iterator>

#include "collector.h"
#include "common.h"

namespace {

grpc::SslCredentialsOptions Roots() {
  grpc::SslCredentialsOptions options;
  const std::string path = Environment("SLUICE_CA", "");
  if (path.empty()) return options;  // The system's.
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(file), {});
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] {
    const auto stub = v1::Gateway::NewStub(grpc::CreateChannel(Server(), grpc::SslCredentials(Roots())));
    grpc::ClientContext context;
    SetDeadline(context);
    const Collector answer = Collect(*stub->StreamChat(&context, Ask(Question(argc, argv))), Show);
    std::cout << "\n";
    PrintEnd(*answer.end, answer.Text());
  });
}
