// Compiles policies written as YAML. For tests of the policy compiler.
#ifndef SLUICE_TESTS_CONFIG_COMPILE_FIXTURE_H_
#define SLUICE_TESTS_CONFIG_COMPILE_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/config/policy_compiler.h"
#include "tests/config/policies.h"

namespace sluice {

inline const TimePoint kCompileTime = absl::FromUnixSeconds(3600);

class CompileFixture : public testing::Test {
 protected:
  void SetUp() override { setenv("CONFIG_TEST_API_KEY", "sk-test", 1); }

  CompiledPolicies Compile(const std::string& yaml, PolicyCompiler& compiler) {
    const std::vector<v1::Resource> resources = Parse(yaml);
    std::vector<const v1::Resource*> all;
    for (const v1::Resource& resource : resources) all.push_back(&resource);
    return compiler.Compile("epoch", 7, all, kCompileTime);
  }
  // Expects that nothing is refused.
  std::shared_ptr<const RouteTable> Table(const std::string& yaml, PolicyCompiler& compiler) {
    CompiledPolicies compiled = Compile(yaml, compiler);
    for (const v1::Violation& violation : compiled.violations) ADD_FAILURE() << ViolationText(violation);
    return compiled.table;
  }
  std::shared_ptr<const RouteTable> Table(const std::string& yaml, std::string zone = "") {
    PolicyCompiler compiler(ConfigAllowLists(), std::move(zone));
    return Table(yaml, compiler);
  }
  std::shared_ptr<const RouteConfig> Route(const std::string& yaml) {
    auto table = Table(yaml);
    return table == nullptr ? nullptr : table->Find("chat");
  }
  std::vector<std::string> Refusals(const std::string& yaml, ConfigAllowLists allow = {}) {
    PolicyCompiler compiler{std::move(allow)};
    CompiledPolicies compiled = Compile(yaml, compiler);
    EXPECT_EQ(compiled.table, nullptr);
    std::vector<std::string> lines;
    for (const v1::Violation& violation : compiled.violations) {
      lines.push_back(violation.code() + " " + ViolationText(violation));
    }
    return lines;
  }
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFIG_COMPILE_FIXTURE_H_
