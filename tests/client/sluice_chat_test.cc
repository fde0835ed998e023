// The program itself, as a shell runs it, against a gateway in this process.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sluice/v1/control.grpc.pb.h"
#include "tests/client/fake_gateway.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using testing::EndEvent;
using testing::FakeGateway;
using testing::RichStatus;
using testing::Text;

// A child process with its three streams.
class Program {
 public:
  explicit Program(std::vector<std::string> args) {
    EXPECT_EQ(pipe(in_), 0);
    EXPECT_EQ(pipe(out_), 0);
    EXPECT_EQ(pipe(err_), 0);
    args.insert(args.begin(), std::string(SLUICE_BIN) + "/sluice-chat");
    pid_ = fork();
    if (pid_ == 0) Exec(args);
    close(in_[0]);
    close(out_[1]);
    close(err_[1]);
  }
  ~Program() {
    if (pid_ > 0) kill(pid_, SIGKILL), waitpid(pid_, nullptr, 0);
    if (in_[1] >= 0) close(in_[1]);
    close(out_[0]);
    close(err_[0]);
  }

  void Type(const std::string& text) {
    EXPECT_EQ(write(in_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseInput() { close(in_[1]), in_[1] = -1; }
  void Interrupt() { kill(pid_, SIGINT); }

  // Reads stdout until it holds `text`; false: 10 s have passed.
  bool WaitForOut(const std::string& text) {
    while (out_text.find(text) == std::string::npos) {
      pollfd fd{out_[0], POLLIN, 0};
      if (poll(&fd, 1, 10000) <= 0 || !ReadSome(out_[0], out_text)) return false;
    }
    return true;
  }

  // To the end; returns the exit status.
  int Wait() {
    while (ReadSome(out_[0], out_text)) {
    }
    while (ReadSome(err_[0], err_text)) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  std::string out_text;
  std::string err_text;

 private:
  void Exec(const std::vector<std::string>& args) {
    dup2(in_[0], 0), dup2(out_[1], 1), dup2(err_[1], 2);
    for (int fd = 3; fd < 1024; ++fd) close(fd);
    std::vector<char*> argv;
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(126);
  }
  static bool ReadSome(int fd, std::string& text) {
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got > 0) text.append(buffer, got);
    return got > 0;
  }

  int in_[2], out_[2], err_[2];
  pid_t pid_ = -1;
};

class SluiceChatTest : public ::testing::Test {
 protected:
  static FakeGateway::Script Answer(std::vector<v1::ChatEvent> events, grpc::Status status = grpc::Status::OK) {
    return [events, status](auto&, auto& writer) {
      FakeGateway::Send(writer, events);
      return status;
    };
  }
  std::vector<std::string> Args(std::vector<std::string> more) {
    more.insert(more.begin(), {"-m", "chat", "--server", gateway_.address()});
    return more;
  }

  // With its output where `to` says, as a shell reads it; what it says on stderr.
  std::pair<int, std::string> InShell(const std::string& words, const std::string& to) {
    const std::string command = std::string(SLUICE_BIN) + "/sluice-chat -m chat --server " + gateway_.address() + " " +
                                words + " 2>&1 " + to;
    FILE* pipe = popen(command.c_str(), "r");
    std::string said;
    char buffer[512];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) said.append(buffer, n);
    const int status = pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), said};
  }

  FakeGateway gateway_;
};

TEST_F(SluiceChatTest, ExitsWith10WhenTheAnswerCannotBeWritten) {
  gateway_.set_script(Answer({Text("lost"), EndEvent(v1::OUTCOME_COMPLETE)}));
  for (const char* words : {"hello", "--json hello", "--help"}) {
    const auto [full, full_text] = InShell(words, "> /dev/full");
    EXPECT_EQ(full, 10) << words;
    EXPECT_THAT(full_text, HasSubstr("sluice-chat: cannot write the answer: No space left on device\n"));
    const auto [closed, closed_text] = InShell(words, ">&-");
    EXPECT_EQ(closed, 10) << words;
    EXPECT_THAT(closed_text, HasSubstr("sluice-chat: cannot write the answer: Bad file descriptor\n"));
  }
}

TEST_F(SluiceChatTest, AnAnswerThatCannotBeWrittenIsCancelled) {
  gateway_.set_script(gateway_.SendThenHang({Text("and so on")}));
  EXPECT_EQ(InShell("hello", "> /dev/full").first, 10);
  EXPECT_TRUE(gateway_.SawCancel());
}

TEST_F(SluiceChatTest, StreamsTheTextToStandardOutput) {
  gateway_.set_script(Answer({Text("Because "), Text("of Rayleigh."), EndEvent(v1::OUTCOME_COMPLETE)}));
  Program chat(Args({"--system", "Be brief.", "Why", "is the sky blue?"}));
  EXPECT_EQ(chat.Wait(), 0) << chat.err_text;
  EXPECT_EQ(chat.out_text, "Because of Rayleigh.\n");
  EXPECT_EQ(chat.err_text, "");
  const v1::ChatRequest request = gateway_.requests().at(0);
  EXPECT_EQ(request.model(), "chat");
  ASSERT_EQ(request.messages_size(), 2);
  EXPECT_EQ(request.messages(0).text(), "Be brief.");
  EXPECT_EQ(request.messages(1).text(), "Why is the sky blue?");
}

TEST_F(SluiceChatTest, ReadsThePromptFromStandardInput) {
  gateway_.set_script(Answer({Text("ok"), EndEvent(v1::OUTCOME_COMPLETE)}));
  Program chat(Args({"-"}));
  chat.Type("from a pipe\n");
  chat.CloseInput();
  EXPECT_EQ(chat.Wait(), 0) << chat.err_text;
  EXPECT_EQ(gateway_.requests().at(0).messages(0).text(), "from a pipe\n");
}

TEST_F(SluiceChatTest, PrintsEventsAsJsonLines) {
  gateway_.set_script(Answer({Text("hi"), EndEvent(v1::OUTCOME_COMPLETE)}));
  Program chat(Args({"--json", "hello"}));
  EXPECT_EQ(chat.Wait(), 0);
  EXPECT_THAT(chat.out_text, HasSubstr("{\"content\":{\"text\":\"hi\"}}\n"));
  EXPECT_THAT(chat.out_text, HasSubstr("\"outcome\":\"OUTCOME_COMPLETE\""));
}

TEST_F(SluiceChatTest, ExitsWith4AndSaysSoWhenTheAnswerWasCut) {
  gateway_.set_script(Answer({Text("half"), EndEvent(v1::OUTCOME_TRUNCATED)},
                             RichStatus(grpc::StatusCode::ABORTED, "the stream was cut", "STREAM_TRUNCATED")));
  Program chat(Args({"hello"}));
  EXPECT_EQ(chat.Wait(), 4);
  EXPECT_EQ(chat.out_text, "half\n");
  EXPECT_THAT(chat.err_text, HasSubstr("the answer above is incomplete: ABORTED: the stream was cut"));
}

TEST_F(SluiceChatTest, ExitsWith4WhenTheStreamHasNoEnd) {
  gateway_.set_script(Answer({Text("looks whole")}));
  Program chat(Args({"hello"}));
  EXPECT_EQ(chat.Wait(), 4);
  EXPECT_THAT(chat.err_text, HasSubstr("without its end record"));
}

TEST_F(SluiceChatTest, ExitsWith1AndTellsTheAttemptsWhenTheCallFailed) {
  gateway_.set_script(Answer({}, RichStatus(grpc::StatusCode::UNAVAILABLE, "all attempts failed", "ATTEMPTS_EXHAUSTED")));
  Program chat(Args({"hello"}));
  EXPECT_EQ(chat.Wait(), 1);
  EXPECT_EQ(chat.out_text, "");
  EXPECT_EQ(chat.err_text,
            "sluice-chat: UNAVAILABLE: all attempts failed; retry after 8 s\n"
            "  openai/primary: overload, HTTP 503\n"
            "  and 2 more attempts\n");
}

TEST_F(SluiceChatTest, ExitsWith5WhenTheRequestIsWrong) {
  gateway_.set_script(Answer({}, RichStatus(grpc::StatusCode::NOT_FOUND, "no route for model \"chat\"", "NO_ROUTE")));
  Program chat(Args({"hello"}));
  EXPECT_EQ(chat.Wait(), 5);
}

TEST_F(SluiceChatTest, ExitsWith6AtTheDeadline) {
  gateway_.set_script(gateway_.SendThenHang({}));
  Program chat(Args({"--deadline", "200ms", "hello"}));
  EXPECT_EQ(chat.Wait(), 6);
}

TEST_F(SluiceChatTest, ExitsWith130OnInterruptAndTheGatewaySeesIt) {
  gateway_.set_script(gateway_.SendThenHang({Text("and so on")}));
  Program chat(Args({"hello"}));
  ASSERT_TRUE(chat.WaitForOut("and so on"));
  chat.Interrupt();
  EXPECT_EQ(chat.Wait(), 130);
  EXPECT_TRUE(gateway_.SawCancel());
}

TEST_F(SluiceChatTest, KeepsTheHistoryOfAConversation) {
  gateway_.set_script(Answer({Text("first answer"), EndEvent(v1::OUTCOME_COMPLETE)}));
  Program chat(Args({}));
  chat.Type("one\n\ntwo\n");
  chat.CloseInput();
  EXPECT_EQ(chat.Wait(), 0) << chat.err_text;
  ASSERT_EQ(gateway_.requests().size(), 2u);
  const v1::ChatRequest second = gateway_.requests()[1];
  ASSERT_EQ(second.messages_size(), 3);
  EXPECT_EQ(second.messages(1).role(), v1::ROLE_ASSISTANT);
  EXPECT_EQ(second.messages(1).parts(0).text(), "first answer");
  EXPECT_EQ(second.messages(2).text(), "two");
}

TEST_F(SluiceChatTest, CancelsTheAnswerAndNotTheConversation) {
  gateway_.set_script([this, first = true](grpc::ServerContext& context, auto& writer) mutable {
    if (std::exchange(first, false)) return gateway_.SendThenHang({Text("endless")})(context, writer);
    FakeGateway::Send(writer, {Text("second"), EndEvent(v1::OUTCOME_COMPLETE)});
    return grpc::Status::OK;
  });
  Program chat(Args({}));
  chat.Type("one\n");
  ASSERT_TRUE(chat.WaitForOut("endless"));
  chat.Interrupt();
  ASSERT_TRUE(chat.WaitForOut("\n"));
  chat.Type("two\n");
  ASSERT_TRUE(chat.WaitForOut("second"));
  chat.CloseInput();
  EXPECT_EQ(chat.Wait(), 0);
  EXPECT_EQ(gateway_.requests().at(1).messages_size(), 1) << "an answer that was cancelled is not history";
}

TEST_F(SluiceChatTest, TakesTheOnlyModelThereIs) {
  gateway_.set_models({"chat", "*"});
  gateway_.set_script(Answer({Text("ok"), EndEvent(v1::OUTCOME_COMPLETE)}));
  Program chat({"--server", gateway_.address(), "hello"});
  EXPECT_EQ(chat.Wait(), 0) << chat.err_text;
  EXPECT_EQ(gateway_.requests().at(0).model(), "chat");
}

TEST_F(SluiceChatTest, NamesTheModelsWhenThereAreSeveral) {
  gateway_.set_models({"chat", "small"});
  Program chat({"--server", gateway_.address(), "hello"});
  EXPECT_EQ(chat.Wait(), 2);
  EXPECT_EQ(chat.err_text, "sluice-chat: name a model with -m: one of chat, small\n");
}

TEST(SluiceChatUsageTest, NamesTheAddressThatNobodyAnswersAt) {
  Program chat({"-m", "chat", "--server", "127.0.0.1:1", "hello"});
  EXPECT_EQ(chat.Wait(), 3);
  EXPECT_THAT(chat.err_text, HasSubstr("cannot reach a gateway at 127.0.0.1:1"));
  EXPECT_EQ(std::count(chat.err_text.begin(), chat.err_text.end(), '\n'), 1);
}

// Of the variables that say where a gateway is.
class SluiceChatEnvironmentTest : public SluiceChatTest {
 protected:
  ~SluiceChatEnvironmentTest() override {
    for (const std::string& name : set_) unsetenv(name.c_str());
  }
  void Set(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }

 private:
  std::vector<std::string> set_;
};

TEST_F(SluiceChatEnvironmentTest, FindsTheGatewayByItsContext) {
  gateway_.set_script(Answer({Text("ok"), EndEvent(v1::OUTCOME_COMPLETE)}));
  const std::string file = ::testing::TempDir() + "/chat-contexts-" + std::to_string(getpid()) + ".yaml";
  std::ofstream(file) << "current-context: here\ncontexts:\n- {name: here, gateway: \"" << gateway_.address() << "\"}\n"
                      << "- {name: other, server: \"127.0.0.1:1\"}\n";
  Set("SLUICE_CONFIG", file);
  Program chat({"-m", "chat", "hello"});
  EXPECT_EQ(chat.Wait(), 0) << chat.err_text;
  Program other({"-m", "chat", "--context", "other", "hello"});
  EXPECT_EQ(other.Wait(), 2);
  EXPECT_THAT(other.err_text, HasSubstr("context other in " + file + " names no gateway"));
  unlink(file.c_str());
}

TEST_F(SluiceChatEnvironmentTest, ErrorsNameTheVariable) {
  Set("SLUICE_CA", "/no/ca.pem");
  Program chat(Args({"hello"}));
  EXPECT_EQ(chat.Wait(), 2);
  EXPECT_EQ(chat.err_text, "sluice-chat: SLUICE_CA: cannot read /no/ca.pem\n");
  Set("SLUICE_CA", "");
  Set("SLUICE_TIMEOUT", "soon");
  Program late(Args({"hello"}));
  EXPECT_EQ(late.Wait(), 2);
  EXPECT_EQ(late.err_text, "sluice-chat: SLUICE_TIMEOUT: \"soon\" is no duration; write 30s or 5m\n");
}

TEST(SluiceChatUsageTest, NamesAServerOfTheWrongKind) {
  v1::Admin::Service admin;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&admin);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  Program chat({"-m", "chat", "--server", address, "hello"});
  EXPECT_EQ(chat.Wait(), 3);
  EXPECT_EQ(chat.err_text, "sluice-chat: " + address +
                               " speaks gRPC and is no data plane of Sluice (it does not know sluice.v1.Gateway)\n");
}

TEST(SluiceChatUsageTest, ExitsWith2OnWrongUsage) {
  const std::vector<std::vector<std::string>> wrong = {
      {"--no-such-option"}, {"-m", "m", "--deadline", "soon", "x"}, {"-m", "m", "--server", "nowhere", "x"}, {"-m", "m", ""}};
  for (const auto& args : wrong) {
    Program chat(args);
    EXPECT_EQ(chat.Wait(), 2) << args.back();
    EXPECT_NE(chat.err_text, "");
  }
}

TEST(SluiceChatUsageTest, HelpShowsExamplesAndExitCodes) {
  Program chat({"--help"});
  EXPECT_EQ(chat.Wait(), 0);
  EXPECT_THAT(chat.out_text, HasSubstr("sluice-chat -m chat \"Why is the sky blue?\""));
  EXPECT_THAT(chat.out_text, HasSubstr("130  cancelled"));
}

}  // namespace
}  // namespace sluice
