// sluice-chat: streams a chat in a terminal. Small on purpose: it is the model
// of how to use the client library.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/chat_screen.h"
#include "client/line_reader.h"
#include "client/sluice_client.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

enum ExitCode {
  kComplete = 0,
  kFailed = 1,
  kUsage = 2,
  kUnreachable = 3,
  kIncomplete = 4,
  kRefused = 5,
  kDeadline = 6,
  kCancelled = 130,
};

constexpr char kFooter[] = R"(Examples:
  sluice-chat -m chat "Why is the sky blue?"
  git diff | sluice-chat -m chat --system "Review this change." -
  sluice-chat -m chat                      a conversation; Ctrl-D ends it
  sluice-chat -m chat --json hello | jq .end

Ctrl-C cancels the answer, here and at the upstream; in a conversation the
program goes on. Only the answer goes to standard output.

Exit status:
  0  complete (or a declared fallback)
  1  the call failed before any content
  2  wrong usage
  3  the gateway cannot be reached
  4  the answer is incomplete
  5  the gateway refused the request: it is wrong as it stands
  6  the deadline passed
  130  cancelled by Ctrl-C)";

struct Settings {
  ClientOptions client;
  std::string model;
  std::string system;
  std::string deadline = "60s";
  std::string route;
  std::vector<std::string> prompt;
  bool json = false;
  bool summary = false;
};

CancelFlag g_cancel;

void OnInterrupt(int) { g_cancel.Set(); }

// Without SA_RESTART, so that a wait for input ends too.
void CatchInterrupt() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
}

int Complain(std::string_view what, int code) {
  std::cerr << "sluice-chat: " << what << std::endl;
  return code;
}

void Append(v1::ChatRequest& request, v1::Role role, std::string text) {
  v1::Message* message = request.add_messages();
  message->set_role(role);
  message->set_text(std::move(text));
}

int ExitCodeOf(const CallResult& result, bool shown) {
  const CallFailure& failure = result.failure;
  if (failure.ok()) return kComplete;
  if (g_cancel.is_set()) return kCancelled;
  if (shown || failure.reason == "NO_END" || failure.reason == "STREAM_TRUNCATED") return kIncomplete;
  switch (failure.code) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return kDeadline;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::ALREADY_EXISTS:
      return kRefused;
    case grpc::StatusCode::UNAVAILABLE:
      return failure.from_gateway() ? kFailed : kUnreachable;
    default:
      return kFailed;
  }
}

class Chat {
 public:
  Chat(Client client, Settings settings, CallOptions options, ChatScreen::Options screen)
      : client_(std::move(client)), settings_(std::move(settings)), options_(std::move(options)),
        screen_(std::cout, std::cerr, screen) {
    request_.set_model(settings_.model);
    // A pipe's reader cannot take back what it was given.
    request_.mutable_stream_options()->set_allow_restart(screen.out_is_terminal || screen.json);
    if (!settings_.system.empty()) Append(request_, v1::ROLE_SYSTEM, settings_.system);
  }

  // Asks the gateway where no model was named; it may have only one.
  int PickModel() {
    if (!request_.model().empty()) return kComplete;
    v1::ListModelsResponse models;
    const CallFailure failure = client_.ListModels(options_, &models);
    if (!failure.ok()) {
      CallResult result;
      result.failure = failure;
      return Report(result, false);
    }
    std::vector<std::string> names;
    for (const v1::Model& model : models.models()) {
      if (model.name() != "*") names.push_back(model.name());
    }
    if (names.size() != 1) {
      const std::string choice = names.empty() ? "" : absl::StrCat(": one of ", absl::StrJoin(names, ", "));
      return Complain(absl::StrCat("name a model with -m", choice), kUsage);
    }
    request_.set_model(names[0]);
    return kComplete;
  }

  // Asks, shows the answer, and keeps both for the next turn if it is whole.
  int Ask(std::string prompt) {
    g_cancel.Clear();
    Append(request_, v1::ROLE_USER, std::move(prompt));
    Collector answer;
    bool shown = false;
    screen_.Start(absl::Now());
    const CallResult result = client_.StreamChat(request_, options_, [&](const v1::ChatEvent& event) {
      screen_.Show(event, absl::Now());
      answer.Add(event);
      shown |= event.has_content() || event.has_refusal();
    });
    const v1::ChatResponse response = answer.response();
    if (result.complete() && response.choices_size() > 0) {
      *request_.add_messages() = response.choices(0).message();
    } else {
      request_.mutable_messages()->RemoveLast();
    }
    return Report(result, shown);
  }

  int Converse() {
    LineReader input(STDIN_FILENO);
    const bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (terminal) std::cerr << "Talking to \"" << request_.model() << "\"; Ctrl-C stops an answer, Ctrl-D ends.\n";
    int code = kComplete;
    while (true) {
      if (terminal) std::cerr << "> " << std::flush;
      std::string line;
      switch (input.Next(line)) {
        case LineReader::Outcome::kEnd:
          if (terminal) std::cerr << "\n";
          return code;
        case LineReader::Outcome::kInterrupted:
          if (terminal) std::cerr << "\n";
          continue;
        case LineReader::Outcome::kTooLong:
          Complain("a line of more than 1 MiB is not taken", kUsage);
          continue;
        case LineReader::Outcome::kLine:
          break;
      }
      if (line.find_first_not_of(" \t\r") != std::string::npos) code = Ask(std::move(line));
    }
  }

 private:
  int Report(const CallResult& result, bool shown) {
    const int code = ExitCodeOf(result, shown);
    if (code == kUnreachable) {
      return Complain(absl::StrCat("cannot reach a gateway at ", settings_.client.address, " (", result.failure.message,
                                   "); is it running there? Name another with --server or SLUICE_SERVER"),
                      code);
    }
    screen_.Finish(result, g_cancel.is_set(), absl::Now());
    return code;
  }

  const Client client_;
  const Settings settings_;
  const CallOptions options_;
  ChatScreen screen_;
  v1::ChatRequest request_;
};

void Describe(CLI::App& app, Settings& settings) {
  app.footer(kFooter);
  app.add_option("-m,--model", settings.model, "Model, as the gateway's routes name it; may be left out if there is one")
      ->envname("SLUICE_MODEL");
  app.add_option("--server", settings.client.address, "Gateway, host:port")->envname("SLUICE_SERVER")->capture_default_str();
  app.add_option("--system", settings.system, "System message");
  app.add_option("--deadline", settings.deadline, "For the whole answer, retries included: 30s, 5m; 0: the route's own")
      ->capture_default_str();
  app.add_option("--route", settings.route, "Route by name, in place of matching");
  app.add_flag("--tls", settings.client.tls, "Speak TLS, trusting the system's authorities");
  app.add_option("--tls-ca", settings.client.tls_ca_file, "Speak TLS, trusting the authorities of this PEM file");
  app.add_flag("--json", settings.json, "Print the events as JSON lines");
  app.add_flag("--summary", settings.summary, "End with how it went also where stderr is no terminal");
  app.add_option("prompt", settings.prompt, "What to ask; - reads standard input; none begins a conversation");
}

// False: it is no duration.
bool ReadDeadline(const std::string& text, CallOptions& options) {
  const absl::StatusOr<absl::Duration> deadline =
      text == "0" ? absl::ZeroDuration() : ParseDurationText(text);
  if (!deadline.ok()) return false;
  options.deadline = *deadline == absl::ZeroDuration() ? absl::InfiniteDuration() : *deadline;
  return true;
}

std::string PromptOf(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  return absl::StrJoin(words, " ");
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Streams a chat through a Sluice gateway.", "sluice-chat");
  Describe(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kComplete : kUsage;
  }
  CallOptions options;
  options.cancel = &g_cancel;
  if (!ReadDeadline(settings.deadline, options)) {
    return Complain(absl::StrCat("--deadline: \"", settings.deadline, "\" is no duration; write 30s or 5m"), kUsage);
  }
  if (!settings.route.empty()) options.metadata.emplace_back("sluice-route", settings.route);
  absl::StatusOr<Client> client = Client::Connect(settings.client);
  if (!client.ok()) return Complain(std::string(client.status().message()), kUsage);

  ChatScreen::Options screen{.out_is_terminal = isatty(STDOUT_FILENO) == 1,
                             .err_is_terminal = isatty(STDERR_FILENO) == 1,
                             .color = std::getenv("NO_COLOR") == nullptr,
                             .json = settings.json,
                             .summary = settings.summary};
  const std::string prompt = PromptOf(settings.prompt);
  if (!settings.prompt.empty() && prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
    return Complain("the prompt is empty", kUsage);
  }
  CatchInterrupt();
  Chat chat(*std::move(client), settings, options, screen);
  if (const int code = chat.PickModel(); code != kComplete) return code;
  return settings.prompt.empty() ? chat.Converse() : chat.Ask(prompt);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
