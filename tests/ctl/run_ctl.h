// Runs whole commands against a control plane in this process, in a folder and
// an environment of their own.
#ifndef SLUICE_TESTS_CTL_RUN_CTL_H_
#define SLUICE_TESTS_CTL_RUN_CTL_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "controlplane/ctl/ctl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/ctl/fake_admin.h"

namespace sluice::ctl {

inline constexpr char kTwoEndpoints[] = R"(kind: Upstream
name: openai
labels: {team: search}
format: OPENAI
credential: env:OPENAI_API_KEY
endpoints:
- url: https://api.openai.com/v1
- {name: backup, url: "https://backup.example.com/v1", priority: 1}
---
kind: Route
name: chat
match: {model: chat}
targets: [{upstream: openai, model: gpt-4o-mini}]
---
kind: RetryPolicy
name: default
max_attempts: 3
)";

class RunCtlTest : public ::testing::Test {
 protected:
  RunCtlTest() {
    char pattern[] = "/tmp/run_ctl.XXXXXX";
    folder_ = mkdtemp(pattern);
    environment_["HOME"] = folder_;
  }
  ~RunCtlTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  std::string File(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }

  static std::string TextOf(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // With --server, at the fake control plane.
  ExitCode Run(std::vector<std::string> args) {
    args.insert(args.begin(), {"--server", admin_.address()});
    return RunAlone(std::move(args));
  }

  // As it stands. `answers`: what a person types; nothing: there is nobody.
  ExitCode RunAlone(const std::vector<std::string>& args) {
    std::ostringstream out, err;
    CtlIo io{out, err};
    io.now = [] { return absl::UnixEpoch() + absl::Minutes(6); };
    io.environment = [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    };
    std::istringstream in(answers_.value_or(""));
    if (answers_.has_value()) io.in = &in;
    const ExitCode code = RunCtl(args, io);
    out_ = Hidden(out.str());
    err_ = Hidden(err.str());
    return code;
  }

  void Given() { ASSERT_EQ(Run({"apply", "-f", File("policy.yaml", kTwoEndpoints)}), ExitCode::kOk) << err_; }

  static v1::NodeStatus NodeIn(const std::string& id, v1::NodeState state, uint64_t revision) {
    v1::NodeStatus node;
    node.set_node_id(id);
    node.set_state(state);
    node.set_acked_revision(revision);
    node.mutable_since()->set_seconds(240);
    return node;
  }

  testing::FakeAdmin admin_;
  std::string folder_;
  std::map<std::string, std::string> environment_;
  std::optional<std::string> answers_;
  std::string out_;
  std::string err_;

 private:
  // The folder's name differs from run to run, and the port.
  std::string Hidden(std::string text) const {
    for (const std::string& hidden : {folder_ + "/", admin_.address()}) {
      const std::string shown = hidden == admin_.address() ? "ADDRESS" : "";
      for (size_t at; (at = text.find(hidden)) != std::string::npos;) text.replace(at, hidden.size(), shown);
    }
    return text;
  }
};

}  // namespace sluice::ctl

#endif  // SLUICE_TESTS_CTL_RUN_CTL_H_
