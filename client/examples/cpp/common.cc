#include "common.h"

#include <absl/status/status.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>

std::string Environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

std::string Server() { return Environment("SLUICE_SERVER", "127.0.0.1:8443"); }

std::unique_ptr<v1::Gateway::Stub> Connect() {
  return v1::Gateway::NewStub(grpc::CreateChannel(Server(), grpc::InsecureChannelCredentials()));
}

std::string Question(int argc, char** argv, const std::string& otherwise, int skip) {
  std::string question;
  for (int i = 1 + skip; i < argc; ++i) question += (question.empty() ? "" : " ") + std::string(argv[i]);
  return question.empty() ? otherwise : question;
}

v1::Message User(const std::string& text) {
  v1::Message message;
  message.set_role(v1::ROLE_USER);
  message.set_text(text);
  return message;
}

v1::ChatRequest Ask(const std::string& text) {
  v1::ChatRequest request;
  request.set_model(Environment("SLUICE_MODEL", "chat"));
  *request.add_messages() = User(text);
  return request;
}

void SetDeadline(grpc::ClientContext& context, double seconds) {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
}

std::string CodeName(grpc::StatusCode code) {
  // The two have the same numbers.
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

void Show(const std::string& text) { std::cout << text << std::flush; }

void PrintEnd(const v1::End& end, const std::string& text) {
  std::string outcome = v1::Outcome_Name(end.outcome()).substr(sizeof("OUTCOME_") - 1);
  std::transform(outcome.begin(), outcome.end(), outcome.begin(), ::tolower);
  const auto characters = std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  std::cout << "end: " << outcome << ", served by " << end.served_by() << ", " << end.attempts_size() << " attempts, "
            << characters << " characters\n";
  if (end.outcome() == v1::OUTCOME_FALLBACK) {
    std::cout << "a fallback, because: " << end.error().message() << "\n";
  }
}

int Run(const std::function<void()>& program) {
  try {
    program();
    return 0;
  } catch (const CallFailed& failed) {
    std::cerr << CodeName(failed.status.error_code()) << ": " << failed.what() << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << std::endl;
  }
  return 1;
}
