// sluice-chat: streams a chat in a terminal. Small on purpose: it is the model
// of how to use the client library.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
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
#include "proto/connection/channel_credentials.h"
#include "proto/connection/connection_settings.h"
#include "proto/connection/server_trouble.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/fd_stream.h"

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
  // As sluicectl's.
  kNotWritten = 10,
  kCancelled = 130,
  kBrokenPipe = 141,
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
  3  the gateway cannot be reached, or what is there is none
  4  the answer is incomplete
  5  the gateway refused the request: it is wrong as it stands
  6  the deadline passed
  10  the answer could not be written (disk full, standard output closed)
  130  cancelled by Ctrl-C)";

constexpr char kDefaultTimeout[] = "60s";

struct Settings {
  // As it was given, and what that comes to.
  ConnectionFlags flags;
  ConnectionSettings connection;
  std::string model;
  std::string system;
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

// What could not be written is an error, but for who stopped reading (head).
int Written(std::ostream& out, int code) {
  out.flush();
  if (out.good()) return code;
  const int error = WriteErrorOf(out);
  if (error == EPIPE) return kBrokenPipe;
  return Complain(absl::StrCat("cannot write the answer: ", strerror(error)), kNotWritten);
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
  Chat(Client client, Settings settings, CallOptions options, ChatScreen::Options screen, std::ostream& out)
      : client_(std::move(client)), settings_(std::move(settings)), options_(std::move(options)), out_(out),
        screen_(out, std::cerr, screen) {
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
      // What nobody can read is not paid for.
      if (!out_.good()) g_cancel.Set();
      answer.Add(event);
      shown |= event.has_content() || event.has_refusal();
    });
    const v1::ChatResponse response = answer.response();
    if (result.complete() && response.choices_size() > 0) {
      *request_.add_messages() = response.choices(0).message();
    } else {
      request_.mutable_messages()->RemoveLast();
    }
    const int code = Report(result, shown);
    return Written(out_, code);
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
      if (!out_.good()) return code;
    }
  }

 private:
  int Report(const CallResult& result, bool shown) {
    const int code = ExitCodeOf(result, shown);
    const grpc::Status status(result.failure.code, result.failure.message);
    const bool from_transport = !result.failure.ok() && !result.failure.from_gateway() && !shown && code != kCancelled;
    const std::string trouble = from_transport ? ServerTrouble(settings_.connection, status) : "";
    if (!trouble.empty()) return Complain(trouble, kUnreachable);
    if (code == kUnreachable) {
      return Complain(absl::StrCat("cannot reach a gateway at ", ServerText(settings_.connection), ": ", result.failure.message,
                                   "; is it running there? Name another with --server, SLUICE_SERVER or a context"),
                      code);
    }
    screen_.Finish(result, g_cancel.is_set(), absl::Now());
    return code;
  }

  const Client client_;
  const Settings settings_;
  const CallOptions options_;
  std::ostream& out_;
  ChatScreen screen_;
  v1::ChatRequest request_;
};

void Describe(CLI::App& app, Settings& settings) {
  app.footer(kFooter);
  app.add_option("-m,--model", settings.model, "Model, as the gateway's routes name it; may be left out if there is one")
      ->envname("SLUICE_MODEL");
  ConnectionFlags& flags = settings.flags;
  app.option_defaults()->take_last();
  app.add_option("--server", flags.server, "Gateway, host:port; else SLUICE_SERVER, the context's gateway, 127.0.0.1:8443");
  app.add_option("--context", flags.context, "Gateway and files of this context (sluicectl context); else SLUICE_CONTEXT");
  app.add_option("--ca,--tls-ca", flags.ca, "Speak TLS, trusting the authorities of this PEM file; else SLUICE_CA");
  app.add_flag("--tls", flags.tls, "Speak TLS, trusting the system's authorities; else SLUICE_TLS");
  app.add_option("--cert", flags.cert, "Show this certificate (PEM chain) to the gateway; with --key; else SLUICE_CERT");
  app.add_option("--key", flags.key, "PEM key of --cert; else SLUICE_KEY");
  app.add_option("--token", flags.token,
                 "Sent as a bearer token, over TLS or to this machine only; better SLUICE_TOKEN, which ps does not show");
  app.add_option("--timeout,--deadline", flags.timeout,
                 "For the whole answer, retries included: 30s, 5m; 0: the route's own; else SLUICE_TIMEOUT, 60s");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("--system", settings.system, "System message");
  app.add_option("--route", settings.route, "Route by name, in place of matching");
  app.add_flag("--json", settings.json, "Print the events as JSON lines");
  app.add_flag("--summary", settings.summary, "End with how it went also where stderr is no terminal");
  app.add_option("prompt", settings.prompt, "What to ask; - reads standard input; none begins a conversation");
}

// False: said what is wrong with the bound on time.
bool ReadTimeout(Setting timeout, CallOptions& options) {
  if (!timeout.given()) timeout.value = kDefaultTimeout;
  const absl::StatusOr<absl::Duration> bound =
      timeout.value == "0" ? absl::ZeroDuration() : ParseDurationText(timeout.value);
  if (!bound.ok()) {
    Complain(absl::StrCat(timeout.source, ": \"", timeout.value, "\" is no duration; write 30s or 5m"), kUsage);
    return false;
  }
  options.deadline = *bound == absl::ZeroDuration() ? absl::InfiniteDuration() : *bound;
  return true;
}

// Where the gateway is and how it is spoken to; false: said what is wrong.
bool ReadConnection(Settings& settings, ClientOptions& client, CallOptions& options) {
  absl::StatusOr<ConnectionSettings> connection = ResolveConnection(Plane::kData, settings.flags, ProcessEnvironment());
  absl::Status status = connection.status();
  // Says which setting named a file that will not do.
  if (status.ok()) status = MakeCredentials(*connection).status();
  if (!status.ok()) {
    Complain(std::string(status.message()), kUsage);
    return false;
  }
  settings.connection = *std::move(connection);
  const ConnectionSettings& found = settings.connection;
  if (!found.warning.empty()) Complain(absl::StrCat("warning: ", found.warning), kUsage);
  client.address = found.server.value;
  client.tls = found.uses_tls();
  client.tls_ca_file = found.ca.value;
  client.tls_cert_file = found.cert.value;
  client.tls_key_file = found.key.value;
  for (auto& entry : CallMetadata(found)) options.metadata.push_back(std::move(entry));
  return ReadTimeout(found.timeout, options);
}

std::string PromptOf(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  return absl::StrJoin(words, " ");
}

int Main(int argc, char** argv) {
  OpenStandardStreams();
  FdStream out(STDOUT_FILENO);
  Settings settings;
  CLI::App app("Streams a chat through a Sluice gateway.", "sluice-chat");
  Describe(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Written(out, app.exit(error, out, std::cerr) == 0 ? kComplete : kUsage);
  }
  CallOptions options;
  options.cancel = &g_cancel;
  ClientOptions client_options;
  if (!ReadConnection(settings, client_options, options)) return kUsage;
  if (!settings.route.empty()) options.metadata.emplace_back("sluice-route", settings.route);
  absl::StatusOr<Client> client = Client::Connect(client_options);
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
  Chat chat(*std::move(client), settings, options, screen, out);
  if (const int code = chat.PickModel(); code != kComplete) return code;
  return settings.prompt.empty() ? chat.Converse() : chat.Ask(prompt);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
